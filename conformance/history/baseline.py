"""The run that a run is compared with, and what it says of each case."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from conformance.errors import HistoryError
from conformance.history.folder import list_runs, warn
from conformance.history.records import StoredRun, parse_line, read_run
from conformance.machine import resolve_commit
from conformance.measuring import Earlier
from conformance.model import Record, RunFooter, RunHeader, Verdict, from_json

#: How many runs are gone back for a case that the latest ones did not time.
LOOK_BACK_RUNS = 5
#: A line says within so many bytes of which kind it is.
_KIND_BYTES = 32


class Baseline:
    """Latency of cases in earlier runs: of one, or of the latest that timed the case."""

    def __init__(self, runs: Iterable[Path]) -> None:
        """Take the records of ``runs``, JSON lines, the preferred one first; read when needed."""
        self._unread = list(runs)
        self._known: dict[str, Earlier] = {}

    def latency_of(self, case: str) -> Earlier | None:
        """The latency of a case on a provider where it passed and nothing disturbed it.

        Args:
            case: its id, such as ``pytorch/cnn@dynamo-op18-fp32-cpu``.

        Returns:
            What is known; None when no run timed the case.
        """
        while case not in self._known and self._unread:
            self._read(self._unread.pop(0))
        return self._known.get(case)

    def _read(self, path: Path) -> None:
        for data in _latency_lines(path):
            try:
                record = from_json(Record, data)
            except ValueError:
                continue
            latency, export = record.latency, record.export
            if record.verdict is not Verdict.PASS or latency is None or not latency.comparable:
                continue
            earlier = Earlier(
                path.stem,
                replace(latency, baseline=None),
                key=export.bundle if export else None,
                model_digest=export.model_digest if export else None,
            )
            self._known.setdefault(record.ref.id, earlier)


def comparable_run(report_dir: Path, run: StoredRun) -> StoredRun | None:
    """The run that a run is compared with, but for its latencies, where nobody names one.

    It is the latest earlier one of the same zoo files and the same shard that finished, that
    selected the whole zoo or at least what this one selected, and that no gate has stopped: a
    regression must not become the new normal by being seen once.

    Args:
        report_dir: whose history is looked at.
        run: which may still be going on.

    Returns:
        None where there is none.
    """
    for path in reversed(list_runs(report_dir)):
        if path.stem >= run.header.id or not _may_serve(path, run):
            continue
        try:
            earlier = read_run(path)
        except HistoryError as error:
            warn(str(error))  # a damaged past ends no present run
            continue
        if earlier.whole or _selected(run) <= _selected(earlier):
            return earlier
    return None


def find_baseline(report_dir: Path, named: str | None) -> tuple[Path, ...]:
    """The runs that the latencies of a run are compared with, the preferred one first.

    Runs that a gate has stopped are not among them, unless named.

    Args:
        report_dir: whose history is looked at.
        named: a run's id, a path to a run's JSON lines or to a report folder, or a git
            reference whose commit a run of the history was made of; None for the latest runs.

    Raises:
        HistoryError: when ``named`` is none of these.
    """
    runs = list_runs(report_dir)
    if named is None:
        passed = (run for run in reversed(runs) if not _was_stopped(run))
        return tuple(islice(passed, LOOK_BACK_RUNS))
    by_id = [run for run in runs if run.stem == named]
    path = Path(named)
    if by_id:
        return (by_id[0],)
    if path.is_file():
        read_run(path)
        return (path,)
    if path.is_dir():
        there = list_runs(path)
        if not there:
            raise HistoryError(f"--zoo-baseline {named}: the folder holds no run")
        return (there[-1],)
    commit = resolve_commit(Path.cwd(), named)
    if commit is None:
        raise HistoryError(
            f"--zoo-baseline {named} is no run of {report_dir}, no path and no git reference"
        )
    of_commit = [run for run in reversed(runs) if read_run(run).header.commit == commit]
    if not of_commit:
        raise HistoryError(
            f"--zoo-baseline {named}: no run of {report_dir} was made of commit {commit[:12]}"
        )
    return (of_commit[0],)


def _may_serve(path: Path, run: StoredRun) -> bool:
    """Whether a run is of the same zoo, finished, and stopped by no gate; by its ends alone."""
    header, footer = _ends(path)
    if header is None or footer is None or footer.status != "finished":
        return False
    same = (header.zoos, header.shard) == (run.header.zoos, run.header.shard)
    return same and (footer.gate is None or footer.gate.passed)


def _was_stopped(path: Path) -> bool:
    _, footer = _ends(path)
    return footer is not None and footer.gate is not None and not footer.gate.passed


def _ends(path: Path) -> tuple[RunHeader | None, RunFooter | None]:
    """Header and footer of a run; None for what is damaged or not there yet."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return None, None
    if not lines:
        return None, None
    # behind the footer stand the records that were joined to the run afterwards
    ended = next((line for line in reversed(lines) if b'"record"' not in line[:_KIND_BYTES]), b"")
    first, last = parse_line(lines[0]), parse_line(ended)
    return (
        first if isinstance(first, RunHeader) else None,
        last if isinstance(last, RunFooter) else None,
    )


def _selected(run: StoredRun) -> set[tuple[str, str]]:
    """The tests that a run was to do."""
    return {(ref.test, ref.id) for ref in run.plan.tests} if run.plan else set()


def _latency_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a run that are records of latency, as JSON values; damaged ones are left out."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        if b'"test":"latency"' not in line:
            continue
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(data, dict) and data.pop("kind", None) == "record":
            yield data
