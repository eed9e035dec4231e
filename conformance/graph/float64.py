"""A model rewritten to compute in float64.

Weights in float32 (float16, bfloat16) widen exactly, so what the rewritten model answers is
what the graph means, without the rounding of its own precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.errors import ConformanceError
from conformance.graph.names import subgraphs


class NoFloat64(ConformanceError):
    """The model has no float64 form; the message says which operator and why."""


#: Attributes that name the type in which an operator answers.
_TYPE_ATTRIBUTES = ("to", "dtype", "output_datatype", "softmax_precision")
#: Operators that answer in float32 unless such an attribute says otherwise.
_FLOAT32_BY_DEFAULT = {
    "BlackmanWindow": "output_datatype",
    "HammingWindow": "output_datatype",
    "HannWindow": "output_datatype",
    "MelWeightMatrix": "output_datatype",
    "RandomNormal": "dtype",
    "RandomUniform": "dtype",
}
#: Operators whose meaning is a rounding, or whose reference rounds to float32 inside.
_ROUNDING = {
    "AffineGrid",
    "CausalConvWithState",
    "GridSample",
    "LinearAttention",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "QuantizeLinear",
    "ConvInteger",
    "MatMulInteger",
    "QLinearConv",
    "QLinearMatMul",
}


def in_float64(model: Any) -> Any:
    """A copy of a model with every float tensor in float64.

    Args:
        model: ``ModelProto`` with its external data in memory; unchanged.

    Returns:
        A ``ModelProto`` without local functions: they are inlined.

    Raises:
        NoFloat64: when an operator has no float64 form.
    """
    import onnx
    import onnx.inliner

    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    _widen_graph(wide.graph)
    return wide


def widened(array: np.ndarray) -> np.ndarray:
    """The array in float64 if it holds floats, else itself."""
    import ml_dtypes

    if array.dtype.kind == "f" or array.dtype == ml_dtypes.bfloat16:
        return array.astype(np.float64, copy=False)
    return array


def _narrow_floats() -> tuple[int, ...]:
    from onnx import TensorProto

    return (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)


def _widen_graph(graph: Any) -> None:
    for tensor in graph.initializer:
        _widen_tensor(tensor)
    for tensor in graph.sparse_initializer:
        _widen_tensor(tensor.values)
    for value in (*graph.input, *graph.output, *graph.value_info):
        _widen_type(value.type)
    for node in graph.node:
        _widen_node(node)


def _widen_tensor(tensor: Any) -> None:
    from onnx import numpy_helper

    if tensor.data_type in _narrow_floats():
        array = widened(numpy_helper.to_array(tensor))
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _widen_type(declared: Any) -> None:
    from onnx import TensorProto

    kind = declared.WhichOneof("value")
    if kind in ("tensor_type", "sparse_tensor_type"):
        held = getattr(declared, kind)
        if held.elem_type in _narrow_floats():
            held.elem_type = TensorProto.DOUBLE
    elif kind in ("sequence_type", "optional_type"):
        _widen_type(getattr(declared, kind).elem_type)


def _widen_node(node: Any) -> None:
    from onnx import TensorProto, helper

    if node.domain not in ("", "ai.onnx", "ai.onnx.ml"):
        raise NoFloat64(f"{_words(node)} of domain '{node.domain}' is no operator of ONNX")
    if node.op_type in _ROUNDING:
        raise NoFloat64(f"{_words(node)} has no float64 form")
    for attribute in node.attribute:
        _widen_attribute(attribute)
    for graph in subgraphs(node):
        _widen_graph(graph)
    named = {attribute.name for attribute in node.attribute}
    by_default = _FLOAT32_BY_DEFAULT.get(node.op_type)
    if by_default is not None and by_default not in named:
        node.attribute.append(helper.make_attribute(by_default, TensorProto.DOUBLE))
    if node.op_type == "ConstantOfShape" and "value" not in named:
        node.attribute.append(helper.make_attribute("value", _tensor(np.zeros(1))))
    if node.op_type == "Constant":
        _widen_constant(node)


def _widen_attribute(attribute: Any) -> None:
    from onnx import TensorProto

    if attribute.HasField("t"):
        _widen_tensor(attribute.t)
    for tensor in attribute.tensors:
        _widen_tensor(tensor)
    if attribute.name in _TYPE_ATTRIBUTES and attribute.i in _narrow_floats():
        attribute.i = TensorProto.DOUBLE


def _widen_constant(node: Any) -> None:
    """Constants given as plain numbers are float32: give them as a tensor."""
    from onnx import helper

    (attribute,) = node.attribute
    if attribute.name in ("value_float", "value_floats"):
        numbers = attribute.f if attribute.name == "value_float" else list(attribute.floats)
        value = helper.make_attribute("value", _tensor(np.array(numbers, np.float64)))
        del node.attribute[:]
        node.attribute.append(value)


def _tensor(array: np.ndarray) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(array)


def _words(node: Any) -> str:
    return f"{node.op_type} '{node.name}'" if node.name else str(node.op_type)
