"""A hub on loopback with a tiny BERT that ships ONNX files, honest and otherwise."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "sources"))


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    """A folder as a hub repository has it: configuration and safetensors of a seeded model."""
    transformers = pytest.importorskip("transformers")
    import torch

    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=60,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
        initializer_range=0.3,
    )
    folder = tmp_path_factory.mktemp("repository") / "tiny"
    transformers.BertModel(config).eval().save_pretrained(folder)
    return folder
