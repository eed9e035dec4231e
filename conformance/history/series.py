"""Cases over the runs of a history, read from the index."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from conformance.history.database import select
from conformance.model import Verdict
from conformance.trend import Origin, Point, by_hardware

#: Characters that make a name a pattern.
_WILD = frozenset("*?[")
_RUNS = """
    SELECT file, run_id, started, status, commit, machine, versions, shard FROM runs
    ORDER BY run_id DESC LIMIT $last
"""
_RESULTS = """
    SELECT file, id, verdict, parity_ratio, median_ns, yardsticks, hardware, size_bytes
    FROM results WHERE file IN (SELECT unnest($files::VARCHAR[]))
"""
_COUNTS = """
    SELECT file, verdict, count(*) FROM results
    WHERE file IN (SELECT unnest($files::VARCHAR[])) GROUP BY ALL
"""


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run of the history."""

    origin: Origin
    #: "finished", "interrupted" or "crashed".
    status: str
    shard: str | None
    #: Class of the machine's hardware; empty where the run does not say.
    hardware: str
    versions: Mapping[str, str]
    #: Cases by verdict; those that did not occur are left out.
    totals: Mapping[Verdict, int]


@dataclass(frozen=True, slots=True)
class PastResult:
    """A case in one run."""

    run: PastRun
    verdict: Verdict
    #: Error of the worst output over its limit.
    parity_ratio: float | None
    median_ns: int | None
    #: Latency in runs of the yardstick, where it may be compared.
    yardsticks: float | None
    #: Class of the hardware that the latency was taken on.
    hardware: str | None
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class CaseHistory:
    """A case on a provider over the runs that have a row of it, oldest first."""

    id: str
    results: tuple[PastResult, ...]

    def parity(self) -> dict[str, tuple[Point, ...]]:
        """Series of the parity ratio, by hardware class: kernels differ between them."""
        return self._series(lambda result: result.parity_ratio)

    def yardsticks(self) -> dict[str, tuple[Point, ...]]:
        """Series of the latency in yardsticks, by hardware class."""
        return self._series(lambda result: result.yardsticks)

    def median_ns(self) -> dict[str, tuple[Point, ...]]:
        """Series of the median latency in nanoseconds, by hardware class."""
        return self._series(lambda result: result.median_ns)

    def size(self) -> dict[str, tuple[Point, ...]]:
        """The series of the model's size in bytes, of all machines together."""
        return self._series(lambda result: result.size_bytes, anywhere=True)

    def _series(
        self, figure: Callable[[PastResult], float | None], *, anywhere: bool = False
    ) -> dict[str, tuple[Point, ...]]:
        points = [
            Point(
                origin=result.run.origin,
                value=figure(result),
                hardware="" if anywhere else result.hardware or result.run.hardware,
                versions=result.run.versions,
            )
            for result in self.results
        ]
        found = by_hardware(points)
        return {
            hardware: series
            for hardware, series in found.items()
            if any(point.value is not None for point in series)
        }


def past_runs(report_dir: Path, last: int) -> tuple[PastRun, ...]:
    """The latest runs of a history, oldest first.

    Raises:
        IndexUnavailable: when the index cannot be read.
    """
    return tuple(_runs(report_dir, last).values())


def case_histories(report_dir: Path, pattern: str, last: int) -> tuple[CaseHistory, ...]:
    """The cases whose id holds ``pattern``, or matches it where it has wildcards; by id.

    Args:
        report_dir: whose history is read.
        pattern: a part of an id, or a shell pattern such as ``pytorch/*-cpu``.
        last: how many of the latest runs are looked at.

    Raises:
        IndexUnavailable: when the index cannot be read.
    """
    runs = _runs(report_dir, last)
    rows = select(report_dir, _RESULTS, {"files": list(runs)})
    found: dict[str, list[tuple[str, PastResult]]] = {}
    for file, id_, verdict, *figures in rows:
        if _matches(id_, pattern):
            found.setdefault(id_, []).append(
                (file, PastResult(runs[file], Verdict(verdict), *figures))
            )
    return tuple(
        CaseHistory(id_, tuple(result for _, result in sorted(results, key=lambda r: r[0])))
        for id_, results in sorted(found.items())
    )


def _matches(id_: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(id_, pattern) if _WILD & set(pattern) else pattern in id_


def _runs(report_dir: Path, last: int) -> dict[str, PastRun]:
    """By the name of their file, oldest first."""
    rows = select(report_dir, _RUNS, {"last": last})[::-1]
    files = [row[0] for row in rows]
    counts: dict[str, dict[Verdict, int]] = {file: {} for file in files}
    for file, verdict, count in select(report_dir, _COUNTS, {"files": files}):
        counts[file][Verdict(verdict)] = count
    return {
        file: PastRun(
            origin=Origin(run_id, started, commit),
            status=status,
            shard=shard,
            hardware=str(json.loads(machine).get("hardware_class") or ""),
            versions=json.loads(versions),
            totals=counts[file],
        )
        for file, run_id, started, status, commit, machine, versions, shard in rows
    }
