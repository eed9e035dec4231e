"""A small network of NumPy whose converted model has something to fuse, fold and quantize."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from miniatures import Honest, save_graph


@dataclass
class Layers:
    """``logits = relu(x @ w1 + b1) @ w2 + b2`` and ``label``, the best of the logits."""

    w1: np.ndarray
    b1: np.ndarray
    w2: np.ndarray
    b2: np.ndarray


class Layered(Honest):
    """Honest, with two dense layers: 32 features, 64 hidden units, 10 classes."""

    inputs: ClassVar = {
        "spec": {"x": {"shape": ["batch", 32]}},
        "sets": [{"batch": 16}, {"batch": 40}],
    }

    def load(self, job):
        rng = np.random.default_rng(3)
        shapes = ((32, 64), (64,), (64, 10), (10,))
        return Layers(*(rng.normal(size=shape).astype("f4") / 8 for shape in shapes))

    def bind(self, model, feeds):
        x = feeds["x"]
        return lambda: np.maximum(x @ model.w1 + model.b1, 0) @ model.w2 + model.b2

    def outputs(self, model, result):
        return {"logits": result, "label": result.argmax(axis=1)}

    @contextmanager
    def in_float64(self, model):
        yield Layers(*(getattr(model, name).astype("f8") for name in ("w1", "b1", "w2", "b2")))

    def export(self, model, job, feeds, path):
        from onnx import helper

        nodes = [
            helper.make_node("MatMul", ["x", "w1"], ["m1"], "first"),
            helper.make_node("Add", ["m1", "b1"], ["a1"]),
            helper.make_node("Identity", ["a1"], ["i1"]),  # for optimizers to remove
            helper.make_node("Relu", ["i1"], ["r1"]),
            helper.make_node("MatMul", ["r1", "w2"], ["m2"], "second"),
            helper.make_node("Add", ["m2", "b2"], ["logits"]),
            helper.make_node("ArgMax", ["logits"], ["label"], axis=1, keepdims=0),
        ]
        save_graph(
            path,
            job,
            nodes,
            inputs={"x": ("FLOAT", ["batch", 32])},
            outputs={"logits": ("FLOAT", ["batch", 10]), "label": ("INT64", ["batch"])},
            weights={name: getattr(model, name) for name in ("w1", "b1", "w2", "b2")},
        )


class Scaled(Honest):
    """Honest, with nothing that could be quantized: ``y = x * weight``."""

    inputs: ClassVar = {
        "spec": {"x": {"shape": ["batch", 2]}},
        "sets": [{"batch": 4}, {"batch": 7}],
    }

    def bind(self, model, feeds):
        x = feeds["x"]
        return lambda: x * model.bias

    def outputs(self, model, result):
        return {"y": result}

    def export(self, model, job, feeds, path):
        from onnx import helper

        save_graph(
            path,
            job,
            [helper.make_node("Mul", ["x", "b"], ["y"])],
            inputs={"x": ("FLOAT", ["batch", 2])},
            outputs={"y": ("FLOAT", ["batch", 2])},
            weights={"b": model.bias},
        )


class Summed(Layered):
    """Honest, with an answer that each of its eight layers has little to do with: their sum."""

    def load(self, job):
        rng = np.random.default_rng(4)
        return [rng.normal(size=(32, 10)).astype("f4") / 8 for _ in range(8)]

    def bind(self, model, feeds):
        return lambda: sum(feeds["x"] @ weight for weight in model)

    def outputs(self, model, result):
        return {"logits": result}

    @contextmanager
    def in_float64(self, model):
        yield [weight.astype("f8") for weight in model]

    def export(self, model, job, feeds, path):
        from onnx import helper

        weights = {f"w{number}": weight for number, weight in enumerate(model)}
        nodes = [helper.make_node("MatMul", ["x", name], [f"m_{name}"]) for name in weights]
        nodes.append(helper.make_node("Sum", [f"m_{name}" for name in weights], ["logits"]))
        save_graph(
            path,
            job,
            nodes,
            inputs={"x": ("FLOAT", ["batch", 32])},
            outputs={"logits": ("FLOAT", ["batch", 10])},
            weights=weights,
        )
