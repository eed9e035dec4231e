"""Which tensors a node reads, in its subgraphs too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def subgraphs(node: Any) -> Iterator[Any]:
    """The ``GraphProto`` attributes of a node, such as the branches of an If."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def names_read(node: Any) -> list[str]:
    """Tensors that a node reads from the graph it stands in; each once, in order.

    What its subgraphs capture counts; what they make themselves does not.
    """
    names = dict.fromkeys(name for name in node.input if name)
    for graph in subgraphs(node):
        names |= dict.fromkeys(_captured(graph))
    return list(names)


def initializer_names(graph: Any) -> set[str]:
    """Names of the graph's constants."""
    dense = {tensor.name for tensor in graph.initializer}
    return dense | {tensor.values.name for tensor in graph.sparse_initializer}


def input_names(graph: Any) -> list[str]:
    """Inputs that have no default, in order."""
    constants = initializer_names(graph)
    return [value.name for value in graph.input if value.name not in constants]


def _captured(graph: Any) -> Iterator[str]:
    own = initializer_names(graph) | {value.name for value in graph.input}
    for node in graph.node:
        yield from (name for name in names_read(node) if name not in own)
        own.update(node.output)
    yield from (value.name for value in graph.output if value.name not in own)
