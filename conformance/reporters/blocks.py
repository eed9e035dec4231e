"""What is told of a case, as plain data that a template and a script show alike.

A block is a JSON object whose ``t`` says what it is; wherever text stands in it, there is a
:data:`Text`: a string, or a list of strings and spans. Words and figures are complete here, so
that the page with JavaScript and the one without say the same.

======== ==========================================================================
``t``    other keys
======== ==========================================================================
head     ``x`` text
para     ``x`` text, ``c`` class
facts    ``rows``: [term, text, class] each
table    ``label``, ``c`` class, ``head``: [text, class, title] each, ``rows``
steps    ``label``, ``bars``, ``ticks``, ``limit``, ``key``: an error's way, see waterfall
bars     ``label``, ``counts``, ``marks``: [share of the width, word] each: a histogram
trend    ``x`` title, ``label``, ``line``: see :mod:`conformance.reporters.trends`
strip    ``label``, ``letters``: one letter per run, see :data:`LETTERS`
pre      ``x`` string
command  ``x`` string
======== ==========================================================================

A row of a table is ``{"c": class, "cells": [...]}``, its first cell its heading; a cell is a
text or ``{"c": class, "x": text}``; a row with ``span`` instead is one cell as wide as the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from conformance.model import Verdict

#: ``["code" | "muted" | "strong", string]`` or ``["link", string, address]``.
Span = list[str]
Parts = list[str | Span]
Text = str | Sequence[str | Span]
Block = dict[str, Any]

#: One letter per verdict, for strips; a run without the case is a dot.
LETTERS = {
    Verdict.PASS: "p",
    Verdict.FAIL: "f",
    Verdict.EXPECTED_FAIL: "e",
    Verdict.UNEXPECTED_PASS: "u",
    Verdict.VACUOUS: "v",
    Verdict.INFRA_ERROR: "i",
    Verdict.NOT_RUN: "n",
}


def code(text: object) -> Span:
    """What stands in a file or a program."""
    return ["code", str(text)]


def muted(text: str) -> Span:
    """What matters less than what is beside it."""
    return ["muted", text]


def strong(text: str) -> Span:
    """What must not be overlooked."""
    return ["strong", text]


def link(text: str, address: str | None) -> Span:
    """A link; code where the address is none that a page may lead to."""
    return code(text) if address is None else ["link", text, address]


def head(text: Text) -> Block:
    """A heading."""
    return {"t": "head", "x": text}


def para(text: Text, kind: str = "") -> Block:
    """A paragraph; ``kind`` is "problem", "muted" or nothing."""
    return {"t": "para", "x": text, "c": kind}


def facts(rows: Sequence[tuple[str, Text] | tuple[str, Text, str]]) -> Block:
    """Terms and what is known of them."""
    return {"t": "facts", "rows": [[*row, ""][:3] for row in rows]}


def table(
    label: str,
    heads: Sequence[tuple[str, str, str]],
    rows: Sequence[dict[str, Any]],
    kind: str = "",
) -> Block:
    """A table; a head is (text, class, title)."""
    return {"t": "table", "label": label, "c": kind, "head": [list(h) for h in heads], "rows": rows}


def row(*cells: Any, kind: str = "") -> dict[str, Any]:
    """A row of a table."""
    return {"c": kind, "cells": list(cells)}


def span(text: Text, kind: str = "") -> dict[str, Any]:
    """A row of a table that is one cell."""
    return {"c": kind, "span": text}
