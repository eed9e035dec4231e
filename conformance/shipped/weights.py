"""What can be told of a shipped model's weights without running it: whose they are, and of what."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from conformance.onnx_files import read_model

#: Weights smaller than this are in many models by chance: ones, zeros, an epsilon.
_WEIGHT_ELEMENTS = 16
_QUANTIZING = ("DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "QLinearMatMul")
_FOUR_BITS = 4


@dataclass(frozen=True, slots=True)
class Weights:
    """A shipped model's weights beside those of our own conversion."""

    #: Of what most of them are.
    dtype: str
    #: Of our own, those that it holds too.
    same: int
    total: int

    @property
    def told(self) -> str:
        """How many are still the repository's, for people."""
        return f"{self.same} of {self.total} weights are the repository's"


def weights_of(shipped: Any, path: Path, own: Path) -> Weights:
    """Dtype of a model's weights, and how many of them are those of our own conversion."""
    theirs = _tensors(shipped, path.parent)
    ours = _tensors(read_model(own), own.parent)
    known = {_digest(array) for array in theirs}
    # an exporter may store a matrix the other way round
    same = sum(
        _digest(array) in known or _digest(array.T) in known
        for array in (each for each in ours if each.dtype.kind == "f")
    )
    total = sum(array.dtype.kind == "f" for array in ours)
    return Weights(_dtype(shipped, theirs), same, total)


def _tensors(model: Any, folder: Path) -> list[np.ndarray]:
    from onnx import numpy_helper

    found = [
        numpy_helper.to_array(tensor, base_dir=str(folder)) for tensor in model.graph.initializer
    ]
    for node in model.graph.node:
        if node.op_type == "Constant":
            found += [
                numpy_helper.to_array(a.t, base_dir=str(folder))
                for a in node.attribute
                if a.name == "value"
            ]
    return [array for array in found if array.size >= _WEIGHT_ELEMENTS]


def _digest(array: np.ndarray) -> bytes:
    shape = str(array.shape).encode()
    return hashlib.sha256(shape + np.ascontiguousarray(array).tobytes()).digest()


def _dtype(model: Any, weights: Sequence[np.ndarray]) -> str:
    """What most of a model's weights are stored as."""
    operators = {node.op_type for node in model.graph.node}
    if "MatMulBnb4" in operators:
        return "int4"
    if "MatMulNBits" in operators:
        return "int4" if min(_bits(model)) <= _FOUR_BITS else "int8"
    if operators.intersection(_QUANTIZING):
        return "int8"
    sizes: Counter[str] = Counter()
    for array in weights:
        if array.dtype.kind == "f" or array.dtype.name == "bfloat16":
            sizes[array.dtype.name] += array.size
    return sizes.most_common(1)[0][0] if sizes else "float32"


def _bits(model: Any) -> list[int]:
    """Bits of the weights of each ``MatMulNBits``; 4 where it does not say."""
    nodes = (node for node in model.graph.node if node.op_type == "MatMulNBits")
    return [next((a.i for a in node.attribute if a.name == "bits"), _FOUR_BITS) for node in nodes]
