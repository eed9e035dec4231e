"""Parsing events to plain data whose every key and value knows its position.

Reads as JSON would: mappings with text keys (a whole number as key becomes its text),
lists, text, numbers, booleans, null. Anchors, aliases and merge keys are resolved by
sharing, so an alias costs nothing until somebody walks the data; what walking would cost
is counted before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)

from conformance.zoo.decoding import HOSTILE, forbidden
from conformance.zoo.events import YamlError, events, position
from conformance.zoo.problems import START, Position
from conformance.zoo.scalars import Scalar, resolve
from conformance.zoo.suggest import quote

#: How deep collections may be nested, aliases expanded.
DEPTH_LIMIT = 64
#: How many nodes the aliases of one file may stand for, all together.
ALIAS_LIMIT = 100_000

_MERGE = "<<"
#: libyaml lets these follow an anchor's name; in YAML 1.2 they are part of it.
_NOT_AFTER_NAME = (":", "?", "%", "@", "`")


class Node:
    """A value and where it stands; what is no :class:`Branch` is a scalar.

    ``value`` is plain data and is shared between aliases: never change it.
    """

    # a zoo of 10,000 models has a quarter of a million scalars: what is the same for all
    # of them stands in the class
    __slots__ = ("at", "value")
    children: Mapping[Any, Node] = MappingProxyType({})
    #: Positions of a mapping's keys, and of a list's items; as many as there are children.
    keys: Mapping[Any, Position] = MappingProxyType({})
    #: Nodes from here on, this one and what aliases stand for included.
    size: int = 1
    depth: int = 0

    def __init__(self, value: Any, at: Position) -> None:
        self.value = value
        self.at = at

    def items(self) -> list[Node]:
        """The nodes of a list; nothing for any other value."""
        return list(self.children.values()) if isinstance(self.value, list) else []

    def only(self, keys: Collection[str]) -> Branch:
        """This mapping with those of its items whose key is in ``keys``."""
        part = Branch({}, self.at)
        for key, child in self.children.items():
            if key in keys:
                part.add(key, self.keys[key], child)
        return part

    def filled_from(self, other: Node) -> Node:
        """This mapping with the items of ``other`` whose key it lacks."""
        if not other.children:
            return self
        filled = Branch({}, self.at)
        for source in (self, other):
            for key, child in source.children.items():
                if key not in filled.children:
                    filled.add(key, source.keys[key], child)
        return filled

    def find(self, path: tuple[str | int, ...]) -> tuple[Node, Position, tuple[str | int, ...]]:
        """Walk ``path``, passing over parts that lead nowhere, such as names of union members.

        Returns:
            The last node found, the position of its key, and the parts that led there.
        """
        node, key_at = self, self.at
        walked: tuple[str | int, ...] = ()
        for part in path:
            step = part if part in node.children else str(part)
            if step in node.children:
                node, key_at = node.children[step], node.keys[step]
                walked = (*walked, part)
        return node, key_at, walked


class Branch(Node):
    """A mapping or a list, with the nodes inside it: a child per item of ``value``."""

    __slots__ = ("children", "depth", "keys", "size")

    def __init__(self, value: dict[str, Any] | list[Any], at: Position) -> None:
        super().__init__(value, at)
        self.children: dict[Any, Node] = {}
        self.keys: dict[Any, Position] = {}
        self.size = 1
        self.depth = 0

    def add(self, key: str | int, key_at: Position, child: Node) -> None:
        """Append a child: ``key`` is a mapping's key or a list's next index."""
        if isinstance(self.value, dict):
            self.value[key] = child.value
        else:
            self.value.append(child.value)
        self.children[key] = child
        self.keys[key] = key_at
        self.size += child.size
        self.depth = max(self.depth, child.depth + 1)


def parse(text: str) -> tuple[Node | None, list[tuple[Position, str]]]:
    """Build the one document in ``text``.

    Returns:
        Its root, or ``None`` where no sense can be made of it, and every flaw found.
        With flaws and a root, the rest of the document can still be looked at.
    """
    builder = _Builder(text)
    try:
        for event in events(text):
            builder.take(event)
    except YamlError as flaw:
        builder.flaws.append((flaw.position, str(flaw)))
        return None, builder.flaws
    if not builder.flaws and (builder.root is None or builder.root.value is None):
        builder.flaws.append((START, "the file is empty; it needs at least 'models'"))
    return builder.root, builder.flaws


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    node: Branch
    anchor: str | None
    is_mapping: bool
    #: The key that waits for its value, a refused one as ``None``; none where a key comes next.
    key: tuple[str | None, Position] | None = None
    merges: list[Node] = field(default_factory=list)


class _Builder:
    def __init__(self, text: str) -> None:
        self._text = text
        self.root: Node | None = None
        self.flaws: list[tuple[Position, str]] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._expanded = 0
        self._documents = 0

    def take(self, event: Event) -> None:
        """Take the next event.

        Raises:
            YamlError: where going on makes no sense.
        """
        if isinstance(event, ScalarEvent):
            at = self._begin(event)
            key = self._open[-1].key if self._open else None
            if key and not event.value and event.start_mark.index == event.end_mark.index:
                at = key[1]  # nothing was written: its key is what one can see
            self._end(Node(self._scalar(event, at), at), event.anchor)
        elif isinstance(event, CollectionStartEvent):
            self._open_collection(event)
        elif isinstance(event, CollectionEndEvent):
            self._close_collection()
        elif isinstance(event, AliasEvent):
            self._place(self._alias(event), position(event))
        elif isinstance(event, DocumentStartEvent):
            self._start_document(event)

    def _start_document(self, event: DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            problem = "a second document starts here; a zoo file holds one"
            raise YamlError(position(event), problem)
        if event.version or event.tags:
            problem = "a '%' directive is not allowed; zoo files are plain YAML 1.2"
            raise YamlError(position(event), f"not valid YAML: {problem}")

    def _open_collection(self, event: CollectionStartEvent) -> None:
        at = self._begin(event)
        if len(self._open) >= DEPTH_LIMIT:
            raise YamlError(at, f"nested more than {DEPTH_LIMIT} levels deep")
        is_mapping = isinstance(event, MappingStartEvent)
        self._open.append(_Open(Branch({} if is_mapping else [], at), event.anchor, is_mapping))

    def _close_collection(self) -> None:
        done = self._open.pop()
        for source in done.merges:
            for key, child in source.children.items():
                if key not in done.node.children:
                    done.node.add(key, source.keys[key], child)
        self._end(done.node, done.anchor)

    def _begin(self, event: NodeEvent) -> Position:
        at = position(event)
        if event.tag is not None:
            name = quote(event.tag.replace("tag:yaml.org,2002:", "!!"))
            self.flaws.append((at, f"the tag {name} is not allowed; a zoo holds plain data"))
        elif event.anchor is not None:
            # libyaml ends a name such as "a:b" at the colon, and takes the rest for a value
            after = event.start_mark.index + 1 + len(event.anchor)
            if self._text.startswith(_NOT_AFTER_NAME, after):
                name = quote(f"&{event.anchor}{self._text[after]}")
                problem = f"an anchor's name holds only letters, digits, '-' and '_', not {name}"
                raise YamlError(at, problem)
        return at

    def _end(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        self._place(node, node.at)

    def _scalar(self, event: ScalarEvent, at: Position) -> Scalar:
        text: str = event.value
        # the file's own characters were looked at; this one came by an escape such as "\x1b"
        if event.style == '"' and (hostile := HOSTILE.search(text)):
            self.flaws.append((at, forbidden(hostile[0])))
            return HOSTILE.sub("\ufffd", text)
        if not event.implicit[0]:
            return text
        try:
            return resolve(text)
        except ValueError as error:
            self.flaws.append((at, str(error)))
            return 0

    def _alias(self, event: AliasEvent) -> Node:
        at, name = position(event), event.anchor
        if any(opened.anchor == name for opened in self._open):
            raise YamlError(at, f"the alias '*{name}' stands inside its own anchor")
        node = self._anchors.get(name)
        if node is None:
            raise YamlError(at, f"the alias '*{name}' has no anchor '&{name}' before it")
        self._expanded += node.size
        if self._expanded > ALIAS_LIMIT:
            raise YamlError(
                at, f"the aliases up to here stand for more than {ALIAS_LIMIT} values; refused"
            )
        if len(self._open) + node.depth > DEPTH_LIMIT:
            raise YamlError(at, f"nested more than {DEPTH_LIMIT} levels deep")
        return node

    def _place(self, node: Node, at: Position) -> None:
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        if not parent.is_mapping:
            parent.node.add(len(parent.node.value), at, node)
        elif parent.key is None:
            parent.key = self._key(node, at), at
        else:
            (key, key_at), parent.key = parent.key, None
            if key is not None:
                self._pair(parent, key, key_at, node)

    def _key(self, node: Node, at: Position) -> str | None:
        if isinstance(node.value, str | int) and not isinstance(node.value, bool):
            return str(node.value)
        self.flaws.append((at, "a key must be text or a whole number"))
        return None

    def _pair(self, parent: _Open, key: str, key_at: Position, node: Node) -> None:
        if key == _MERGE:
            sources = node.items() if isinstance(node.value, list) else [node]
            if parent.merges or not all(isinstance(s.value, dict) for s in sources):
                self.flaws.append(
                    (key_at, "'<<' takes one mapping or one list of mappings, once per mapping")
                )
            else:
                parent.merges = sources
        elif key in parent.node.children:
            line = parent.node.keys[key][0]
            self.flaws.append((key_at, f"duplicate key {quote(key)}; it was given in line {line}"))
        else:
            parent.node.add(key, key_at, node)
