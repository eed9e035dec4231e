"""Exporters' errors in one line: they are long, coloured, and hide the cause at the end."""

from __future__ import annotations

import re

from conformance.redaction import hide_secrets

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST = 300


def in_short(error: BaseException) -> str:
    """Class and first line of an error, and of the error that caused it."""
    lines = (line.strip() for line in hide_secrets(_COLOUR.sub("", str(error))).splitlines())
    first = next((line for line in lines if line), "")
    text = f"{type(error).__name__}: {first[:_LONGEST]}"
    cause = error.__cause__
    return text if cause is None else f"{text} (because {in_short(cause)})"
