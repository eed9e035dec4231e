"""Further liars about the linear model of :mod:`miniatures`, and an honest one among them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import ClassVar

import numpy as np
from graph_edits import add_weight, declare, edit_graph, insert
from miniatures import Constant, Honest, Linear

from conformance.errors import Float64Unavailable


class SwappedContents(Honest):
    """The exported outputs have the right names, and each other's values."""

    def export(self, model, job, feeds, path):
        self.write(model, job, path, outputs=("z", "y"))
        edit_graph(path, lambda graph: graph.output.reverse())


class MissingOutput(Honest):
    """The exported graph has one output fewer."""

    def export(self, model, job, feeds, path):
        self.write(model, job, path)
        edit_graph(path, lambda graph: graph.output.pop())


class ExtraOutput(Honest):
    """The exported graph has one output more."""

    def outputs(self, model, result):
        return {"y": result}


class WrongDtype(Honest):
    """The exported output is double where the source's is single precision."""

    def export(self, model, job, feeds, path):
        self.write(model, job, path)
        insert(path, "z", "Cast", to=11)
        declare(path, 1, ["batch", 2], "DOUBLE")


class BroadcastableShape(Honest):
    """The exported output has one axis more, along which NumPy would broadcast."""

    def export(self, model, job, feeds, path):
        self.write(model, job, path)
        add_weight(path, "axis", np.array([1]))
        insert(path, "z", "Unsqueeze", "axis")
        declare(path, 1, ["batch", 1, 2])


class FrozenOutput(Honest):
    """The exported output is the same for all inputs, the source's is not."""

    def export(self, model, job, feeds, path):
        self.write(Linear(model.weight * 0, model.bias), job, path)


class HalfPrecision(Honest):
    """The exported weights were stored in half precision on the way."""

    def export(self, model, job, feeds, path):
        self.write(Linear(model.weight.astype("f2").astype("f4"), model.bias), job, path)


class ReshapedBatch(Honest):
    """The exported graph declares a dynamic batch, and reshapes it to the traced size."""

    def export(self, model, job, feeds, path):
        self.write(model, job, path)
        add_weight(path, "traced", np.array([len(feeds["x"]), 2]))
        insert(path, "y", "Reshape", "traced")


class SlicedBatch(Honest):
    """The exported graph declares a dynamic batch, and answers for the traced size only."""

    def export(self, model, job, feeds, path):
        self.write(model, job, path)
        for name, array in (("from", [0]), ("to", [len(feeds["x"])]), ("axis", [0])):
            add_weight(path, name, np.array(array))
        insert(path, "z", "Slice", "from", "to", "axis")


class RandomExport(Honest):
    """The exported graph draws random numbers."""

    def export(self, model, job, feeds, path):
        from onnx import helper

        self.write(model, job, path)
        noise = helper.make_node("RandomNormalLike", ["x"], ["noise"], scale=1e-3)
        edit_graph(path, lambda graph: graph.node.insert(0, noise))
        add_weight(path, "columns", np.eye(3, 2, dtype="f4"))
        edit_graph(
            path,
            lambda graph: graph.node.insert(
                1, helper.make_node("MatMul", ["noise", "columns"], ["error"])
            ),
        )
        insert(path, "z", "Add", "error")


class ShapeOnly(Honest):
    """The model answers how many rows it was given, whatever they hold."""

    def bind(self, model, feeds):
        rows = len(feeds["x"])
        return lambda: np.tile(model.bias * rows, (rows, 1))

    def export(self, model, job, feeds, path):
        from onnx import helper

        self.write(Linear(model.weight * 0, model.bias), job, path)
        nodes = [
            helper.make_node("Shape", ["x"], ["shape"], end=1),
            helper.make_node("Cast", ["shape"], ["rows"], to=1),
        ]
        edit_graph(path, lambda graph: [graph.node.insert(0, node) for node in nodes[::-1]])
        insert(path, "y", "Mul", "rows")


class ConstantByDesign(Honest):
    """One output is the same for all inputs, and the zoo says why."""

    constant_outputs: ClassVar = {"z": "the anchors of a detector lie on a fixed grid"}

    def outputs(self, model, result):
        return {"y": result, "z": np.full_like(result, 3)}

    def export(self, model, job, feeds, path):
        self.write(model, job, path)
        for op, name, value in (("Mul", "nothing", 0), ("Add", "anchor", 3)):
            add_weight(path, name, np.float32(value))
            insert(path, "z", op, name)


class MovingConstant(Honest):
    """An output that the zoo declares constant is not."""

    constant_outputs: ClassVar = ConstantByDesign.constant_outputs


class AllConstant(Constant):
    """The model answers the same whatever it is asked, and the zoo says that it may."""

    constant_outputs: ClassVar = dict.fromkeys("yz", "it is a lookup table")


class TinyScale(Honest):
    """Everything that the model answers is smaller than what a declared tolerance accepts."""

    def load(self, job):
        model = super().load(job)
        return Linear(model.weight * np.float32(1e-7), model.bias * np.float32(1e-7))

    def in_float64(self, model):
        raise Float64Unavailable("miniatures of this kind are single precision")

    def export(self, model, job, feeds, path):
        self.write(Linear(model.weight[::-1].copy(), model.bias), job, path)


class NoElements(Honest):
    """Source and export agree on an output without elements."""

    def outputs(self, model, result):
        return {"y": result, "z": result[:, :0]}

    def export(self, model, job, feeds, path):
        self.write(model, job, path)
        for name, array in (("from", [0]), ("to", [0]), ("axis", [1])):
            add_weight(path, name, np.array(array))
        insert(path, "z", "Slice", "from", "to", "axis")
        declare(path, 1, ["batch", 0])


class LooseReference(Honest):
    """The float64 copy is another model, so that what looks like noise accepts anything."""

    @contextmanager
    def in_float64(self, model):
        yield Linear(model.weight.astype("f8") * 1.01, model.bias.astype("f8"))

    def export(self, model, job, feeds, path):
        self.write(Linear(model.weight * np.float32(1.02), model.bias), job, path)


class IgnoredInput(Honest):
    """The graph takes an input and does nothing with it."""

    inputs: ClassVar = {
        "spec": {name: {"shape": ["batch", 3]} for name in ("x", "mask")},
        "sets": [{"batch": 4}, {"batch": 7}],
    }

    def export(self, model, job, feeds, path):
        from onnx import TensorProto, helper

        self.write(model, job, path)
        mask = helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["batch", 3])
        edit_graph(path, lambda graph: graph.input.append(mask))
