"""Words for messages: did-you-mean, quoting, and lists of choices."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from conformance.redaction import hide_secrets

_LONGEST = 60


def quote(text: str) -> str:
    """Put text of a zoo file in quotes, shortened so that a message stays one line."""
    one_line = hide_secrets(text.replace("\n", " "))
    return f"'{one_line if len(one_line) <= _LONGEST else one_line[:_LONGEST] + '...'}'"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the closest known word, or nothing."""
    # difflib takes quadratic time, and nobody misspells a word of this length
    if len(word) > _LONGEST:
        return ""
    by_lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), by_lower, n=1)
    return f"; did you mean {quote(by_lower[close[0]])}?" if close else ""


def choices(word: str, known: Iterable[str]) -> str:
    """Tail of a message about a word outside a closed set: the closest, or all of them."""
    names = tuple(known)
    return did_you_mean(word, names) or f"; known: {', '.join(names)}"


def describe(value: Any) -> str:
    """What a value read from YAML is, in the words of a message."""
    match value:
        case None:
            return "empty"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}" if abs(value) < 1e20 else "a number"  # noqa: PLR2004
        case str():
            return f"the text {quote(value)}"
        case list():
            return "a list"
        case _:
            return "a mapping"
