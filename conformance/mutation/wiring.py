"""Changes of how a graph is connected: nodes dropped, replaced, fed with something else."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from conformance.mutation.subject import (
    NEXT_TO_NOTHING,
    NodeAt,
    Site,
    Subject,
    at_node,
    graphs,
    label,
)

#: Ops whose output has the type and shape of their first input, whatever they compute.
_SHAPE_PRESERVING = frozenset(
    (
        *("Relu", "LeakyRelu", "Elu", "Selu", "Gelu", "Sigmoid", "HardSigmoid", "HardSwish"),
        *("Tanh", "Softplus", "Softsign", "Erf", "Mish", "Clip", "Softmax", "LogSoftmax"),
        *("LayerNormalization", "RMSNormalization", "BatchNormalization", "LpNormalization"),
        *("InstanceNormalization", "GroupNormalization", "Neg", "Abs", "Sqrt", "Reciprocal"),
        *("Exp", "Log", "Sin", "Cos", "Floor", "Ceil", "Round", "Sign", "Not", "CumSum", "Trilu"),
        *("Normalizer", "RotaryEmbedding", "StringNormalizer"),
    )
)
#: Binary ops: the first input stands in for the result where it has the same shape.
_BINARY = frozenset(("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "And", "Or", "Mod"))
#: Op type to the operand that changes nothing, and how far from it still is nothing much.
_NEUTRAL = {
    "Add": (0, NEXT_TO_NOTHING),
    "Sub": (0, NEXT_TO_NOTHING),
    "Mul": (1, 0.0),
    "Div": (1, 0.0),
    "Pow": (1, 0.0),
}
#: An op and one that it is mistaken for, of the same inputs and the same kind of output.
_MISTAKEN = {
    "Add": "Sub",
    "Sub": "Add",
    "Mul": "Div",
    "Div": "Mul",
    "Max": "Min",
    "Min": "Max",
    "And": "Or",
    "Or": "And",
    "Less": "Greater",
    "Greater": "Less",
    "LessOrEqual": "GreaterOrEqual",
    "GreaterOrEqual": "LessOrEqual",
    "Sin": "Cos",
    "Cos": "Sin",
    "Tanh": "Sigmoid",
    "Sigmoid": "Tanh",
    "Erf": "Tanh",
    "Sqrt": "Abs",
    "Relu": "Abs",
    "Softplus": "Relu",
    "Softmax": "LogSoftmax",
    "LogSoftmax": "Softmax",
    "Floor": "Ceil",
    "Ceil": "Floor",
    "Round": "Floor",
    "Abs": "Neg",
    "ArgMax": "ArgMin",
    "ArgMin": "ArgMax",
    "ReduceMax": "ReduceMin",
    "ReduceMin": "ReduceMax",
    "ReduceMean": "ReduceMax",
    "ReduceSum": "ReduceMean",
    "ReduceL2": "ReduceL1",
    "ReduceSumSquare": "ReduceSum",
    "ReduceLogSumExp": "ReduceMax",
}
#: Ops whose operands are not interchangeable, with the two inputs that are exchanged.
_ORDERED = {
    "Sub": (0, 1),
    "Div": (0, 1),
    "Pow": (0, 1),
    "MatMul": (0, 1),
    "Less": (0, 1),
    "Greater": (0, 1),
    "LessOrEqual": (0, 1),
    "GreaterOrEqual": (0, 1),
    "Concat": (0, 1),
    "Where": (1, 2),
}


def drop_node(subject: Subject) -> Iterator[Site]:
    """Pass an input of a node on as its output, as if the node had been forgotten."""
    for at, node in subject.nodes:
        if any(name in subject.uses for name in node.output[1:]):
            continue
        if node.op_type in _SHAPE_PRESERVING:
            yield _bypass(at, node, node.input[0])
        elif node.op_type in _BINARY:
            same = [name for name in node.input if _same_type(subject, name, node.output[0])]
            if same:
                yield _unless_neutral(subject, node, _bypass(at, node, same[0]))


def replace_operator(subject: Subject) -> Iterator[Site]:
    """Compute something similar: the maximum for the minimum, a sum for a difference."""
    for at, node in subject.nodes:
        if node.op_type in _MISTAKEN and node.domain in ("", "ai.onnx"):
            other = _MISTAKEN[node.op_type]
            if node.op_type in ("Add", "Sub", "Mul", "Div") and len(set(node.input)) == 1:
                continue  # x - x is no mistake that anybody makes
            site = at_node(at, f"{label(node)} -> {other}", partial(_rename, op_type=other))
            yield _unless_neutral(subject, node, site)


def swap_operands(subject: Subject) -> Iterator[Site]:
    """Exchange two operands of a node for which their order matters."""
    for at, node in subject.nodes:
        first, second = _ORDERED.get(node.op_type, (0, 0))
        if first != second and len(node.input) > second:
            target = f"inputs {first} and {second} of {label(node)}"
            yield at_node(at, target, partial(_exchange, first=first, second=second))


def swap_outputs(subject: Subject) -> Iterator[Site]:
    """Give two outputs of the graph, of equal type and rank, each other's values."""
    outputs = [value.name for value in subject.model.graph.output]
    for position, first in enumerate(outputs):
        for second in outputs[position + 1 :]:
            if _kind(subject, first) == _kind(subject, second):
                yield Site(f"'{first}' and '{second}'", partial(_swap, pair=(first, second)))


