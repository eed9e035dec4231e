"""By which options a run's tests were selected, in the words of its command line."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest

from conformance.redaction import hide_secrets

#: More test ids than this are counted.
_NAMED = 2


def selected_by(config: pytest.Config) -> str | None:
    """``-k bert -m sklearn``, ``--lf``, ``3 test ids``; None where no option selects."""
    return hide_secrets(" ".join(_words(config))) or None


def _words(config: pytest.Config) -> Iterator[str]:
    ids = [argument.partition("::")[2] for argument in config.args if "::" in argument]
    if len(ids) > _NAMED:
        yield f"{len(ids)} test ids"
    else:
        yield from map(shlex.quote, ids)
    option = config.option
    for flag, value in (("-k", option.keyword), ("-m", option.markexpr)):
        if value:
            yield f"{flag} {shlex.quote(value)}"
    # of pytest's own plugins, which `-p no:...` takes away
    for flag, name in (("--lf", "lf"), ("--sw", "stepwise")):
        if getattr(option, name, False):
            yield flag
    if option.deselect:
        yield "--deselect"
