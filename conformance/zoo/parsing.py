"""Parsing events to plain data whose every key and value knows its position.

Reads as JSON would: mappings with text keys (a whole number as key becomes its text),
lists, text, numbers, booleans, null. Anchors, aliases and merge keys are resolved by
sharing, so an alias costs nothing until somebody walks the data; what walking would cost
is counted before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from conformance.zoo.decoding import HOSTILE, forbidden
from conformance.zoo.events import YamlError, events, position
from conformance.zoo.nodes import Branch, Node
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

_Flaws = list[tuple[Position, str]]


def parse(text: str) -> tuple[Node | None, _Flaws]:
    """Build the one document in ``text``.

    Returns:
        Its root, or ``None`` where no sense can be made of it, and every flaw found.
        With flaws and a root, the rest of the document can still be looked at.
    """
    builder = _Builder(text)
    take = builder.steps()
    try:
        for event in events(text):
            take[type(event)](event)
    except YamlError as flaw:
        builder.flaws.append((flaw.position, str(flaw)))
        return None, builder.flaws
    if not builder.flaws and (builder.root is None or builder.root.value is None):
        builder.flaws.append((START, "the file is empty; it needs at least 'models'"))
    return builder.root, builder.flaws


class _OpenList:
    """A list whose end has not come yet."""

    __slots__ = ("anchor", "node")
    key = None

    def __init__(self, at: Position, anchor: str | None) -> None:
        self.node = Branch([], at)
        self.anchor = anchor

    def take(self, node: Node, at: Position) -> None:
        """Append an item."""
        self.node.add(len(self.node.value), at, node)

    def close(self) -> Branch:
        """The whole list."""
        return self.node


class _OpenMapping:
    """A mapping whose end has not come yet."""

    __slots__ = ("_flaws", "_merges", "anchor", "key", "node")

    def __init__(self, at: Position, anchor: str | None, flaws: _Flaws) -> None:
        self.node = Branch({}, at)
        self.anchor = anchor
        #: That waits for its value, a refused one as ``None``; none where a key comes next.
        self.key: tuple[str | None, Position] | None = None
        self._flaws = flaws
        self._merges: list[Node] = []

    def take(self, node: Node, at: Position) -> None:
        """Take a key, or the value of the one that waits for it."""
        if self.key is None:
            self.key = self._name(node, at), at
            return
        (key, key_at), self.key = self.key, None
        if key is None:
            return
        if key == _MERGE:
            self._merge(key_at, node)
        elif key in self.node.children:
            line = self.node.keys[key][0]
            flaw = f"duplicate key {quote(key)}; it was given in line {line}"
            self._flaws.append((key_at, flaw))
        else:
            self.node.add(key, key_at, node)

    def close(self) -> Branch:
        """The whole mapping, with what it lacks of those that it merges."""
        for source in self._merges:
            for key, child in source.children.items():
                if key not in self.node.children:
                    self.node.add(key, source.keys[key], child)
        return self.node

    def _name(self, node: Node, at: Position) -> str | None:
        if isinstance(node.value, str):
            return node.value
        if isinstance(node.value, int) and not isinstance(node.value, bool):
            return str(node.value)
        self._flaws.append((at, "a key must be text or a whole number"))
        return None

    def _merge(self, key_at: Position, node: Node) -> None:
        sources = node.items() if isinstance(node.value, list) else [node]
        if self._merges or not all(isinstance(s.value, dict) for s in sources):
            flaw = "'<<' takes one mapping or one list of mappings, once per mapping"
            self._flaws.append((key_at, flaw))
        else:
            self._merges = sources


class _Builder:
    """Takes the events one after another; YamlError: where going on makes no sense."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.root: Node | None = None
        self.flaws: _Flaws = []
        self._open: list[_OpenList | _OpenMapping] = []
        self._anchors: dict[str, Node] = {}
        self._expanded = 0
        self._documents = 0

    def steps(self) -> dict[type[Event], Callable[[Any], None]]:
        """What to do with an event, by its type: a large zoo has them by the hundred thousand."""
        return {
            StreamStartEvent: _pass_over,
            DocumentStartEvent: self._start_document,
            MappingStartEvent: self._start_mapping,
            SequenceStartEvent: self._start_list,
            ScalarEvent: self._take_scalar,
            AliasEvent: self._take_alias,
            SequenceEndEvent: self._end_collection,
            MappingEndEvent: self._end_collection,
            DocumentEndEvent: _pass_over,
            StreamEndEvent: _pass_over,
        }

    def _start_document(self, event: DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            problem = "a second document starts here; a zoo file holds one"
            raise YamlError(position(event), problem)
        if event.version or event.tags:
            problem = "a '%' directive is not allowed; zoo files are plain YAML 1.2"
            raise YamlError(position(event), f"not valid YAML: {problem}")

    def _start_mapping(self, event: MappingStartEvent) -> None:
        self._open.append(_OpenMapping(self._start(event), event.anchor, self.flaws))

    def _start_list(self, event: SequenceStartEvent) -> None:
        self._open.append(_OpenList(self._start(event), event.anchor))

    def _start(self, event: NodeEvent) -> Position:
        at = position(event)
        self._check_properties(event, at)
        if len(self._open) >= DEPTH_LIMIT:
            raise YamlError(at, f"nested more than {DEPTH_LIMIT} levels deep")
        return at

    def _end_collection(self, _: Event) -> None:
        done = self._open.pop()
        self._place(done.close(), done.anchor)

    def _take_scalar(self, event: ScalarEvent) -> None:
        mark = event.start_mark
        at = mark.line + 1, mark.column + 1  # its position, without a call: most events are these
        if event.tag is not None or event.anchor is not None:
            self._check_properties(event, at)
        if not event.value and self._open and event.start_mark.index == event.end_mark.index:
            key = self._open[-1].key
            if key is not None:
                at = key[1]  # nothing was written: its key is what one can see
        self._place(Node(self._scalar(event, at), at), event.anchor)

    def _take_alias(self, event: AliasEvent) -> None:
        at = position(event)
        node = self._aliased(event.anchor, at)
        if self._open:
            self._open[-1].take(node, at)
        else:
            self.root = node

    def _place(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if self._open:
            self._open[-1].take(node, node.at)
        else:
            self.root = node

    def _check_properties(self, event: NodeEvent, at: Position) -> None:
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

    def _aliased(self, name: str, at: Position) -> Node:
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


def _pass_over(_: Event) -> None:
    """It says nothing about the data."""
