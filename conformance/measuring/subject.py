"""A model under the clock: as many sessions of it as are needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from conformance import latency, runtime
from conformance.tensors import Arrays

#: Sessions are created anew, for their median, until this is spent, but at most so often.
_CREATION_BUDGET_NS = 40_000_000
_CREATIONS = 5

#: What the subjects of one timing are told apart by.
MODEL, EARLIER, SOURCE, BASE = "model", "earlier model", "source", "base"


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that can be given as many sessions as are needed."""

    model: Path
    provider: str
    threads: int
    feeds: Arrays

    def session(self) -> tuple[int, Any]:
        """What creating a session took, in nanoseconds, and the session."""
        create = partial(
            runtime.create_session, self.model, self.provider, intra_op_threads=self.threads
        )
        return latency.time_once(create)

    def call(self, session: Any) -> Callable[[], object]:
        """What runs one of its sessions once."""
        return partial(runtime.run, session, self.feeds)


def creation_times(subjects: Sequence[Subject]) -> list[list[int]]:
    """Durations of session creation in nanoseconds, one list a subject, in alternation."""
    taken: list[list[int]] = [[] for _ in subjects]
    spent_ns = 0
    for _ in range(_CREATIONS):
        for subject, own in zip(subjects, taken, strict=True):
            own.append(subject.session()[0])
            spent_ns += own[-1]
        if spent_ns > _CREATION_BUDGET_NS:
            break
    return taken
