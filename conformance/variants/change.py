"""What a variant really does otherwise than its base: counted in the two graphs.

What a tool says it did is no evidence: a quantizer that finds nothing to quantize writes the
model that it was given, and reports success.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from conformance.variants import VARIANTS

_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
#: Nodes that carry values into and out of another representation, and compute nothing.
_CARRIERS = frozenset({_QUANTIZE, _DEQUANTIZE, "DynamicQuantizeLinear", "Cast", "Constant"})
_HALVES = ("fp16", "bf16")


@dataclass(frozen=True, slots=True)
class Change:
    """Numbers of nodes by their op type."""

    #: Nodes of the main graph.
    base_nodes: int
    nodes: int
    #: That compute in the variant's own way, more of them than in the base.
    own_nodes: dict[str, int]
    #: Of a lossy variant: that still have float32 weights, or answer in float32.
    kept_fp32: dict[str, int]


def changes(variant: str, base: Path, derived: Path) -> Change:
    """Compare the graph of a variant with that of its base.

    Args:
        variant: name of the variant.
        base: the model that it was made of.
        derived: the variant.
    """
    import onnx

    before, after = (onnx.load(str(path), load_external_data=False) for path in (base, derived))
    kept: Counter[str] = Counter()
    if variant in _HALVES:
        own = _in_halves(after)
        own.subtract(_in_halves(before))
        kept = _answering_in_float(after)
    elif VARIANTS[variant].lossy:
        own = _quantized(after)
        own.subtract(_quantized(before))
        kept = _with_float_weights(after)
    else:
        own = Counter(node.op_type for node in after.graph.node)
        own.subtract(node.op_type for node in before.graph.node)
        own.pop("Constant", None)
    return Change(
        len(before.graph.node),
        len(after.graph.node),
        {op: count for op, count in sorted(own.items()) if count > 0},
        dict(sorted(kept.items())),
    )


def _quantized(model: Any) -> Counter[str]:
    """Nodes that read integer weights, or values that have been integers, by op type."""
    return Counter(node.op_type for node in _quantized_nodes(model))


def _quantized_nodes(model: Any) -> list[Any]:
    from onnx import TensorProto

    small = {TensorProto.INT4, TensorProto.UINT4, TensorProto.INT8, TensorProto.UINT8}
    weights = {
        tensor.name
        for tensor in model.graph.initializer
        if tensor.data_type in small and _elements(tensor) > 1
    }
    integers = weights | _outputs(model, lambda node: node.op_type == _QUANTIZE)
    restored = _outputs(
        model, lambda node: node.op_type == _DEQUANTIZE and node.input[0] in integers
    )
    known = weights | restored
    return [
        node
        for node in model.graph.node
        if node.op_type not in _CARRIERS and not known.isdisjoint(node.input)
    ]


def _outputs(model: Any, of: Callable[[Any], bool]) -> set[str]:
    return {output for node in model.graph.node if of(node) for output in node.output}


def _with_float_weights(model: Any) -> Counter[str]:
    """Nodes that read a float32 weight of two axes or more; biases and scales lie along one."""
    from onnx import TensorProto

    weights = {
        tensor.name
        for tensor in model.graph.initializer
        if tensor.data_type == TensorProto.FLOAT and sum(size > 1 for size in tensor.dims) > 1
    }
    readers = Counter(
        node.op_type
        for node in model.graph.node
        if node.op_type not in _CARRIERS and not weights.isdisjoint(node.input)
    )
    # the scales of a quantized node may have two axes as well
    readers.subtract(
        node.op_type for node in _quantized_nodes(model) if not weights.isdisjoint(node.input)
    )
    return +readers


def _in_halves(model: Any) -> Counter[str]:
    """Nodes that answer in 16 bits, by op type."""
    from onnx import TensorProto

    return _answering_in(model, {TensorProto.FLOAT16, TensorProto.BFLOAT16})


def _answering_in_float(model: Any) -> Counter[str]:
    """Nodes that answer in float32, by op type."""
    from onnx import TensorProto

    return _answering_in(model, {TensorProto.FLOAT})


def _answering_in(model: Any, kinds: set[int]) -> Counter[str]:
    from onnx import shape_inference

    try:
        graph = shape_inference.infer_shapes(model).graph
    except shape_inference.InferenceError:
        graph = model.graph  # what it cannot infer is told by value_info, or not at all
    types = {
        value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.output)
    }
    return Counter(
        node.op_type
        for node in model.graph.node
        if node.op_type not in _CARRIERS and any(types.get(o) in kinds for o in node.output)
    )


def _elements(tensor: Any) -> int:
    return prod(int(size) for size in tensor.dims)
