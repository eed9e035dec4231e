"""Changes to an entry's ``expect`` as text: all that is not changed stays byte for byte.

Nothing is dumped. A change deletes, inserts and indents lines, or parts of a line in flow
style, at the places where the parser found things. It is an attempt: whether the new text
means what was meant, :mod:`conformance.zoo.rewrite` finds out by reading it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from conformance.entry import Expectation
from conformance.errors import ConformanceError
from conformance.zoo.scalars import resolve
from conformance.zoo.spans import Span, spans

Selectors = Mapping[str, str | int]

_PLAIN = re.compile(r"[A-Za-z][\w.-]*", re.ASCII)
#: The order in which a new expectation gives its keys.
_KEYS = ("stage", "exporter", "opset", "variant", "provider", "match", "reason")


class CannotChange(ConformanceError):
    """This text has to be changed by a person; the message says why."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of the known failures of one entry."""

    #: Positions in ``expect``, from 0.
    remove: frozenset[int] = frozenset()
    #: Position to what is added to the expectation, to make it concern fewer cases.
    narrow: Mapping[int, Selectors] = field(default_factory=dict)
    add: tuple[Expectation, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.remove or self.narrow or self.add)

    def applied_to(self, known: Sequence[Expectation]) -> tuple[Expectation, ...]:
        """The expectations that the entry has after the change."""
        kept = tuple(
            expectation.model_copy(update=dict(self.narrow.get(number, {})))
            for number, expectation in enumerate(known)
            if number not in self.remove
        )
        return kept + self.add


def change_expect(text: str, model: int, known: int, change: Change) -> str:
    """The text of a zoo with the ``expect`` of one entry changed.

    Args:
        text: of one file, valid.
        model: which of the entries in the file's ``models``, from 0.
        known: how many expectations the entry has, defaults merged.
        change: what to do.

    Raises:
        CannotChange: when the text is written in a way that a person has to change.
    """
    models = spans(text).get("models")
    entry = models[1].items[model] if models and models[1].items else None
    if entry is None or entry.kind != "mapping":
        raise CannotChange("the entry is written by way of an alias")
    return _Editor(text).change(entry, known, change)


