"""Parsing events to plain data whose every key and value knows its position.

Reads as JSON would: mappings with text keys (a whole number as key becomes its text),
lists, text, numbers, booleans, null. Anchors, aliases and merge keys are resolved by
sharing, so an alias costs nothing until somebody walks the data; what walking would cost
is counted before.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from conformance.zoo.decoding import HOSTILE, forbidden
from conformance.zoo.events import DEPTH_LIMIT, YamlError, events
from conformance.zoo.problems import START, Position
from conformance.zoo.scalars import Scalar, resolve
from conformance.zoo.suggest import quote

#: How many nodes the aliases of one file may stand for, all together.
ALIAS_LIMIT = 100_000

_MERGE = "<<"


class Node:
    """A value, where it stands, and the nodes inside it.

    ``value`` is plain data and is shared between aliases: never change it. ``children`` and
    ``keys`` (the positions of a mapping's keys) have an item per item of ``value``.
    """

    __slots__ = ("at", "children", "depth", "keys", "size", "value")

    def __init__(self, value: Any, at: Position) -> None:
        self.value = value
        self.at = at
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

    def items(self) -> list[Node]:
        """The nodes of a list; nothing for any other value."""
        return list(self.children.values()) if isinstance(self.value, list) else []

    def only(self, keys: Collection[str]) -> Node:
        """This mapping with those of its items whose key is in ``keys``."""
        part = Node({}, self.at)
        for key, child in self.children.items():
            if key in keys:
                part.add(key, self.keys[key], child)
        return part

    def filled_from(self, other: Node) -> Node:
        """This mapping with the items of ``other`` whose key it lacks."""
        filled = Node({}, self.at)
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


def parse(text: str) -> tuple[Node | None, list[tuple[Position, str]]]:
    """Build the one document in ``text``.

    Returns:
        Its root, or ``None`` where no sense can be made of it, and every flaw found.
        With flaws and a root, the rest of the document can still be looked at.
    """
    builder = _Builder()
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

    node: Node
    anchor: str | None
    #: The key that waits for its value, a refused one as ``None``; none where a key comes next.
    key: tuple[str | None, Position] | None
    merges: list[Node]


class _Builder:
    def __init__(self) -> None:
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
            if event.start_mark == event.end_mark and self._open and self._open[-1].key:
                at = self._open[-1].key[1]  # nothing was written: its key is what one can see
            self._end(Node(self._scalar(event, at), at), event.anchor)
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._open_collection(event)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._close_collection()
        elif isinstance(event, AliasEvent):
            self._place(self._alias(event), _position(event))
        elif isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise YamlError(
                    _position(event), "a second document starts here; a zoo file holds one"
                )

    def _open_collection(self, event: CollectionStartEvent) -> None:
        at = self._begin(event)
        if len(self._open) >= DEPTH_LIMIT:
            raise YamlError(at, f"nested more than {DEPTH_LIMIT} levels deep")
        node = Node({} if isinstance(event, MappingStartEvent) else [], at)
        self._open.append(_Open(node, event.anchor, None, []))

    def _close_collection(self) -> None:
        done = self._open.pop()
        for source in done.merges:
            for key, child in source.children.items():
                if key not in done.node.children:
                    done.node.add(key, source.keys[key], child)
        self._end(done.node, done.anchor)

    def _begin(self, event: ScalarEvent | CollectionStartEvent) -> Position:
        at = _position(event)
        if event.ctag is not None:
            name = quote(str(event.ctag).replace("tag:yaml.org,2002:", "!!"))
            self.flaws.append((at, f"the tag {name} is not allowed; a zoo holds plain data"))
        return at

    def _end(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        self._place(node, node.at)

    def _scalar(self, event: ScalarEvent, at: Position) -> Scalar:
        text: str = event.value
        if hostile := HOSTILE.search(text):  # by way of an escape such as "\x1b"
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
        at, name = _position(event), event.anchor
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
        if isinstance(parent.node.value, list):
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


def _position(event: Event) -> Position:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1
