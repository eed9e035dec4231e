"""``conversion_config`` dictionaries, and what the engine is asked for by them."""

from __future__ import annotations

import pytest

from conformance.api import OnnxConversionError
from conformance.api.architectures import ARCHITECTURES, wishes_of

#: As people write it for BERT.
BERT = {
    "model_type": "bert",
    "opset_version": 18,
    "input_shapes": {"batch_size": 1, "sequence_length": 12},
    "input_names": ["input_ids", "attention_mask"],
    "output_names": ["last_hidden_state", "pooler_output"],
    "dynamic_axes": {
        "input_ids": {0: "batch_size", 1: "sequence_length"},
        "attention_mask": {0: "batch_size", 1: "sequence_length"},
        "last_hidden_state": {0: "batch_size", 1: "sequence_length"},
    },
}


def test_a_whole_configuration_is_understood():
    """Opset, names, axes and sizes arrive; the axes of outputs follow from the inputs'."""
    wishes = wishes_of(BERT)
    assert wishes.opset == 18
    assert wishes.input_names == ("input_ids", "attention_mask")
    assert wishes.conversion == {"output_names": ["last_hidden_state", "pooler_output"]}
    assert set(wishes.dynamic) == {"input_ids", "attention_mask"}
    assert wishes.dynamic["input_ids"] == {0: "batch_size", 1: "sequence_length"}
    assert wishes.sizes == {"batch_size": (1,), "sequence_length": (12,)}


def test_json_keys_are_axis_numbers_too():
    """A configuration that went through JSON has text for axis numbers, and means the same."""
    import json

    assert wishes_of(json.loads(json.dumps(BERT))) == wishes_of(BERT)


@pytest.mark.parametrize(
    ("model_type", "shapes", "sizes"),
    [
        ("bert", {"batch_size": 2, "sequence_length": 7}, {"batch": (2,), "tokens": (7,)}),
        ("gpt-2", {"sequence_length": 7}, {"tokens": (7,)}),
        ("t5", {"decoder_sequence_length": 4}, {"target": (4,)}),
        ("vit", {"batch_size": 2, "height": 224, "width": 224}, {"batch": (2,)}),
        ("clip", {"batch_size": 2, "image_batch_size": 3}, {"texts": (2,), "images": (3,)}),
        ("clip_text", {"batch_size": 2}, {"batch": (2,)}),
        ("clip_vision", {"batch_size": 2, "num_channels": 3}, {"batch": (2,)}),
        ("whisper", {"batch_size": 2, "feature_size": 80}, {"batch": (2,)}),
        ("wav2vec2", {"sequence_length": 16000}, {"samples": (16000,)}),
        (None, {"batch_size": 2}, {"batch": (2,)}),
    ],
)
def test_usual_names_of_sizes_are_the_models_axes(model_type, shapes, sizes):
    """Each family has its own meaning of a sequence's length; what a model fixes is left to it."""
    assert wishes_of({"model_type": model_type, "input_shapes": shapes}).sizes == sizes


def test_every_named_family_has_a_handler():
    """The families that are promised are in the table, with what they take."""
    promised = {"bert", "t5", "gpt2", "vit", "clip", "clip_text_model", "clip_vision_model",
                "whisper", "wav2vec2"}  # fmt: skip
    assert promised <= ARCHITECTURES.keys()
    assert all(each.inputs for each in ARCHITECTURES.values())


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"opset": 12}, "no key 'opset'; known: .*opset_version"),
        ({"input_shapes": {"batch_size": "many"}}, "invalid literal"),
        ({"dynamic_axes": 3}, "no attribute"),
    ],
)
def test_what_is_not_understood_is_refused(config, said):
    """A key that nothing goes by is an error, not ignored."""
    with pytest.raises(OnnxConversionError, match=said):
        wishes_of(config)
