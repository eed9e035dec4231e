from __future__ import annotations

import pytest

from conformance.variants.optimized import model_type_of


@pytest.mark.parametrize(
    ("architecture", "known"),
    [
        ("BertForSequenceClassification", "bert"),
        ("GPT2LMHeadModel", "gpt2"),
        ("ViTModel", "vit"),
        ("BertLikeForNothing", None),
        ("ResNetForImageClassification", None),
        (None, None),
    ],
)
def test_fusions_are_chosen_by_the_architecture(architecture, known):
    """By the whole stem of the class: a name that only begins alike is another architecture."""
    assert model_type_of(architecture) == known
