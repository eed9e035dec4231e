"""YAML text to parsing events, by libyaml.

Only libyaml's grammar is used, by way of PyYAML: what a scalar means, which keys are
duplicates and what aliases stand for is decided in :mod:`conformance.zoo.parsing`, by YAML 1.2.
"""

from __future__ import annotations

from collections.abc import Iterator

import yaml
from yaml.cyaml import CBaseLoader

from conformance.zoo.problems import START, Position


class YamlError(Exception):
    """The text is not YAML from :attr:`position` on."""

    def __init__(self, position: Position, message: str) -> None:
        super().__init__(message)
        self.position = position


def events(text: str) -> Iterator[yaml.Event]:
    """Parse ``text``, whose characters :func:`conformance.zoo.decoding.decode` accepted.

    Raises:
        YamlError: when the text is not YAML; events before that place were yielded.
    """
    try:
        yield from iter(CBaseLoader(text).get_event, None)
    except yaml.MarkedYAMLError as error:
        raise _located(text, error) from error


def position(event: yaml.Event) -> Position:
    """Where an event begins."""
    mark = event.start_mark
    return mark.line + 1, mark.column + 1


def _located(text: str, error: yaml.MarkedYAMLError) -> YamlError:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return YamlError(START, f"not valid YAML: {error.problem}")
    at = mark.line + 1, mark.column + 1
    if mark.index == len(text) and mark.column == 0 and not text.endswith(("\r", "\n")):
        # libyaml ends the last line where the text does not
        at = mark.line, len(text.splitlines()[-1]) + 1
    if text[mark.index : mark.index + 1] == "\t":
        return YamlError(at, "not valid YAML: indent with spaces, not with a tab")
    context = f" ({error.context})" if error.context else ""
    return YamlError(at, f"not valid YAML: {error.problem}{context}")
