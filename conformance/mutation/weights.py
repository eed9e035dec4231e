"""Changes of a model's constants: weights, biases, scalars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from conformance.mutation.subject import LARGE_EPSILON, NEXT_TO_NOTHING, Site, Subject

#: Op type to the inputs that are a bias, or a mean that is subtracted.
_BIASES = {
    "Add": (0, 1),
    "Sub": (1,),
    "Conv": (2,),
    "ConvTranspose": (2,),
    "Gemm": (2,),
    "LayerNormalization": (2,),
    "InstanceNormalization": (2,),
    "BatchNormalization": (2, 3),
    "LSTM": (3,),
    "GRU": (3,),
    "RNN": (3,),
}
#: Op type to the inputs that say where, not what shape: another integer is still an answer.
_WHERE = {
    "Gather": (1,),
    "GatherElements": (1,),
    "GatherND": (1,),
    "Slice": (1, 2),
    "Clip": (1, 2),
    "Trilu": (1,),
    "Range": (0, 2),
    "Add": (0, 1),
    "Sub": (0, 1),
    "Mul": (0, 1),
    "Div": (1,),
    "Mod": (1,),
    "Less": (0, 1),
    "LessOrEqual": (0, 1),
    "Greater": (0, 1),
    "GreaterOrEqual": (0, 1),
    "Equal": (0, 1),
    "ArrayFeatureExtractor": (1,),
    "OneHot": (1,),
    "Where": (1, 2),
    "Loop": (0,),
}
#: Integers beyond this mean "to the end".
_TO_THE_END = np.iinfo(np.int32).max - 1
#: Floats beyond this stand for infinity, in masks mostly.
_HUGE = 1e30


def perturb_weight(subject: Subject) -> Iterator[Site]:
    """Scale half of a float tensor, flip its largest row, or exchange two rows.

    Only half, since a normalization that follows would undo the scaling of the whole.
    The rows of a table that is looked up are shifted by one instead: which of them an
    input reaches is a matter of luck.
    """
    for at, (name, proto) in enumerate(subject.constants):
        if not _is_float(proto) or np.prod(proto.dims) < 2:  # noqa: PLR2004 - one is a scalar
            continue
        label, least = _label(name, proto), NEXT_TO_NOTHING if _is_bias(subject, name) else 0.0
        ways = [(f"{label}, half of it scaled by 1.5", _half_scaled)]
        if ("Gather", 0) in subject.consumers(name):
            ways.append((f"{label} with its rows shifted by one", _shifted))
        else:
            largest = "row" if len(proto.dims) > 1 else "element"
            ways.append((f"{label} with the sign of its largest {largest} flipped", _flipped))
            if len(proto.dims) > 1 and proto.dims[0] > 1:
                ways.append((f"{label} with two rows exchanged", _two_exchanged))
        for target, edit in ways:
            yield subject.edit(at, target, partial(_if_noticeable, edit=edit, least=least))


def zero_bias(subject: Subject) -> Iterator[Site]:
    """Set what is added by a layer to zero."""
    edit = partial(_if_noticeable, edit=np.zeros_like, least=NEXT_TO_NOTHING)
    for at, (name, proto) in enumerate(subject.constants):
        # a scalar that is added is a constant, such as an epsilon
        if proto.dims and _is_float(proto) and _is_bias(subject, name):
            yield subject.edit(at, _label(name, proto), edit)


def change_constant(subject: Subject) -> Iterator[Site]:
    """Change a scalar, an index or a table of indices or of truth values."""
    for at, (name, proto) in enumerate(subject.constants):
        size = int(np.prod(proto.dims))
        edit: Callable[[np.ndarray], np.ndarray] | None = None
        if not size:
            continue
        if _is_float(proto):
            edit = _other_float if size == 1 else None
        elif _is_bool(proto):
            edit = np.logical_not
        elif any(where in _WHERE.get(op, ()) for op, where in subject.consumers(name)):
            edit = _other_integers
        if edit is not None:
            how = "inverted" if _is_bool(proto) else "changed"
            yield subject.edit(at, f"{_label(name, proto)} {how}", edit)


def _label(name: str, proto: Any) -> str:
    dims = list(proto.dims)
    return f"'{name}' {dims}" if dims else f"'{name}'"


def _is_float(proto: Any) -> bool:
    from onnx import TensorProto

    return proto.data_type in {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16}


def _is_bool(proto: Any) -> bool:
    from onnx import TensorProto

    return bool(proto.data_type == TensorProto.BOOL)


def _is_bias(subject: Subject, name: str) -> bool:
    return any(where in _BIASES.get(op, ()) for op, where in subject.consumers(name))


def _if_noticeable(
    array: np.ndarray, *, edit: Callable[[np.ndarray], np.ndarray], least: float
) -> np.ndarray:
    """The edited array; the same array when all its values are below ``least``."""
    return array if np.abs(array).max() < least else edit(array)


def _norms(array: np.ndarray) -> np.ndarray:
    rows = np.abs(array.astype(np.float64)).reshape(array.shape[0], -1)
    return np.asarray(rows.sum(axis=1))


def _half_scaled(array: np.ndarray) -> np.ndarray:
    changed = array.copy()
    changed[: (len(array) + 1) // 2] *= 1.5
    return changed


def _flipped(array: np.ndarray) -> np.ndarray:
    changed = array.copy()
    row = int(np.argmax(_norms(array)))
    changed[row] = -changed[row]
    return changed


def _two_exchanged(array: np.ndarray) -> np.ndarray:
    """The largest row and the one that is least like it exchanged."""
    row = int(np.argmax(_norms(array)))
    other = int(np.argmax(_norms(array - array[row])))
    changed = array.copy()
    changed[[row, other]] = array[[other, row]]
    return changed


def _shifted(array: np.ndarray) -> np.ndarray:
    return np.roll(array, 1, axis=0)


def _other_float(array: np.ndarray) -> np.ndarray:
    value = float(array.reshape(()))
    if not np.isfinite(value) or abs(value) > _HUGE:
        return np.zeros_like(array)  # the fill of a mask: it no longer hides anything
    if 0 < abs(value) < LARGE_EPSILON:
        return np.full_like(array, LARGE_EPSILON)
    return np.full_like(array, value * 1.5 if value else 1.0)


def _other_integers(array: np.ndarray) -> np.ndarray:
    if array.size > 1 and (array != array.flat[0]).any():
        return np.roll(array, 1, axis=-1)
    # "to the end" becomes "all but the last"
    return np.where(np.abs(array.astype(np.float64)) >= _TO_THE_END, -1, array + 1)
