"""Words that commands share."""

from __future__ import annotations

import sys


def counted(number: int, noun: str) -> str:
    """``1 model``, ``2 models``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def one_line(text: object) -> str:
    """What a file or an error says, on one line and with nothing that steers a terminal."""
    from conformance.reporters.inert import inert_line

    return inert_line(str(text))


def refuse(reason: object, code: int = 2) -> int:
    """Say on standard error why a command does nothing; gives its exit code."""
    sys.stderr.write(f"conformance: error: {one_line(reason)}\n")
    return code
