"""How the graphs of two models differ, whatever the names within them.

Exporters number what they name: the same graph has other names after an update. Here a value is
what computes it. Names of the graph's inputs and outputs count, for callers use them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from pathlib import Path
from typing import Any

from conformance.graph.load import load_model

#: Above so many nodes, frequent ones are not looked at for an alignment: it would take minutes.
_MANY_NODES = 2000
_CAPTURED = "captured"


class Fate(StrEnum):
    """What became of a node."""

    ADDED = "added"
    REMOVED = "removed"
    #: The same operator with other attributes or constants.
    CHANGED = "changed"
    #: The same node reads other values.
    REWIRED = "rewired"


@dataclass(frozen=True, slots=True)
class NodeDifference:
    """A node that the two models do not have in common."""

    fate: Fate
    op_type: str
    #: In the later model; in the earlier one where it was removed.
    name: str
    #: What differs: ``attribute axis``, ``constant 1``, ``input 0``; empty for whole nodes.
    what: tuple[str, ...] = ()

    def __str__(self) -> str:
        what = f": {', '.join(self.what)}" if self.what else ""
        return f"{self.op_type} {self.fate}{what}"


@dataclass(frozen=True, slots=True)
class GraphDifference:
    """All that two models do not have in common; nothing where only names differ."""

    nodes: tuple[NodeDifference, ...] = ()
    #: Signature, opsets and functions, in words.
    model: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether the models compute the same by the same nodes."""
        return not self.nodes and not self.model


@dataclass(frozen=True, slots=True)
class _Node:
    op_type: str
    name: str
    attributes: Mapping[str, str]
    #: Digest of the constant at each place that has one.
    constants: Mapping[int, str]
    #: At each other place: the name of a graph's input, or number of a node and of its output.
    reads: Mapping[int, tuple[str | int, int]]
    #: What computes it, all the way from the inputs.
    deep: str

    @property
    def local(self) -> tuple[Any, ...]:
        """What it is by itself."""
        constants = tuple(sorted(self.constants.items()))
        return (self.op_type, tuple(sorted(self.attributes.items())), constants, tuple(self.reads))


@dataclass(frozen=True, slots=True)
class GraphOutline:
    """What is compared of a model; small, whatever the size of its weights."""

    nodes: tuple[_Node, ...]
    inputs: tuple[str, ...]
    #: Name and type of each output, and what computes it.
    outputs: tuple[tuple[str, str], ...]
    opsets: Mapping[str, str]
    functions: Mapping[str, str]


def outline(path: Path) -> GraphOutline:
    """Read a model for comparison.

    Raises:
        CorruptBundle: when it cannot be read.
    """
    model = load_model(path)
    graph = model.graph
    values = {value.name: _digest("input", value.name) for value in graph.input}
    nodes = tuple(_nodes(graph, values))
    return GraphOutline(
        nodes=nodes,
        inputs=tuple(_signature(value) for value in graph.input),
        outputs=tuple((_signature(value), values.get(value.name, "")) for value in graph.output),
        opsets={entry.domain or "ai.onnx": str(entry.version) for entry in model.opset_import},
        functions={
            f"{function.domain}.{function.name}": _digest(function.SerializeToString())
            for function in model.functions
        },
    )


def difference(old: GraphOutline, new: GraphOutline) -> GraphDifference:
    """What is not the same in two models.

    Nodes are aligned in the order of the files by what they are by themselves; aligned ones are
    then asked whether they read the same values. Another order of the same nodes is no difference.
    """
    told = (
        *_other("input", old.inputs, new.inputs),
        *_other("output", [o[0] for o in old.outputs], [o[0] for o in new.outputs]),
        *_versions("opset", old.opsets, new.opsets),
        *_versions("function", old.functions, new.functions, show=False),
    )
    alike = Counter(node.deep for node in old.nodes) == Counter(node.deep for node in new.nodes)
    if alike and [o[1] for o in old.outputs] == [o[1] for o in new.outputs]:
        return GraphDifference((), told)
    nodes = tuple(_aligned(old.nodes, new.nodes))
    if not nodes and not told:
        told = ("an output is computed by another node",)
    return GraphDifference(nodes, told)


# -- reading ---------------------------------------------------------------------------------


def _nodes(graph: Any, values: dict[str, str]) -> Iterator[_Node]:
    """The nodes of a graph; ``values`` gets what computes each of its values."""
    constants = {tensor.name: _tensor_digest(tensor) for tensor in graph.initializer}
    constants |= {t.values.name: _digest(t.SerializeToString()) for t in graph.sparse_initializer}
    values |= constants
    makers: dict[str, tuple[str | int, int]] = {}
    for number, node in enumerate(graph.node):
        op_type = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        read = {place: name for place, name in enumerate(node.input) if name}
        attributes = {a.name: _attribute(a, None) for a in node.attribute}
        inside = [_attribute(a, values) for a in node.attribute]
        known = [f"{place}={values.get(name, name)}" for place, name in read.items()]
        deep = _digest(op_type, *sorted(inside), *known)
        yield _Node(
            op_type=op_type,
            name=node.name or next(iter(node.output), ""),
            attributes=attributes,
            constants={p: constants[n] for p, n in read.items() if n in constants},
            reads={p: makers.get(n, (n, 0)) for p, n in read.items() if n not in constants},
            deep=deep,
        )
        for place, name in enumerate(node.output):
            values[name] = _digest(deep, str(place))
            makers[name] = (number, place)


