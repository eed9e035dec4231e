"""A miniature that older versions of ONNX Runtime answer wrongly: attention with capped scores.

ONNX Runtime 1.24 adds the mask before the cap, which bounds what should stay minus infinity:
masked positions take part. A zoo's folder has a copy of this file.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import ClassVar

import numpy as np
from miniatures import Honest, save_graph

from conformance.entry import Conversion
from conformance.model import FrameworkInfo

TOKENS, WIDTH, CAP = 4, 8, 2.0
MASK = np.triu(np.full((TOKENS, TOKENS), -np.inf, "f4"), 1)


class Capped(Honest):
    """Causal attention of each token to those before it."""

    inputs: ClassVar = {
        "spec": {"x": {"shape": ["batch", 1, TOKENS, WIDTH]}},
        "sets": [{"batch": 2}, {"batch": 3}],
    }
    info = FrameworkInfo("miniature", ("mini",), 23, (23, 23), (), "", (), Conversion)

    def load(self, job):
        return np.random.default_rng(7).normal(size=WIDTH).astype("f4")

    def bind(self, model, feeds):
        return lambda: attend(feeds["x"] * model)

    def outputs(self, model, result):
        return {"y": result}

    @contextmanager
    def in_float64(self, model):
        yield model.astype("f8")

    def export(self, model, job, feeds, path):
        from onnx import helper

        shape = ["batch", 1, TOKENS, WIDTH]
        nodes = [
            helper.make_node("Mul", ["x", "w"], ["h"]),
            helper.make_node("Attention", ["h", "h", "h", "mask"], ["y"], softcap=CAP),
        ]
        save_graph(
            path,
            job,
            nodes,
            inputs={"x": ("FLOAT", shape)},
            outputs={"y": ("FLOAT", shape)},
            weights={"w": model, "mask": MASK},
        )


def attend(h):
    """Attention as ONNX defines it: scores are scaled, capped, masked, and made to sum to one."""
    scores = h @ np.swapaxes(h, -1, -2) / WIDTH**0.5
    scores = CAP * np.tanh(scores / CAP) + MASK
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ h
