"""What the processes of one run have found out about its cases, told to each other by files.

xdist's workers share nothing. Without this, a failed conversion would be tried again by every
worker that gets a test of its case, and parity proven again for a latency test elsewhere. It
lives in the run's scratch folder: a failure is remembered for this run and no longer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from conformance.evidence import Explanation, MutationReport, ParityReport
from conformance.execution.contract import Failure
from conformance.model import from_json, to_json


@dataclass(frozen=True, slots=True)
class Converted:
    """How a case's conversion ended; a bundle is to be had from the cache."""

    failure: Failure | None
    #: Whether the bundle was there before this run.
    cached: bool = False
    #: Key of the case whose conversion it is that failed, where this one was to be made of it.
    blocker: str | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of comparing a bundle's model with its source on one provider."""

    parity: ParityReport | None
    placement: dict[str, int] | None
    failure: Failure | None
    mutation: MutationReport | None = None
    explanation: Explanation | None = None
    #: Folder in which the explanation left its reduced model; lives as long as the run.
    findings: Path | None = None


@dataclass(frozen=True, slots=True)
class Reported:
    """That a test has reported something in place of a pass; its dependents point at it."""

    text: str


T = TypeVar("T", Converted, Proof, Reported)


class Outcomes:
    """Outcomes by kind and key; the first process that keeps one tells all others."""

    def __init__(self, folder: Path) -> None:
        """Share ``folder``, which is made when there is something to keep."""
        self._folder = folder
        self._known: dict[tuple[type[Any], str], Any] = {}

    def recall(self, kind: type[T], key: str) -> T | None:
        """What this or another process of the run has kept; None while nobody has."""
        if (kind, key) not in self._known:
            try:
                data = json.loads(self._file(kind, key).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                return None
            self._known[kind, key] = from_json(kind, data)
        known: T = self._known[kind, key]
        return known

    def keep(self, key: str, value: Converted | Proof | Reported) -> None:
        """Remember, and tell the others; on a full disk they find out by themselves."""
        self._known[type(value), key] = value
        file = self._file(type(value), key)
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            partial = file.with_suffix(f".{os.getpid()}")
            partial.write_text(json.dumps(to_json(value)), encoding="utf-8")
            partial.replace(file)

    def _file(self, kind: type[Any], key: str) -> Path:
        digest = hashlib.sha256(key.encode()).hexdigest()
        return self._folder / kind.__name__.lower() / f"{digest}.json"
