"""A run with its past attached: what every reporter reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from conformance.errors import HistoryError
from conformance.gate import vanished_cases
from conformance.history.baseline import comparable_run
from conformance.history.database import IndexUnavailable
from conformance.history.folder import list_runs, run_path, warn
from conformance.history.gating import gated
from conformance.history.merge import JudgedRun, merge, trend_point
from conformance.history.records import StoredRun, read_run
from conformance.history.trends import read_origins, read_trends
from conformance.model import CaseResult, RunHeader, RunOrigin, RunReport, TrendPoint

#: How many runs a trend looks back on.
TREND_POINTS = 30


def load_report(report_dir: Path, run: str | JudgedRun) -> RunReport:
    """Attach trends and what has vanished to what came of a run.

    Args:
        report_dir: with the run and its past.
        run: id of the run, or what is known of it already.

    Raises:
        HistoryError: when the run is not there or cannot be read.
    """
    if isinstance(run, str):
        run = JudgedRun.of(read_run(run_path(report_dir, run)))
    stored, header, cases = run.run, run.run.header, run.cases
    path = run_path(report_dir, header.id)
    before = _compared(report_dir, stored)
    earlier = [other for other in list_runs(report_dir) if other.name < path.name]
    partial = stored.plan is not None and not stored.whole
    trends = _trends(report_dir, header, cases, earlier)
    return RunReport(
        header=header,
        footer=stored.footer,
        cases=cases,
        trends=trends,
        origins=_origins(report_dir, header, trends, earlier),
        vanished=vanished_cases(gated(stored), gated(before)) if before else (),
        plan=stored.plan,
        last_whole=_last_whole(header, earlier) if partial else None,
    )


def _trends(
    report_dir: Path, header: RunHeader, cases: Sequence[CaseResult], earlier: Sequence[Path]
) -> dict[str, tuple[TrendPoint, ...]]:
    """The past of each row from the index, and the run itself as the last point."""
    now = {row.id: trend_point(header, row) for row in cases}
    try:
        past = read_trends(report_dir, header.id, tuple(now), TREND_POINTS - 1)
    except IndexUnavailable as error:
        warn(f"{error}; trends are read from the last {TREND_POINTS} runs instead")
        past = _trends_without_index(earlier)
    return {row: (*past.get(row, ()), point) for row, point in now.items()}


def _origins(
    report_dir: Path,
    header: RunHeader,
    trends: Mapping[str, Sequence[TrendPoint]],
    earlier: Sequence[Path],
) -> dict[str, RunOrigin]:
    """What the runs of the trends were made of; needed to say what changed with a figure."""
    names = {point.run for points in trends.values() for point in points} - {header.id}
    try:
        past = read_origins(report_dir, sorted(names)) if names else {}
    except IndexUnavailable:  # it was told when the trends were read
        runs = [_readable(path) for path in earlier[1 - TREND_POINTS :]]
        past = {r.header.id: RunOrigin(r.header.commit, r.header.versions) for r in runs if r}
    return past | {header.id: RunOrigin(header.commit, header.versions)}


def _trends_without_index(earlier: Sequence[Path]) -> dict[str, list[TrendPoint]]:
    trends: dict[str, list[TrendPoint]] = {}
    for path in earlier[1 - TREND_POINTS :]:
        if run := _readable(path):
            for row in merge(run):
                trends.setdefault(row.id, []).append(trend_point(run.header, row))
    return trends


def _last_whole(header: RunHeader, earlier: Sequence[Path]) -> str | None:
    """The newest run of the same zoo files that selected all of them and came to its end."""
    for path in reversed(earlier[-TREND_POINTS:]):
        run = _readable(path)
        if run is None or not run.whole or run.header.shard is not None:
            continue
        ended = run.footer is not None and run.footer.status == "finished"
        if ended and run.header.zoos == header.zoos:
            return run.header.id
    return None


def _compared(report_dir: Path, run: StoredRun) -> StoredRun | None:
    """The run that the gate compared with, where it is still here; else the one that it would."""
    gate = run.footer.gate if run.footer else None
    if gate and gate.baseline:
        path = run_path(report_dir, gate.baseline)
        if path.is_file() and (stored := _readable(path)):
            return stored
    return comparable_run(report_dir, run)


def _readable(path: Path) -> StoredRun | None:
    """A past run; None when it is too damaged to say anything, which ends no present one."""
    try:
        return read_run(path)
    except HistoryError as error:
        warn(str(error))
        return None
