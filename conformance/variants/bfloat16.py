"""Rewriting a graph to bfloat16: no tool at hand does it, and ONNX says what may be lowered.

An operator is lowered when every type variable of its float32 inputs and outputs admits
bfloat16 in the schema of the model's opset. Values pass between lowered and other nodes by way
of ``Cast``. Nodes with a subgraph stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_BF16 = "tensor(bfloat16)"
_SUFFIX = "_bf16"


def lowered(model: Any) -> Any:
    """A ``ModelProto`` that computes in bfloat16 where ONNX defines that.

    Args:
        model: ``onnx.ModelProto`` in float32; is changed, and returned.
    """
    from onnx import numpy_helper

    _constants_to_initializers(model.graph)
    graph = _Graph.of(model)
    plans = [_plan(node, graph) for node in model.graph.node]
    wanted = {name for plan in plans if plan for name in plan.inputs}
    made = {name for plan in plans if plan for name in plan.outputs}
    in_float = _needed_in_float(model.graph, plans)
    fed = dict.fromkeys(value.name for value in model.graph.input)
    nodes = _lowering(name for name in fed if name in wanted and name not in graph.initializers)
    for name in sorted(wanted & graph.initializers.keys()):
        array = numpy_helper.to_array(graph.initializers[name])
        model.graph.initializer.append(_tensor(array, name + _SUFFIX))
    for node, plan in zip(model.graph.node, plans, strict=True):
        nodes.append(node)
        if plan is None:
            nodes += _lowering(name for name in node.output if name in wanted - made)
        else:
            _rename(node.input, plan.inputs)
            _rename(node.output, plan.outputs)
            nodes += [_cast(name + _SUFFIX, name, lower=False) for name in plan.outputs & in_float]
    kept = [t for t in model.graph.initializer if t.name not in wanted or t.name in in_float]
    _replace(model.graph.node, nodes)
    _replace(model.graph.initializer, kept)
    _replace(model.graph.value_info, [])
    return model


@dataclass(frozen=True, slots=True)
class _Plan:
    """The values of a node that become bfloat16."""

    inputs: frozenset[str]
    outputs: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Graph:
    """What has to be known of the graph to plan."""

    initializers: dict[str, Any]
    #: Names of the values in float32.
    floats: frozenset[str]
    #: Names of the values whose type is known.
    known: frozenset[str]
    opsets: dict[str, int]

    @classmethod
    def of(cls, model: Any) -> _Graph:
        import onnx

        graph = onnx.shape_inference.infer_shapes(model).graph
        types = {
            value.name: value.type.tensor_type.elem_type
            for value in (*graph.input, *graph.value_info, *graph.output)
        } | {tensor.name: tensor.data_type for tensor in graph.initializer}
        return cls(
            {tensor.name: tensor for tensor in model.graph.initializer},
            frozenset(n for n, t in types.items() if t == onnx.TensorProto.FLOAT),
            frozenset(n for n, t in types.items() if t),
            {opset.domain: opset.version for opset in model.opset_import},
        )


def _plan(node: Any, graph: _Graph) -> _Plan | None:
    """What of a node becomes bfloat16; None when it stays as it is."""
    from onnx import AttributeProto, defs

    if node.op_type == "Cast" or any(a.type == AttributeProto.GRAPH for a in node.attribute):
        return None
    version = graph.opsets.get(node.domain)
    try:
        schema = defs.get_schema(node.op_type, version or 1, node.domain)
    except defs.SchemaError:
        return None
    admitted = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
    found: dict[str, set[str]] = {"inputs": set(), "outputs": set()}
    sides = (("inputs", node.input, schema.inputs), ("outputs", node.output, schema.outputs))
    for side, names, formal in sides:
        for name, kind in _typed(names, formal):
            if name not in graph.known:
                return None
            if name not in graph.floats or kind not in admitted:
                continue  # integers, and what is float32 whatever the others are
            if _BF16 not in admitted[kind]:
                return None
            found[side].add(name)
    if not found["inputs"] or not found["outputs"]:
        return None
    return _Plan(frozenset(found["inputs"]), frozenset(found["outputs"]))


def _typed(names: Any, formal: Any) -> Iterator[tuple[str, str]]:
    """The values of a node with the type, or type variable, of their formal parameter."""
    for number, name in enumerate(names):
        if name and formal:
            yield name, formal[min(number, len(formal) - 1)].type_str


def _needed_in_float(graph: Any, plans: list[_Plan | None]) -> set[str]:
    """Values that something other than a lowered node reads."""
    needed = {output.name for output in graph.output}
    for node, plan in zip(graph.node, plans, strict=True):
        needed.update(name for name in node.input if not plan or name not in plan.inputs)
        needed.update(_captured(node))
    return needed


def _captured(node: Any) -> Iterator[str]:
    """Names that the subgraphs of a node read."""
    from onnx import AttributeProto

    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            for inner in attribute.g.node:
                yield from inner.input
                yield from _captured(inner)
            yield from (output.name for output in attribute.g.output)


def _constants_to_initializers(graph: Any) -> None:
    kept = []
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensor = node.attribute[0].t
            tensor.name = node.output[0]
            graph.initializer.append(tensor)
        else:
            kept.append(node)
    _replace(graph.node, kept)


def _tensor(array: Any, name: str) -> Any:
    import ml_dtypes
    from onnx import numpy_helper

    return numpy_helper.from_array(array.astype(ml_dtypes.bfloat16), name)


def _lowering(names: Iterable[str]) -> list[Any]:
    return [_cast(name, name + _SUFFIX, lower=True) for name in names]


def _cast(source: str, target: str, *, lower: bool) -> Any:
    from onnx import TensorProto, helper

    to = TensorProto.BFLOAT16 if lower else TensorProto.FLOAT
    return helper.make_node("Cast", [source], [target], name=f"{target}_cast", to=to)


def _rename(names: Any, lower: frozenset[str]) -> None:
    for number, name in enumerate(names):
        if name in lower:
            names[number] = name + _SUFFIX


def _replace(field: Any, values: list[Any]) -> None:
    copies = [type(value).FromString(value.SerializeToString()) for value in values]
    del field[:]
    field.extend(copies)
