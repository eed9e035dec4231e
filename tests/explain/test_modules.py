from __future__ import annotations

import numpy as np
import pytest

from conformance.entry import ZooEntry
from conformance.execution.progress import Progress
from conformance.explain.modules import activations, read_activations
from conformance.model import Case, to_json

FACTORY = '''
import torch


class Twice(torch.nn.Module):
    """A layer that works in place, and is called twice."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(4, 4)
        self.act = torch.nn.ReLU(inplace=True)
        self.pair = Pair()

    def forward(self, x):
        x = self.act(self.first(x))
        return self.pair(self.act(x - 1))[1]


class Pair(torch.nn.Module):
    def forward(self, x):
        return {"names": ["none"], "tensor": x + 1}, x


def eager():
    torch.manual_seed(0)
    return Twice()


def scripted():
    return torch.jit.trace(torch.nn.Sequential(torch.nn.Linear(4, 4)), torch.zeros(1, 4))
'''


def asked(tmp_path, **entry):
    made = ZooEntry.model_validate(
        {
            "id": "tiny",
            "framework": "pytorch",
            "source": {"factory": "explain_factory:eager"},
            "inputs": {"spec": {"x": {"shape": [3, 4]}}},
            **entry,
        }
    )
    (tmp_path / "explain_factory.py").write_text(FACTORY, encoding="utf-8")
    payload = {
        "case": to_json(Case(made, "dynamo", 18, "fp32")),
        "zoo_dir": str(tmp_path),
        "cache_dir": str(tmp_path),
        "offline": True,
        "seed": 0,
        "out": str(tmp_path),
    }
    return activations(payload, Progress(tmp_path / "progress.json", "tiny"))


def test_modules_are_asked_on_every_data_set(tmp_path):
    """Each module's first tensor is kept, as it was before others worked on it in place."""
    torch = pytest.importorskip("torch")
    assert asked(tmp_path) == {"modules": 3}
    found = read_activations(tmp_path / "activations.npz", 0)
    # the second call of 'act' came after 'first', and is what was kept
    assert list(found) == ["first", "act", "pair"]
    assert (found["first"] < 0).any()  # the ReLU behind it overwrote its tensor
    np.testing.assert_array_equal(found["pair"], found["act"] + 1)
    other = read_activations(tmp_path / "activations.npz", 1)
    assert list(other) == list(found)
    assert not np.array_equal(other["first"], found["first"])
    assert torch.is_grad_enabled()


def test_scripted_model_shows_nothing(tmp_path):
    """There is no Python to hook into; no file is left, so that nobody reads an empty one."""
    pytest.importorskip("torch")
    assert asked(tmp_path, source={"factory": "explain_factory:scripted"}) == {"modules": 0}
    assert not (tmp_path / "activations.npz").exists()


def test_framework_without_modules_is_not_loaded(tmp_path):
    """An adapter that knows no modules is not even asked to load its model."""
    pytest.importorskip("sklearn")
    source = {"factory": "explain_factory:absent"}
    assert asked(tmp_path, framework="sklearn", source=source) == {"modules": 0}


def test_transformers_models_are_asked_by_their_own_names(tmp_path):
    """The names are those that the exporter writes down: qualified from the model's root."""
    pytest.importorskip("transformers")
    made = {
        "framework": "transformers",
        "source": {
            "architecture": "BertModel",
            "config": {
                "hidden_size": 8,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "intermediate_size": 8,
                "vocab_size": 10,
            },
        },
        "inputs": {"spec": {"input_ids": {"shape": [1, 3], "dtype": "int64", "high": 10}}},
    }
    assert asked(tmp_path, **made)["modules"] > 10
    found = read_activations(tmp_path / "activations.npz", 0)
    assert found["encoder.layer.0.attention.self.query"].shape == (1, 3, 8)
