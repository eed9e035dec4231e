"""Miniatures whose converter is another one at another ``VERSION``; a zoo's folder has a copy."""

from __future__ import annotations

import numpy as np
from miniatures import Honest, Linear, save_graph

VERSION = 1


def wrong(model):
    return Linear(model.weight + np.float32(1e-3), model.bias)


class Steady(Honest):
    """Writes the same wrong graph, whatever the version."""

    def export(self, model, job, feeds, path):
        self.write(wrong(model), job, path)


class Worsened(Honest):
    """Writes wrong weights since version 2."""

    def export(self, model, job, feeds, path):
        self.write(model if VERSION == 1 else wrong(model), job, path)


class Renaming(Honest):
    """Names what is within the same wrong graph by the version."""

    def export(self, model, job, feeds, path):
        from onnx import helper

        inner, weight, bias = (f"{name}_v{VERSION}" for name in ("h", "w", "b"))
        nodes = [
            helper.make_node("Gemm", ["x", weight, bias], [inner], name=f"gemm_{VERSION}"),
            helper.make_node("Identity", [inner], ["y"], name=f"copy_{VERSION}"),
            helper.make_node("Relu", [inner], ["z"], name=f"relu_{VERSION}"),
        ]
        save_graph(
            path,
            job,
            nodes,
            inputs={"x": ("FLOAT", ["batch", 3])},
            outputs={name: ("FLOAT", ["batch", 2]) for name in ("y", "z")},
            weights={weight: wrong(model).weight, bias: model.bias},
        )