def skip_mask(subject: Subject) -> Iterator[Site]:
    """Use ones in place of a mask: nothing is hidden any more."""
    for name in subject.inputs:
        if _is_mask(subject, name):
            yield from _ignored(subject, name, 1)


def ignore_input(subject: Subject) -> Iterator[Site]:
    """Use zeros in place of one of several inputs, as if it had not been connected."""
    from onnx import TensorProto

    for name in subject.inputs:
        numeric = subject.types[name][0] not in {TensorProto.STRING, TensorProto.UNDEFINED}
        if numeric and len(subject.inputs) > 1 and not _is_mask(subject, name):
            yield from _ignored(subject, name, 0)


def _ignored(subject: Subject, name: str, value: int) -> Iterator[Site]:
    """All uses of an input at once, then each use for itself; its shape stays in use."""
    uses = [
        (at, position)
        for at, position in subject.uses.get(name, [])
        if subject.node(at).op_type not in ("Shape", "Size")
    ]
    change = partial(_feed_constant, name=name, kind=subject.types[name][0], value=value)
    if uses:
        yield Site(f"input '{name}' as {value}s", partial(change, uses=uses))
    for at, position in uses if len(uses) > 1 else ():
        target = f"input '{name}' as {value}s for {label(subject.node(at))}"
        yield Site(target, partial(change, uses=[(at, position)]))


def _is_mask(subject: Subject, name: str) -> bool:
    from onnx import TensorProto

    kind = subject.types[name][0]
    numeric = kind not in {TensorProto.STRING, TensorProto.UNDEFINED}
    return kind == TensorProto.BOOL or (numeric and "mask" in name.lower())


def _kind(subject: Subject, name: str) -> tuple[int, int] | str:
    kind, shape = subject.types[name]
    return name if shape is None else (kind, len(shape))


def _same_type(subject: Subject, first: str, second: str) -> bool:
    kind, shape = subject.types.get(first, (0, None))
    known = shape is not None and None not in shape
    return known and (kind, shape) == subject.types.get(second)


def _bypass(at: NodeAt, node: Any, name: str) -> Site:
    return at_node(at, f"{label(node)} passes on '{name}'", partial(_forward, name=name))


def _unless_neutral(subject: Subject, node: Any, site: Site) -> Site:
    """The same change, but none where the node adds next to nothing or multiplies by one."""
    if node.op_type not in _NEUTRAL:
        return site
    neutral, within = _NEUTRAL[node.op_type]
    places = [subject.places[name] for name in node.input if name in subject.places]

    def change(model: Any) -> bool:
        far = [(np.abs(subject.array(place) - neutral) > within).any() for place in places]
        return all(far) and site.change(model)

    return Site(site.target, change)


def _forward(node: Any, *, name: str) -> bool:
    output = node.output[0]
    node.op_type, node.domain = "Identity", ""
    del node.attribute[:], node.input[:], node.output[:]
    node.input.append(name)
    node.output.append(output)
    return True


def _rename(node: Any, *, op_type: str) -> bool:
    node.op_type = op_type
    return True


def _exchange(node: Any, *, first: int, second: int) -> bool:
    node.input[first], node.input[second] = node.input[second], node.input[first]
    return bool(node.input[first] != node.input[second])


def _swap(model: Any, *, pair: tuple[str, str]) -> bool:
    """Every value inside is renamed, so only what the outputs show is exchanged."""
    names = dict(zip(pair, reversed(pair), strict=True))
    for graph in graphs(model):
        for node in graph.node:
            for values in (node.input, node.output):
                values[:] = [names.get(value, value) for value in values]
        for tensor in graph.initializer:
            tensor.name = names.get(tensor.name, tensor.name)
    return True


def _feed_constant(
    model: Any, *, name: str, kind: int, value: int, uses: list[tuple[NodeAt, int]]
) -> bool:
    from onnx import helper

    constant, shape = f"{name}__as_{value}s", f"{name}__shape"
    for (graph, node), position in uses:  # places first: the new nodes shift them
        graphs(model)[graph].node[node].input[position] = constant
    tensor = helper.make_tensor("value", kind, [1], [value])
    made = [
        helper.make_node("Shape", [name], [shape]),
        helper.make_node("ConstantOfShape", [shape], [constant], value=tensor),
    ]
    nodes = [*made, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return True
