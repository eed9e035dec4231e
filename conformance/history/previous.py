"""A run of the history beside the one before it, and beside the one named as its baseline."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from conformance.errors import HistoryError
from conformance.history.changes import compare_runs, judged
from conformance.history.folder import list_runs, run_path, warn
from conformance.history.merge import merge
from conformance.history.records import read_run
from conformance.history.run_diff import RunDiff
from conformance.model import RunHeader, RunReport

#: How many runs are gone back for one that judged enough of the cases.
LOOK_BACK_RUNS = 5
#: A run that judged this share of the present run's cases is one to compare with.
ENOUGH = 0.5


def run_at(path: Path) -> RunReport:
    """A run of the history with its rows merged, without trends.

    Raises:
        HistoryError: when it cannot be read.
    """
    run = read_run(path)
    return RunReport(header=run.header, footer=run.footer, cases=merge(run), trends={})


def previous_run(report_dir: Path, now: RunReport) -> RunReport | None:
    """The run that a run is compared with where none is named.

    It is the latest earlier one of the same zoo files and part that judged half of what the
    run judged, among the last :data:`LOOK_BACK_RUNS`; where there is none, the one that judged
    most of it. A run of a few models between two nights hides neither from the other.

    Returns:
        the run; None when no earlier one has judged any of these cases.
    """
    wanted = {row.id for row in now.cases if judged(row)}
    best, most = None, 0
    for path in _earlier(report_dir, now.header):
        try:
            run = run_at(path)
        except HistoryError as error:
            warn(str(error))
            continue
        if (run.header.zoos, run.header.shard) != (now.header.zoos, now.header.shard):
            continue
        shared = sum(judged(row) and row.id in wanted for row in run.cases)
        if shared > most:
            best, most = run, shared
        if shared and shared >= ENOUGH * len(wanted):
            break
    return best


def changes_since_last(report_dir: Path, now: RunReport) -> RunDiff | None:
    """A run compared with the one before, see :func:`previous_run`; None where there is none."""
    before = previous_run(report_dir, now)
    return None if before is None else compare_runs(before, now)


def changes_since_baseline(
    report_dir: Path, now: RunReport, path: Path | None = None
) -> RunDiff | None:
    """A run compared with the one that was named as its baseline.

    Args:
        report_dir: whose history is looked at.
        now: the run.
        path: of the baseline's JSON lines; by default those of the history with its id.

    Returns:
        None where none was named, where it is not there any more, or where it is the run before.
    """
    if now.header.baseline is None:
        return None
    path = path or run_path(report_dir, now.header.baseline)
    last = previous_run(report_dir, now)
    if not path.is_file() or (last is not None and last.header.id == now.header.baseline):
        return None
    try:
        return compare_runs(run_at(path), now)
    except HistoryError as error:
        warn(str(error))
        return None


def _earlier(report_dir: Path, header: RunHeader) -> Iterable[Path]:
    earlier = [path for path in list_runs(report_dir) if path.stem < header.id]
    return reversed(earlier[-LOOK_BACK_RUNS:])
