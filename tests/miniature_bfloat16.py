"""Models whose answers are in bfloat16: one that is honest, and liars."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from miniatures import Honest, save_graph


class Halved(Honest):
    """Honest: ``y = x @ w`` by float32, answered in bfloat16."""

    inputs: ClassVar = {
        "spec": {"x": {"shape": ["batch", 16]}},
        "sets": [{"batch": 6}, {"batch": 9}],
    }
    #: What the ONNX model is scaled by.
    factor = 1.0

    def load(self, job):
        return np.random.default_rng(8).normal(size=(16, 5)).astype("f4")

    def bind(self, model, feeds):
        return lambda: feeds["x"] @ model

    def outputs(self, model, result):
        import ml_dtypes

        return {"y": result if result.dtype == np.float64 else result.astype(ml_dtypes.bfloat16)}

    def in_float64(self, model):
        from contextlib import nullcontext

        return nullcontext(model.astype("f8"))

    def export(self, model, job, feeds, path):
        from onnx import TensorProto, helper

        nodes = [
            helper.make_node("MatMul", ["x", "w"], ["wide"]),
            helper.make_node("Cast", ["wide"], ["y"], to=TensorProto.BFLOAT16),
        ]
        save_graph(
            path,
            job,
            nodes,
            inputs={"x": ("FLOAT", ["batch", 16])},
            outputs={"y": ("BFLOAT16", ["batch", 5])},
            weights={"w": model * np.float32(self.factor)},
        )


class Scaled(Halved):
    """A liar: everything is 5 % too large, which eight ulps of bfloat16 would pass."""

    factor = 1.05


class Wide(Halved):
    """A liar: answers in float32 what its source answers in bfloat16."""

    def export(self, model, job, feeds, path):
        from onnx import helper

        save_graph(
            path,
            job,
            [helper.make_node("MatMul", ["x", "w"], ["y"])],
            inputs={"x": ("FLOAT", ["batch", 16])},
            outputs={"y": ("FLOAT", ["batch", 5])},
            weights={"w": model},
        )
