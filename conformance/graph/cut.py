"""Parts of a graph: what lives across a cut, and the model between two sets of tensors.

A *position* is a cut of the topological order: 0 before the first node, ``len(nodes)``
after the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from conformance.graph.names import initializer_names, input_names, names_read


def frontier(model: Any, position: int) -> tuple[str, ...]:
    """Tensors that are known before a cut and needed after it.

    They are graph inputs or made by a node before the cut, and read by a node after it (in
    a subgraph too) or an output of the graph. Constants are not among them.

    Args:
        model: ``ModelProto`` with its nodes in topological order.
        position: number of nodes before the cut.

    Returns:
        Names in topological order, graph inputs first.
    """
    graph = model.graph
    known = input_names(graph)
    known += [name for node in graph.node[:position] for name in node.output if name]
    needed = {output.name for output in graph.output}
    needed.update(name for node in graph.node[position:] for name in names_read(node))
    return tuple(name for name in known if name in needed)


def submodel(
    model: Any, inputs: Sequence[str], outputs: Sequence[str], values: Mapping[str, np.ndarray]
) -> Any:
    """The model that computes ``outputs`` from ``inputs``.

    Args:
        model: ``ModelProto`` with its nodes in topological order; unchanged.
        inputs: tensors that are given. Those that the outputs do not depend on stay inputs.
        outputs: tensors that are asked for, none of them given.
        values: an array for each of ``inputs``, and for those of ``outputs`` whose type shall
            be declared. Only dtype and rank are taken: the part runs at any size.

    Returns:
        A ``ModelProto`` with the same opsets, functions and metadata.

    Raises:
        ValueError: when an output cannot be computed from the inputs, or is one of them.
    """
    graph = model.graph
    if given := [name for name in outputs if name in inputs]:
        raise ValueError(f"'{given[0]}' is both given and asked for")
    nodes, missing = _nodes_between(graph, set(inputs), outputs)
    needed = missing & initializer_names(graph)
    if unknown := sorted(missing - needed):
        raise ValueError(
            f"{', '.join(outputs)} also depend on '{unknown[0]}', which is not among the inputs "
            f"{list(inputs)}"
        )
    part = _without_graph(model)
    part.graph.name = f"part of {graph.name}" if graph.name else "part"
    part.graph.node.extend(nodes)
    part.graph.initializer.extend(t for t in graph.initializer if t.name in needed)
    part.graph.sparse_initializer.extend(
        t for t in graph.sparse_initializer if t.values.name in needed
    )
    declared = {value.name: value for value in (*graph.input, *graph.output)}
    part.graph.input.extend(_typed(name, values[name]) for name in inputs)
    for name in outputs:
        if name in values:
            part.graph.output.append(_typed(name, values[name]))
        elif name in declared:
            part.graph.output.append(declared[name])
        else:
            # ONNX Runtime and the reference evaluator find the type themselves
            part.graph.output.add(name=name)
    return part


def _nodes_between(
    graph: Any, given: set[str], outputs: Sequence[str]
) -> tuple[list[Any], set[str]]:
    """The nodes that make ``outputs``, and what they read that no node makes."""
    needed = set(outputs)
    nodes = []
    for node in reversed(graph.node):
        made = needed.intersection(node.output) - given
        if made:
            nodes.append(node)
            needed -= made
            needed.update(name for name in names_read(node) if name not in given)
    nodes.reverse()
    return nodes, needed


def _without_graph(model: Any) -> Any:
    import onnx

    part = onnx.ModelProto(ir_version=model.ir_version, producer_name=model.producer_name)
    part.producer_version = model.producer_version
    part.opset_import.extend(model.opset_import)
    part.functions.extend(model.functions)
    part.metadata_props.extend(model.metadata_props)
    return part


def _typed(name: str, array: np.ndarray) -> Any:
    from onnx import TensorProto, helper

    # strings are held as objects or as fixed-width text
    text = array.dtype.kind in "OUS"
    element = TensorProto.STRING if text else helper.np_dtype_to_tensor_dtype(array.dtype)
    return helper.make_tensor_value_info(name, element, [None] * array.ndim)
