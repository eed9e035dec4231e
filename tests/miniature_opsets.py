"""Miniatures whose exporter gives few opsets, each with what is hard for a version converter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from miniatures import Honest, save_graph


class Elderly(Honest):
    """Gives opsets 15 to 18, and says in each node's metadata where it comes from."""

    info = replace(Honest.info, opset_range=(9, 21), exporter_opsets={"mini": (15, 18)})

    def export(self, model, job, feeds, path):
        import onnx

        lowest, highest = self.info.exporter_opsets["mini"]
        assert lowest <= job.case.opset <= highest, "was asked for what it cannot give"
        self.write(model, job, path)
        written = onnx.load(str(path))
        for node, origin in zip(written.graph.node, ("gemm", "relu"), strict=True):
            node.name = origin
            node.metadata_props.add(key="origin", value=origin)
        onnx.save(written, str(path))


class Refusing(Elderly):
    """Exports nothing at all."""

    def export(self, model, job, feeds, path):
        raise ValueError("unsupported operator")


class WithNewOperator(Honest):
    """Has an operator of opset 17, from which no way leads down."""

    info = replace(Honest.info, exporter_opsets={"mini": (17, 18)})

    def outputs(self, model, result):
        centred = result - result.mean(axis=1, keepdims=True)
        return {"y": centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)}

    def export(self, model, job, feeds, path):
        from onnx import helper

        nodes = [
            helper.make_node("Gemm", ["x", "w", "b"], ["linear"]),
            helper.make_node("LayerNormalization", ["linear", "ones"], ["y"]),
        ]
        save_graph(
            path,
            job,
            nodes,
            inputs={"x": ("FLOAT", ["batch", 3])},
            outputs={"y": ("FLOAT", ["batch", 2])},
            weights={"w": model.weight, "b": model.bias, "ones": np.ones(2, "f4")},
        )


class WithFunction(Elderly):
    """Its second node calls a function of the model's own."""

    def outputs(self, model, result):
        return {"y": result, "z": 2 * result}

    def export(self, model, job, feeds, path):
        import onnx
        from onnx import helper

        self.write(model, job, path, op="Relu")
        written = onnx.load(str(path))
        nodes = [helper.make_node("Add", ["a", "a"], ["b"])]
        opset = helper.make_opsetid("", job.case.opset)
        twice = helper.make_function("own", "Twice", ["a"], ["b"], nodes, [opset])
        written.functions.append(twice)
        written.opset_import.append(helper.make_opsetid("own", 1))
        written.graph.node[1].op_type, written.graph.node[1].domain = "Twice", "own"
        onnx.save(written, str(path))
