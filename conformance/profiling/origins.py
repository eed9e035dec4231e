"""Trace the nodes that ONNX Runtime ran to the exporter's nodes, and those to the source.

ONNX Runtime's optimizations keep no metadata. What they keep are names: a node that was not
touched keeps its own, a fused one makes the tensor that the last of its parts made, and one in
another memory layout is named after the tensor that it makes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from conformance.graph.metadata import location, scopes, source_line
from conformance.graph.names import initializer_names, names_read, subgraphs
from conformance.profiling.aggregate import NodeKey
from conformance.profiling.events import NodeId
from conformance.profiling.result import Traced

#: What tells only the shape of a tensor: what is made of it is as constant as the shape.
_SHAPES = frozenset({"Shape", "Size"})
#: What ONNX Runtime adds to a name, to be taken off in this order: nothing, a number that makes
#: it unique, a word before it, a layout, a rewriting.
_ADDED = tuple(map(re.compile, (r"(?!)", r"_token_[0-9]+$", r"^fused ", r"_nchwc$", r"/\w*/?$")))
#: What ONNX Runtime fuses into the convolution before it.
_FUSED_BEHIND = frozenset(
    {"Add", "Sum", "Relu", "LeakyRelu", "Sigmoid", "Tanh", "Clip", "HardSigmoid"}
)
#: More modules, or lines, than this are counted instead of named.
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a node that was run comes from."""

    traced: Traced
    nodes: tuple[str, ...] = ()
    module: str | None = None
    source: str | None = None


class Origins:
    """Answers where nodes come from, for one model."""

    def __init__(self, exported: Any, optimized: Any | None) -> None:
        """Index the graphs.

        Args:
            exported: ``ModelProto`` of the exporter.
            optimized: what ONNX Runtime made of it; ``None`` where it could not be had: then
                only nodes that were left alone are known.
        """
        graphs = [] if optimized is None else [optimized.graph]
        self._levels: dict[tuple[NodeId, ...], _Level] = {(): _Level([exported.graph], graphs)}

    def of(self, key: NodeKey) -> Origin:
        """Where a node comes from; one without a module of its own has that around it."""
        traced, nodes = self._level(key.inside).traced(key.node)
        module, source = _modules(nodes), _together(source_line(node) for node in nodes)
        if module is None and source is None and key.inside:
            *outer, around = key.inside
            above = self.of(NodeKey(around, "", tuple(outer)))
            module, source = above.module, above.source
        names = (node.name or f"{node.op_type} of {node.output[0]!r}" for node in nodes)
        return Origin(traced, tuple(dict.fromkeys(names)), module, source)

    def _level(self, inside: tuple[NodeId, ...]) -> _Level:
        if inside not in self._levels:
            *outer, around = inside
            self._levels[inside] = self._level(tuple(outer)).below(around)
        return self._levels[inside]


