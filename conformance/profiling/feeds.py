"""What a model is run on when nothing is stored beside it: values made by its signature."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from conformance.entry import TensorSpec
from conformance.errors import InputsError
from conformance.inputs import generate
from conformance.tensors import Arrays

_SEED = 0
_DEFAULT_SIZE = 1
_TENSOR = re.compile(r"tensor\((\w+)\)")
#: Where ONNX Runtime's name of an element type is not NumPy's.
_DTYPES = {"float": "float32", "double": "float64"}
_MADE = frozenset(
    {"float16", "float32", "float64", "int8", "int16", "int32", "int64"}
    | {"uint8", "uint16", "uint32", "uint64", "bool"}
)


def made_feeds(inputs: list[Any], sizes: Mapping[str, int]) -> tuple[Arrays, dict[str, int]]:
    """Seeded values for every input: normal floats, zeros and ones for integers, coins.

    Args:
        inputs: of an ``onnxruntime.InferenceSession``.
        sizes: of axes by the names that the graph gives them; others get size 1.

    Returns:
        Input name to array, and the size of every named axis.

    Raises:
        InputsError: when an input is no tensor that can be made, or no axis has a name that
            a size was given for.
    """
    spec: dict[str, TensorSpec] = {}
    named: dict[str, int] = {}
    for value in inputs:
        found = _TENSOR.fullmatch(value.type)
        dtype = _DTYPES.get(found[1], found[1]) if found else value.type
        if dtype not in _MADE:
            raise InputsError(
                f"no values can be made for input '{value.name}', a {value.type}: put "
                "test_data_set_0/input_0.pb, ... beside the model"
            )
        shape = []
        for axis in value.shape:
            if isinstance(axis, str):
                named[axis] = sizes.get(axis, _DEFAULT_SIZE)
            size = named[axis] if isinstance(axis, str) else axis
            shape.append(_DEFAULT_SIZE if size is None else size)
        spec[value.name] = TensorSpec.model_validate({"dtype": dtype, "shape": tuple(shape)})
    for name in sizes:
        if name not in named:
            known = ", ".join(map(repr, named)) or "none"
            raise InputsError(f"no input has an axis named '{name}'; axes with names: {known}")
    return generate(spec, {}, _SEED), named