def _attribute(attribute: Any, values: Mapping[str, str] | None) -> str:
    """Digest of an attribute.

    Args:
        attribute: an ``AttributeProto``.
        values: what computes the values that its subgraphs capture; None where it is of no
            concern.
    """
    from onnx import AttributeProto

    if attribute.HasField("t"):
        return _digest(attribute.name, _tensor_digest(attribute.t))
    graphs = [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]
    if graphs:
        return _digest(attribute.name, *(_subgraph(graph, values) for graph in graphs))
    bare = AttributeProto()
    bare.CopyFrom(attribute)
    bare.doc_string = ""
    return _digest(bare.SerializeToString(deterministic=True))


def _subgraph(graph: Any, values: Mapping[str, str] | None) -> str:
    own = _Captured() if values is None else dict(values)
    own |= {value.name: _digest("parameter", str(n)) for n, value in enumerate(graph.input)}
    nodes = [node.deep for node in _nodes(graph, own)]
    outputs = [own.get(value.name, _CAPTURED) for value in graph.output]
    return _digest(*sorted(nodes), *outputs)


class _Captured(dict[str, str]):
    """Values of a subgraph, in which those from outside are all the same."""

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ARG002 - dict's own signature
        return super().get(key, _CAPTURED)


def _tensor_digest(tensor: Any) -> str:
    from onnx import TensorProto, numpy_helper

    if tensor.data_type == TensorProto.STRING:
        return _digest(str(list(tensor.dims)), *tensor.string_data)
    array = numpy_helper.to_array(tensor)  # as raw bytes or as numbers: the same elements
    return _digest(str(tensor.data_type), str(array.shape), array.tobytes())


def _signature(value: Any) -> str:
    kind = value.type.SerializeToString(deterministic=True)
    return f"{value.name} {_digest(kind)[:8]}"


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


# -- comparing -------------------------------------------------------------------------------


def _aligned(old: tuple[_Node, ...], new: tuple[_Node, ...]) -> Iterator[NodeDifference]:
    many = max(len(old), len(new)) > _MANY_NODES
    matcher = SequenceMatcher(None, [n.local for n in old], [n.local for n in new], autojunk=many)
    pairs: dict[int, int] = {}
    found: list[NodeDifference] = []
    for _, i, i_end, j, j_end in (block for block in matcher.get_opcodes() if block[0] != "equal"):
        gone, came = list(range(i, i_end)), list(range(j, j_end))
        for place in range(i, i_end):
            twin = next((p for p in came if new[p].op_type == old[place].op_type), None)
            if twin is not None:
                pairs[place] = twin
                came.remove(twin)
                gone.remove(place)
                what = _what(old[place], new[twin])
                found.append(NodeDifference(Fate.CHANGED, new[twin].op_type, new[twin].name, what))
        found += [NodeDifference(Fate.REMOVED, old[p].op_type, old[p].name) for p in gone]
        found += [NodeDifference(Fate.ADDED, new[p].op_type, new[p].name) for p in came]
    changed = set(pairs)
    for block in matcher.get_matching_blocks():
        pairs |= {block.a + k: block.b + k for k in range(block.size)}
    yield from found
    for i, j in sorted(pairs.items()):
        moved = tuple(
            f"input {place}"
            for place, source in old[i].reads.items()
            if place in new[j].reads and not _same_source(source, new[j].reads[place], pairs, old)
        )
        if moved and i not in changed:
            yield NodeDifference(Fate.REWIRED, new[j].op_type, new[j].name, moved)


def _same_source(
    before: tuple[str | int, int],
    after: tuple[str | int, int],
    pairs: Mapping[int, int],
    old: tuple[_Node, ...],
) -> bool:
    maker = before[0]
    if isinstance(maker, str):
        return before == after
    # what reads a node that is gone reads another one now: that node is told of already
    return maker >= len(old) or maker not in pairs or (pairs[maker], before[1]) == after


def _what(old: _Node, new: _Node) -> tuple[str, ...]:
    names = sorted({*old.attributes, *new.attributes})
    told = [f"attribute {n}" for n in names if old.attributes.get(n) != new.attributes.get(n)]
    places = sorted({*old.constants, *new.constants})
    told += [f"constant {p}" for p in places if old.constants.get(p) != new.constants.get(p)]
    inputs = sorted({*old.reads} ^ {*new.reads})
    return (*told, *(f"input {p}" for p in inputs if f"constant {p}" not in told))


def _other(what: str, old: Any, new: Any) -> Iterator[str]:
    if list(old) != list(new):
        names = [[text.rpartition(" ")[0] for text in side] for side in (old, new)]
        listed = " -> ".join(", ".join(side) for side in names)
        yield f"{what}s {listed}" if names[0] != names[1] else f"type of an {what}"


def _versions(
    what: str, old: Mapping[str, str], new: Mapping[str, str], *, show: bool = True
) -> Iterator[str]:
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before != after:
            told = f" {before or 'none'} -> {after or 'none'}" if show else " differs"
            yield f"{what} {name}{told}"
