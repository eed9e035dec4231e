"""Changes that no budget may accept: the weights of a layer are another model's, or none.

What a lossy variant may lose dwarfs a small mistake, which its base is asked about. Left to ask
is whether its budget would notice that a layer is wrong altogether.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from conformance.mutation.subject import Site, Subject

#: Op type to the inputs that say how integers are read, and are no weights: scales, zero points.
_SCALES = {
    "DequantizeLinear": (1, 2),
    "QuantizeLinear": (1, 2),
    "MatMulNBits": (2, 3),
    "GatherBlockQuantized": (2, 3),
    "DynamicQuantizeLSTM": (8, 9, 10, 11),
}


def shuffle_weight(subject: Subject) -> Iterator[Site]:
    """Exchange the elements of a weight at random: as large as before, and of another model."""
    for at, label in _weights(subject):
        yield subject.edit(at, f"{label} with its elements shuffled", _shuffled)


def flatten_weight(subject: Subject) -> Iterator[Site]:
    """Set every element of a weight to their mean, which is next to nothing."""
    for at, label in _weights(subject):
        yield subject.edit(at, f"{label} with every element their mean", _flat)


def _weights(subject: Subject) -> Iterator[tuple[int, str]]:
    """Constants of two axes or more, in floats or in the small integers that stand for them."""
    for at, (name, proto) in enumerate(subject.constants):
        scales = any(where in _SCALES.get(op, ()) for op, where in subject.consumers(name))
        if sum(size > 1 for size in proto.dims) > 1 and _holds_weights(proto) and not scales:
            yield at, f"'{name}' {list(proto.dims)}"


def _holds_weights(proto: Any) -> bool:
    from onnx import TensorProto

    return proto.data_type in {
        *(TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16),
        *(TensorProto.INT8, TensorProto.UINT8, TensorProto.INT4, TensorProto.UINT4),
    }


def _shuffled(array: np.ndarray) -> np.ndarray:
    order = np.random.default_rng(0).permutation(array.size)
    return array.reshape(-1)[order].reshape(array.shape)


def _flat(array: np.ndarray) -> np.ndarray:
    mean = float(array.astype(np.float64).mean())
    quantized = np.issubdtype(array.dtype, np.integer)
    return np.full(array.shape, round(mean) if quantized else mean)
