"""What the controller hands to its workers: folders, and the past as it was when the run began."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

_KEY = "conformance"


@dataclass(frozen=True, slots=True)
class Handover:
    """What all processes of a run must agree about; a worker that looked might find it changed."""

    #: Folder that they share while the run lasts.
    scratch: Path
    #: What each case is expected to take, by key; decides the order of the tests.
    seconds: dict[str, float]
    #: What cases took as far as all machines know it; decides who takes which part of the zoo.
    shared_seconds: dict[str, float]
    #: The runs that latencies are compared with, the preferred one first.
    earlier_runs: tuple[Path, ...]

    def give(self, workerinput: dict[str, Any]) -> None:
        """Put it into what xdist sends to a new worker, in types that it can carry."""
        workerinput[_KEY] = {
            "scratch": str(self.scratch),
            "seconds": self.seconds,
            "shared_seconds": self.shared_seconds,
            "earlier_runs": [str(run) for run in self.earlier_runs],
        }

    @classmethod
    def taken(cls, workerinput: dict[str, Any]) -> Self:
        """What a worker was given."""
        given = workerinput[_KEY]
        return cls(
            scratch=Path(given["scratch"]),
            seconds=given["seconds"],
            shared_seconds=given["shared_seconds"],
            earlier_runs=tuple(Path(run) for run in given["earlier_runs"]),
        )
