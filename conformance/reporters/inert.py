"""Text of models, exporters and errors, made harmless for each place where it is shown.

It may hold anything: nothing of it may steer a terminal, reorder what people read, become a
link, a mention, markup or a formula. HTML needs :func:`inert` and a template that escapes.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

_HARMLESS = frozenset("\n\t")
#: Control, format (bidi among them), lone surrogates, and the two separators of lines.
_STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_BACKTICKS = re.compile("`+")
#: What begins a formula, in the full-width form as well, which some spreadsheets read alike.
_FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")
#: A formula behind the separator that spreadsheets of other languages split at.
_SECOND_CELL = re.compile(r";\s*(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
#: An escape of JSON text: a surrogate pair, one character, or one of the short forms.
_JSON_ESCAPE = re.compile(r"\\(?:u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|u([0-9a-f]{4})|(.))")
_SHORT = {"b": "\b", "f": "\f", "r": "\r"}
_FIGURE = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def inert(text: str) -> str:
    r"""The text with every control and direction character spelled out, as ``\x1b``.

    Line feeds and tabs are kept.
    """
    return "".join(char if _is_harmless(char) else _escaped(char) for char in text)


def inert_line(text: str) -> str:
    """As :func:`inert`, on one line: runs of blanks, tabs and line feeds become one blank."""
    return inert(" ".join(text.split()))


def inert_markdown(text: str) -> str:
    """The text as a code span of Markdown, for a line or a cell of a table; nothing for nothing.

    In a code span there are no links, mentions, references to issues, HTML, images or
    emphasis, which backslashes alone do not prevent on the pages of code hosts. A vertical bar
    would end the cell even there, and becomes a broken bar, ``¦``.
    """
    line = inert_line(text).replace("|", "¦")
    if not line:
        return ""
    longest = max(map(len, _BACKTICKS.findall(line)), default=0)
    fence = "`" * (longest + 1)
    # one blank on each side is taken away again; without it a backtick would join the fence
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def inert_csv(text: str) -> str:
    """The text as a field of CSV that no spreadsheet takes for a formula; one line.

    A text that begins with ``=``, ``+``, ``-`` or ``@`` gets an apostrophe before it, also
    behind a semicolon, at which spreadsheets of some languages split. Plain figures stay. The
    caller's CSV writer quotes commas and quotation marks. See OWASP on CSV injection.
    """
    line = inert_line(text)
    if _FIGURE.fullmatch(line):
        return line
    line = _SECOND_CELL.sub("; '", line)
    return f"'{line}" if line[:1] in _FORMULA and line else line


def inert_json(value: Any) -> str:
    """The value as JSON to stand in a page: every text in it is as :func:`inert` makes it.

    No ``<``, ``>`` or ``&`` is left either, so that neither ``</script>`` nor ``<!--`` means
    anything to a parser of HTML.

    Raises:
        ValueError: when a number is not finite, which JSON cannot say.
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    # once over the whole text: a call for each of a million short texts takes many times longer
    text = _JSON_ESCAPE.sub(_inert_escape, text).replace("\x7f", "\\\\x7f")
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _inert_escape(escape: re.Match[str]) -> str:
    high, low, code, short = escape.groups()
    if short is not None:
        return f"\\{_escaped(_SHORT[short])}" if short in _SHORT else escape.group()
    char = bytes.fromhex(high + low).decode("utf-16-be") if high else chr(int(code, 16))
    return char if _is_harmless(char) else f"\\{_escaped(char)}"


def _is_harmless(char: str) -> bool:
    return char in _HARMLESS or unicodedata.category(char) not in _STEERING


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
