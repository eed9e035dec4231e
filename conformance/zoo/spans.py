"""Where the parts of a zoo's text begin and end, for changes that leave the rest as it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
)

from conformance.zoo.events import events


@dataclass(slots=True)
class Span:
    """A value as it is written. Offsets count characters from the start of the text."""

    start: int
    #: After its last character; of a value that is not written, after its key's colon.
    end: int
    #: In characters from the start of the line, from 0.
    column: int
    #: "scalar", "alias", "mapping" or "list".
    kind: str
    #: Written in brackets or braces.
    flow: bool = False
    #: Other places of the file may refer to it.
    anchored: bool = False
    #: Of a list.
    items: list[Span] = field(default_factory=list)
    #: Of a mapping: key and value as written, merge keys included.
    pairs: list[tuple[Span, Span]] = field(default_factory=list)
    #: Of a scalar.
    text: str = ""

    def get(self, key: str) -> tuple[Span, Span] | None:
        """Key and value of a mapping's own key."""
        return next((pair for pair in self.pairs if pair[0].text == key), None)


def spans(text: str) -> Span:
    """The root of a valid zoo's text.

    Args:
        text: that :func:`conformance.zoo.parsing.parse` reads without a flaw.
    """
    builder = _Builder(text)
    for event in events(text):
        builder.take(event)
    return builder.root


class _Builder:
    def __init__(self, text: str) -> None:
        self.root = Span(0, len(text), 0, "scalar")
        self._text = text
        self._open: list[Span] = []
        self._keys: list[Span | None] = []

    def take(self, event: Event) -> None:
        """Take the next event."""
        if isinstance(event, CollectionEndEvent):
            done = self._open.pop()
            self._keys.pop()
            done.end = event.end_mark.index if done.flow else _last_end(done)
        elif isinstance(event, CollectionStartEvent):
            kind = "mapping" if isinstance(event, MappingStartEvent) else "list"
            span = self._span(event, kind)
            span.flow, span.anchored = bool(event.flow_style), event.anchor is not None
            self._place(span)
            self._open.append(span)
            self._keys.append(None)
        elif isinstance(event, AliasEvent):
            self._place(self._span(event, "alias"))
        elif isinstance(event, ScalarEvent):
            self._place(self._scalar(event))

    def _span(self, event: Event, kind: str) -> Span:
        start, end = event.start_mark, event.end_mark
        return Span(start.index, end.index, start.column, kind)

    def _scalar(self, event: ScalarEvent) -> Span:
        span = self._span(event, "scalar")
        span.text, span.anchored = event.value, event.anchor is not None
        key = self._keys[-1] if self._keys else None
        if span.start == span.end and key is not None:
            # ruamel puts a value that is not written in front of whatever comes next
            colon = self._text.find(":", key.end, span.start)
            span.start = span.end = key.end if colon < 0 else colon + 1
        elif event.style in {"|", ">"}:
            span.end = self._block_end(span)
        return span

    def _block_end(self, span: Span) -> int:
        """End of a block scalar, whose token reaches to the next token's line."""
        written = self._text[span.start : span.end]
        header = written.partition("\n")[0].partition("#")[0]
        if "+" not in header:
            return span.start + len(written.rstrip())
        for line_break in ("\r\n", "\n"):
            if written.endswith(line_break):
                return span.end - len(line_break)
        return span.end

    def _place(self, span: Span) -> None:
        if not self._open:
            self.root = span
            return
        parent, key = self._open[-1], self._keys[-1]
        if parent.kind == "list":
            parent.items.append(span)
        elif key is None:
            self._keys[-1] = span
        else:
            parent.pairs.append((key, span))
            self._keys[-1] = None


def _last_end(span: Span) -> int:
    """End of a block collection: that of the last thing in it."""
    if span.pairs:
        return span.pairs[-1][1].end
    return span.items[-1].end if span.items else span.start
