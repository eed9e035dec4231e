"""A whole framework in a few lines, and liars: adapters that are wrong in one way each.

They need NumPy and ONNX only, so the harness is tested without any framework. A zoo names
them as ``framework: "miniatures:Honest"`` with ``exporters: [mini]``.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from conformance.entry import Conversion
from conformance.errors import Float64Unavailable, LoadError
from conformance.model import FrameworkInfo


@dataclass
class Linear:
    """``y = x @ weight + bias`` and ``z = relu(y)``."""

    weight: np.ndarray
    bias: np.ndarray


class Honest:
    """Does everything right."""

    #: What the tests of liars put into the zoo as the entry's ``inputs``.
    inputs: ClassVar = {
        "spec": {"x": {"shape": ["batch", 3]}},
        "sets": [{"batch": 4}, {"batch": 7}],
    }
    info = FrameworkInfo("miniature", ("mini",), 18, (13, 21), (), "", (), Conversion)

    def load(self, job):
        rng = np.random.default_rng(7)
        return Linear(rng.normal(size=(3, 2)).astype("f4"), rng.normal(size=2).astype("f4"))

    def bind(self, model, feeds):
        x = feeds["x"]
        return lambda: x @ model.weight + model.bias

    def outputs(self, model, result):
        return {"y": result, "z": np.maximum(result, 0)}

    @contextmanager
    def in_float64(self, model):
        yield Linear(model.weight.astype("f8"), model.bias.astype("f8"))

    def export(self, model, job, feeds, path):
        self.write(model, job, path)

    def write(self, model, job, path, *, outputs=("y", "z"), batch="batch", op="Relu"):
        """Write the model as ONNX; the arguments let a liar lie."""
        from onnx import helper

        nodes = [
            helper.make_node("Gemm", ["x", "w", "b"], [outputs[0]]),
            helper.make_node(op, [outputs[0]], [outputs[1]]),
        ]
        save_graph(
            path,
            job,
            nodes,
            inputs={"x": ("FLOAT", [batch, 3])},
            outputs={name: ("FLOAT", [batch, 2]) for name in outputs},
            weights={"w": model.weight, "b": model.bias},
        )


def save_graph(path, job, nodes, *, inputs, outputs, weights):
    """Write an ONNX model; inputs and outputs map names to (element type, shape)."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    values = [
        [
            helper.make_tensor_value_info(name, TensorProto.DataType.Value(kind), shape)
            for name, (kind, shape) in side.items()
        ]
        for side in (inputs, outputs)
    ]
    tensors = [numpy_helper.from_array(np.asarray(array), n) for n, array in weights.items()]
    graph = helper.make_graph(nodes, "miniature", *values, tensors)
    opsets = [helper.make_opsetid("", job.case.opset)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), str(path))


class SlightlyWrong(Honest):
    """The exported weights are off by 1e-3."""

    def export(self, model, job, feeds, path):
        self.write(Linear(model.weight + np.float32(1e-3), model.bias), job, path)


class OtherWeights(Honest):
    """The exported weights are those of another seed."""

    def export(self, model, job, feeds, path):
        self.write(Linear(model.weight[::-1].copy(), model.bias), job, path)


class DroppedEffect(Honest):
    """The exported model skips the activation."""

    def export(self, model, job, feeds, path):
        self.write(model, job, path, op="Identity")


class SwappedOutputs(Honest):
    """The exported graph gives its outputs in another order."""

    def export(self, model, job, feeds, path):
        self.write(model, job, path, outputs=("z", "y"))


class StaticBatch(Honest):
    """The exported graph fixes the batch at the traced size."""

    def export(self, model, job, feeds, path):
        self.write(model, job, path, batch=len(feeds["x"]))


class OtherOpset(Honest):
    """The exported graph has another opset than the one asked for."""

    def export(self, model, job, feeds, path):
        self.write(model, job, path)
        import onnx

        made = onnx.load(str(path))
        made.opset_import[0].version -= 1
        onnx.save(made, str(path))


class NoFile(Honest):
    """The exporter returns as if all were well, and writes nothing."""

    def export(self, model, job, feeds, path):
        pass


class NotOnnx(Honest):
    """The exporter writes something else."""

    def export(self, model, job, feeds, path):
        path.write_text("<html>not found</html>")


class NotANumber(Honest):
    """Source and export agree on NaN."""

    def load(self, job):
        model = super().load(job)
        model.bias[0] = np.nan
        return model


class Constant(Honest):
    """The model answers the same whatever it is asked."""

    def load(self, job):
        model = super().load(job)
        return Linear(np.zeros_like(model.weight), model.bias)


class Empty(Honest):
    """The model answers nothing."""

    def outputs(self, model, result):
        return {}


class Random(Honest):
    """The source answers differently each time."""

    def bind(self, model, feeds):
        rng, call = np.random.default_rng(), super().bind(model, feeds)
        return lambda: call() * rng.normal(1, 1e-3)


class NoFloat64(Honest):
    """The source cannot run in float64."""

    def in_float64(self, model):
        raise Float64Unavailable("miniatures of this kind are single precision")


class CannotLoad(Honest):
    """The source is not there."""

    def load(self, job):
        raise LoadError("the weights are missing")


class Raises(Honest):
    """The exporter does not know an operator."""

    def export(self, model, job, feeds, path):
        raise NotImplementedError("operator 'fancy' has no ONNX equivalent")


class Segfaults(Honest):
    """The exporter crashes in native code."""

    def export(self, model, job, feeds, path):
        ctypes.string_at(0)


class Exits(Honest):
    """The exporter ends its process."""

    def export(self, model, job, feeds, path):
        os._exit(3)


class Killed(Honest):
    """The process is killed from outside, as by the kernel when memory runs out."""

    def export(self, model, job, feeds, path):
        os.kill(os.getpid(), signal.SIGKILL)


class Hangs(Honest):
    """The exporter never returns."""

    def export(self, model, job, feeds, path):
        while True:
            time.sleep(60)