class _Editor:
    def __init__(self, text: str) -> None:
        if re.search(r"\r(?!\n)", text):
            raise CannotChange("lines of the file end in a bare carriage return")
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._added_break = not text.endswith("\n")
        # every line ends in a line break, also the last
        self._text = text + self._newline if self._added_break else text
        #: Start, end, and what takes the place of the text between them.
        self._edits: list[tuple[int, int, str]] = []

    def change(self, entry: Span, known: int, change: Change) -> str:
        """The text after the change."""
        own = entry.get("expect")
        if own is None:
            if known:
                raise CannotChange("its 'expect' comes from 'defaults' or a merge key")
            self._add_key(entry, change.add)
        elif own[1].kind == "alias":
            raise CannotChange("its 'expect' is an alias")
        else:
            items = [own[1]] if own[1].kind == "mapping" else own[1].items
            becomes_list = own[1].kind == "mapping" and bool(change.add)
            for number, selectors in change.narrow.items():
                self._narrow(items[number], selectors, indent=2 if becomes_list else 0)
            if len(change.remove) == len(items) and not change.add:
                self._remove_key(entry, own)
            elif own[1].kind == "mapping":
                self._change_one(own[1], change)
            else:
                self._change_list(own[1], change)
        return self._applied()

    # -- expectations ------------------------------------------------------------------

    def _narrow(self, item: Span, selectors: Selectors, indent: int) -> None:
        stage = item.get("stage")
        if stage is None:
            raise CannotChange("its 'expect' is an alias, or made by a merge key")
        pairs = [f"{key}: {_scalar(value)}" for key, value in selectors.items()]
        if item.flow:
            self._insert(stage[1].end, "".join(f", {pair}" for pair in pairs))
        else:
            column = stage[0].column + indent
            self._insert_lines(stage[1].end, [" " * column + pair for pair in pairs])

    def _change_one(self, value: Span, change: Change) -> None:
        """``expect`` is one mapping, and something is added or takes its place."""
        if not change.add:
            return
        if value.flow:
            if change.remove:
                self._edits.append((value.start, value.end, _flow_value(change.add)))
            else:
                self._insert(value.start, "[")
                self._insert(value.end, "".join(f", {_flow(e)}" for e in change.add) + "]")
            return
        if change.remove:
            lines = _block_value(change.add, value.column)
            new = self._newline.join(lines).removeprefix(" " * value.column)
            self._edits.append((value.start, value.end, new))
            return
        self._insert(value.start, "- ")
        for start in self._line_starts(value.start, value.end):
            self._insert(start, "  ")
        self._insert_lines(value.end, _block_items(change.add, value.column))

    def _change_list(self, value: Span, change: Change) -> None:
        kept = [n for n in range(len(value.items)) if n not in change.remove]
        if value.flow:
            new = ", ".join(map(_flow, change.add))
            if kept:
                self._drop([(i.start, i.end) for i in value.items], change.remove)
                last = value.items[-1].end
                if new:
                    self._insert(last, f", {new}")
            else:
                inner = (value.start + 1, value.end - 1)
                self._edits.append((*inner, new))
            return
        for number in change.remove:
            self._remove_item(value, value.items[number])
        if change.add:
            end = value.items[-1].end
            self._insert_lines(end, _block_items(change.add, value.column))

    def _remove_item(self, parent: Span, item: Span) -> None:
        start = self._line_start(item.start)
        while self._text[start + parent.column] != "-":  # the dash may stand on a line above
            start = self._line_start(start - 1)
        self._edits.append((start, self._next_line(item.end), ""))

    # -- the key -----------------------------------------------------------------------

    def _add_key(self, entry: Span, new: tuple[Expectation, ...]) -> None:
        if entry.flow:
            self._insert(entry.pairs[-1][1].end, f", expect: {_flow_value(new)}")
            return
        column = entry.pairs[0][0].column
        lines = [" " * column + "expect:", *_block_value(new, column + 2)]
        self._insert_lines(entry.end, lines)

    def _remove_key(self, entry: Span, own: tuple[Span, Span]) -> None:
        key, value = own
        number = entry.pairs.index(own)
        if entry.flow:
            self._drop([(k.start, v.end) for k, v in entry.pairs], {number})
            return
        start = self._line_start(key.start)
        if not self._text[start : key.start].strip():
            self._edits.append((start, self._next_line(value.end), ""))
            return
        # behind the dash of its entry: the next key takes its place
        following = entry.pairs[number + 1][0].start
        self._only_blank(value.end, following)
        self._edits.append((key.start, following, ""))

    # -- text --------------------------------------------------------------------------

    def _drop(self, members: Sequence[tuple[int, int]], removed: frozenset[int] | set[int]) -> None:
        """Remove members of a flow collection, of which at least one stays."""
        first = next(n for n in range(len(members)) if n not in removed)
        for number in removed:
            if number < first:
                start, end = members[number][0], members[number + 1][0]
                self._only_blank(members[number][1], end)
            else:
                start, end = members[number - 1][1], members[number][1]
                self._only_blank(start, members[number][0])
            self._edits.append((start, end, ""))

    def _only_blank(self, start: int, end: int) -> None:
        if self._text[start:end].strip(" \t\r\n,"):
            raise CannotChange("a comment stands where text has to be removed")

    def _insert(self, at: int, new: str) -> None:
        self._edits.append((at, at, new))

    def _insert_lines(self, after: int, lines: Sequence[str]) -> None:
        """Insert whole lines after the line in which something ends."""
        self._insert(self._next_line(after), "".join(f"{line}{self._newline}" for line in lines))

    def _line_start(self, offset: int) -> int:
        return self._text.rfind("\n", 0, offset) + 1

    def _next_line(self, offset: int) -> int:
        return self._text.index("\n", offset) + 1

    def _line_starts(self, start: int, end: int) -> list[int]:
        """Where the lines after the first begin, blank ones left out."""
        starts = []
        at = self._next_line(start)
        while at < end:
            if self._text[at : self._next_line(at)].strip():
                starts.append(at)
            at = self._next_line(at)
        return starts

    def _applied(self) -> str:
        text = self._text
        # from the end; where several begin in one place, the later ones go behind the earlier
        ordered = sorted(enumerate(self._edits), key=lambda edit: (edit[1][0], edit[0]))
        for _, (start, end, new) in reversed(ordered):
            text = text[:start] + new + text[end:]
        return text.removesuffix(self._newline) if self._added_break else text


def _pairs(expectation: Expectation) -> list[str]:
    given = expectation.model_dump(exclude_defaults=True)
    return [f"{key}: {_scalar(given[key])}" for key in _KEYS if key in given]


def _flow(expectation: Expectation) -> str:
    return f"{{{', '.join(_pairs(expectation))}}}"


def _flow_value(new: Sequence[Expectation]) -> str:
    return _flow(new[0]) if len(new) == 1 else f"[{', '.join(map(_flow, new))}]"


def _block_items(new: Sequence[Expectation], column: int) -> list[str]:
    lines = []
    for expectation in new:
        first, *others = _pairs(expectation)
        lines += [f"{' ' * column}- {first}", *(f"{' ' * column}  {pair}" for pair in others)]
    return lines


def _block_value(new: Sequence[Expectation], column: int) -> list[str]:
    if len(new) == 1:
        return [" " * column + pair for pair in _pairs(new[0])]
    return _block_items(new, column)


def _scalar(value: str | int) -> str:
    """A value as YAML that reads back as it was, in block and in flow style."""
    if isinstance(value, int) or (_PLAIN.fullmatch(value) and resolve(value) == value):
        return str(value)
    if '"' in value or "\\" in value:
        doubled = value.replace("'", "''")
        return f"'{doubled}'"
    return f'"{value}"'