class _Level:
    """A graph before and after optimization; several where a node has several branches."""

    def __init__(self, exported: list[Any], optimized: list[Any]) -> None:
        self._place: dict[int, int] = {}
        #: Tensors that do not depend on what the model is fed, but for its shape.
        self._constant: set[str] = set()
        self._by_index: dict[int, list[Any]] = defaultdict(list)
        self._by_name: dict[str, list[Any]] = defaultdict(list)
        self._makers: dict[str, list[Any]] = defaultdict(list)
        self._readers: dict[str, list[Any]] = defaultdict(list)
        for graph in exported:
            self._index(graph)
        self._optimized: dict[str, list[Any]] = defaultdict(list)
        #: What a node of the optimized graph makes of the exporter's tensors, by its ``id``.
        self._made: dict[int, tuple[Traced, list[str]]] = {}
        #: Tensors of the exporter that are still made, be it under another name.
        self._kept: set[str] = set()
        nodes = [node for graph in optimized for node in graph.node]
        for node in nodes:
            self._optimized[node.name].append(node)
            self._made[id(node)] = self._makes(node)
            self._kept.update(names_read(node), self._made[id(node)][1])
        for node in nodes:
            traced, made = self._made[id(node)]
            if traced is Traced.NAME:
                self._add_fused(made)

    def below(self, around: NodeId) -> _Level:
        """The level of a node's subgraphs."""
        _, exported = self.traced(around)
        optimized = self._named(self._optimized, around)
        return _Level(
            [graph for node in exported for graph in subgraphs(node)],
            [graph for node in optimized for graph in subgraphs(node)],
        )

    def traced(self, node: NodeId) -> tuple[Traced, list[Any]]:
        """The exporter's nodes that a node stands for, in their order."""
        same = [n for n in self._by_index[node.index] if _is(n, node)]
        same = same or self._named(self._by_name, node)
        ran = self._named(self._optimized, node)
        known = [name for other in ran[:1] for name in other.output if name in self._makers]
        if same and (not known or known == list(same[0].output)):
            return Traced.SAME, same
        if not ran:
            return Traced.UNKNOWN, []
        traced, made = self._made[id(ran[0])]
        if made:
            return traced, self._parts(made)
        read = [maker for name in ran[0].input for maker in self._makers.get(name, ())]
        return (Traced.INPUTS if read else Traced.UNKNOWN), read

    def _index(self, graph: Any) -> None:
        self._constant |= initializer_names(graph)
        index = 0
        for node in graph.node:
            if node.op_type in _SHAPES or self._constant.issuperset(names_read(node)):
                self._constant.update(node.output)
            if node.op_type == "Constant":  # loaded as an initializer, without a number
                continue
            self._place[id(node)] = len(self._place)
            self._by_index[index].append(node)
            index += 1
            self._by_name[node.name].append(node)
            for name in node.output:
                self._makers[name].append(node)
            for name in names_read(node):
                self._readers[name].append(node)

    def _makes(self, node: Any) -> tuple[Traced, list[str]]:
        """The exporter's tensors that a node makes, or stands for by its name."""
        known = [name for name in node.output if name in self._makers]
        if known:
            return Traced.OUTPUTS, known
        name: str = node.name
        for added in _ADDED:
            name = added.sub("", name)
            if name in self._makers:
                return Traced.NAME, [name]
            if name and name in self._by_name:
                outputs = [out for other in self._by_name[name] for out in other.output]
                return Traced.NAME, outputs
        return Traced.UNKNOWN, []

    def _add_fused(self, made: list[str]) -> None:
        """Add what became of tensors that are only known by a name.

        A convolution that a following Add and Relu were fused into keeps the name of its own
        tensor: what alone reads that, and what it makes is gone, is part of it.
        """
        for tensor in made:  # grows
            readers = self._readers.get(tensor, ())
            if len(readers) != 1 or readers[0].op_type not in _FUSED_BEHIND:
                continue
            for name in readers[0].output:
                if self._is_gone(name):
                    made.append(name)
                    self._kept.add(name)

    def _parts(self, made: list[str]) -> list[Any]:
        """The nodes that make tensors, back to those that are still there."""
        found: dict[int, Any] = {}
        waiting = list(made)
        while waiting:
            for node in self._makers.get(waiting.pop(), ()):
                if id(node) not in found:
                    found[id(node)] = node
                    waiting += [name for name in names_read(node) if self._is_gone(name)]
        return sorted(found.values(), key=lambda node: self._place[id(node)])

    def _is_gone(self, tensor: str) -> bool:
        """Whether a tensor of the exporter is made no more, and was not a constant all along."""
        return tensor not in self._kept and tensor not in self._constant

    @staticmethod
    def _named(nodes: dict[str, list[Any]], wanted: NodeId) -> list[Any]:
        named = [node for node in nodes.get(wanted.name, ()) if node.op_type == wanted.op_type]
        unnamed = [node for node in nodes.get("", ()) if _is(node, wanted)]
        # without names, only an operator that occurs once is told from the others
        return named or (unnamed if len(unnamed) == 1 else [])


def _is(node: Any, wanted: NodeId) -> bool:
    name = node.name or f"{node.op_type}_{wanted.index}"
    return bool(node.op_type == wanted.op_type and name == wanted.name)


def _modules(nodes: Iterable[Any]) -> str | None:
    """The module of all nodes, as ``encoder.layer.0: query, key`` where there are several."""
    found = list(dict.fromkeys(name for name in map(_module, nodes) if name))
    if len(found) > 1:
        separator = "/" if any("/" in name for name in found) else "."
        parts = zip(*(name.split(separator) for name in found), strict=False)
        common = list(_while_same(parts))
        if common:
            below = (name.split(separator)[len(common) :][:1] for name in found)
            names = _together(part for parts in below for part in parts)
            return f"{separator.join(common)}: {names}" if names else separator.join(common)
    return _together(found)


def _while_same(columns: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for column in columns:
        if len(set(column)) > 1:
            return
        yield column[0]


def _module(node: Any) -> str | None:
    """The innermost module of torch; the path in the name where another exporter gave one."""
    named = scopes(node)
    if named:
        return named[-1]
    return None if source_line(node) else location(node)


def _together(words: Iterable[str | None]) -> str | None:
    found = list(dict.fromkeys(word for word in words if word))
    more = [f"{len(found) - _MOST_NAMED} more"] if len(found) > _MOST_NAMED else []
    return ", ".join(found[:_MOST_NAMED] + more) or None
