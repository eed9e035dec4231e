"""Five Transformers models in local folders, with seeded weights, and the zoo that names them.

``python -m benchmarks._cold_models FOLDER`` makes them: in a process of its own, so that the
one that takes the time stays small.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Batch, tokens and pixels that optimum traces with by default; ours are the same.
_TOKENS = {"batch": 2, "tokens": 16}
_PIXELS = {"batch": 2, "height": 64, "width": 64}


@dataclass(frozen=True, slots=True)
class Model:
    """A model in a folder and what both sides need to know to convert it."""

    #: Name of its folder, and its id in the zoo.
    name: str
    architecture: str
    #: What its configuration changes of the architecture's own defaults.
    config: dict[str, int]
    task: str
    #: The zoo's ``inputs.spec`` and its first input set; the second one varies each axis.
    spec: dict[str, Any]
    first: dict[str, int]
    #: Further options of ``optimum-cli export onnx``.
    options: tuple[str, ...] = ()


def _tokens(high: int, axis: str = "tokens") -> dict[str, Any]:
    return {"dtype": "int64", "shape": ["batch", axis], "low": 2, "high": high}


_MASK = {"dtype": "int64", "shape": ["batch", "tokens"], "fill": "mask"}
_TINY = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}

MODELS = (
    Model(
        "tiny-bert",
        "BertForSequenceClassification",
        {**_TINY, "intermediate_size": 512},
        "text-classification",
        {
            "input_ids": _tokens(30522),
            "attention_mask": _MASK,
            "token_type_ids": _tokens(2) | {"low": 0},
        },
        _TOKENS,
    ),
    Model(
        "bert-base",
        "BertModel",
        {},
        "feature-extraction",
        {
            "input_ids": _tokens(30522),
            "attention_mask": _MASK,
            "token_type_ids": _tokens(2) | {"low": 0},
        },
        _TOKENS,
    ),
    # one forward pass over a prompt on both sides: no past
    Model(
        "gpt2",
        "GPT2LMHeadModel",
        {},
        "text-generation",
        {"input_ids": _tokens(50257), "attention_mask": _MASK},
        _TOKENS,
    ),
    Model(
        "resnet-50",
        "ResNetForImageClassification",
        {},
        "image-classification",
        {"pixel_values": {"shape": ["batch", 3, "height", "width"]}},
        _PIXELS,
    ),
    # encoder and decoder in one graph on both sides, again without a past
    Model(
        "t5-small",
        "T5ForConditionalGeneration",
        {},
        "text2text-generation",
        {
            "input_ids": _tokens(32128),
            "attention_mask": _MASK,
            "decoder_input_ids": _tokens(32128, "target"),
        },
        {**_TOKENS, "target": 12},
        ("--monolith",),
    ),
)


def write_zoo(folder: Path, exporter: str = "dynamo") -> Path:
    """Write the zoo of the models that lie in ``folder`` beside them."""
    import json

    entries = [
        {
            "id": model.name,
            "framework": "transformers",
            "task": model.task,
            "source": {"path": model.name},
            "exporters": [exporter],
            "inputs": {"spec": model.spec, "sets": [model.first, _varied(model.first)]},
        }
        for model in MODELS
    ]
    zoo = folder / "zoo.yaml"
    zoo.write_text(json.dumps({"version": 1, "models": entries}, indent=1), encoding="utf-8")
    return zoo


def _varied(sizes: dict[str, int]) -> dict[str, int]:
    """Another size of every axis, and a whole number of a ResNet's strides."""
    return {axis: size + 1 if axis == "batch" else size * 3 // 2 for axis, size in sizes.items()}


def save_models(folder: Path) -> None:
    """Write every model's folder: ``config.json`` and its weights, drawn with seed 0."""
    import torch
    import transformers

    for model in MODELS:
        architecture = getattr(transformers, model.architecture)
        torch.manual_seed(0)
        module = architecture(architecture.config_class(**model.config))
        module.save_pretrained(folder / model.name)


if __name__ == "__main__":
    save_models(Path(sys.argv[1]))
