"""The DuckDB index of all runs: brought up to date from their JSON lines, never the truth."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.errors import HistoryError
from conformance.history.folder import index_path, list_runs, warn
from conformance.history.merge import comparable_yardsticks, merge
from conformance.history.records import StoredRun, read_run
from conformance.model import CaseResult, RunOrigin, TrendPoint, from_json

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: How long another process may hold the index before this one goes on without it, seconds.
LOCK_WAIT_S = 3.0
_LOCK_HELD = "Could not set lock"
_DISK_FULL = os.strerror(errno.ENOSPC)

_TABLES: dict[str, dict[str, str]] = {
    "files": {"name": "VARCHAR", "size": "BIGINT", "mtime_ns": "BIGINT"},
    "runs": {
        "file": "VARCHAR",
        "run_id": "VARCHAR",
        "started": "VARCHAR",
        "finished": "VARCHAR",
        "status": "VARCHAR",
        "exit_code": "INTEGER",
        "commit": "VARCHAR",
        "machine": "VARCHAR",
        "versions": "VARCHAR",
        "seed": "BIGINT",
        "zoos": "VARCHAR[]",
        "command": "VARCHAR",
        "shard": "VARCHAR",
        "damaged_lines": "INTEGER",
    },
    "results": {
        "file": "VARCHAR",
        "run_id": "VARCHAR",
        "started": "VARCHAR",
        "id": "VARCHAR",
        "model": "VARCHAR",
        "framework": "VARCHAR",
        "task": "VARCHAR",
        "exporter": "VARCHAR",
        "opset": "INTEGER",
        "variant": "VARCHAR",
        "provider": "VARCHAR",
        "verdict": "VARCHAR",
        "stage": "VARCHAR",
        "reason": "VARCHAR",
        "parity_ratio": "DOUBLE",
        "noise_ratio": "DOUBLE",
        "median_ns": "BIGINT",
        "p95_ns": "BIGINT",
        "session_create_ns": "BIGINT",
        "first_run_ns": "BIGINT",
        "source_median_ns": "BIGINT",
        "size_bytes": "BIGINT",
        "nodes": "BIGINT",
        "yardsticks": "DOUBLE",
        "hardware": "VARCHAR",
        "measured_in": "VARCHAR",
        "session_peak_bytes": "BIGINT",
        "speedup": "DOUBLE",
        "export_seconds": "DOUBLE",
        "duration_s": "DOUBLE",
    },
}
_TREND_COLUMNS = (
    "run_id",
    "started",
    "verdict",
    "parity_ratio",
    "median_ns",
    "size_bytes",
    "export_seconds",
    "yardsticks",
    "hardware",
)
#: Of the tables; an index of an older one is emptied and filled again.
INDEX_VERSION = 3


class IndexUnavailable(HistoryError):
    """The index cannot be read now; the message says why."""


class _IndexInUse(IndexUnavailable):
    """Another process holds the index."""


def update_index(report_dir: Path) -> None:
    """Bring ``history.duckdb`` up to date with the runs' JSON lines.

    An index that cannot be used is moved aside and built anew; one that another process
    holds, or for which the disk has no room, is left for the next run. Each comes with a
    :class:`HistoryWarning`.
    """
    import duckdb

    path = index_path(report_dir)
    there = path.exists()
    try:
        _update(path, list_runs(report_dir))
    except _IndexInUse as error:
        warn(f"{error}; the next run will catch up")
    except (duckdb.Error, IndexUnavailable) as error:
        if _DISK_FULL in str(error):
            # the index is not to blame, and there is no room for another
            if not there:
                _remove(path)  # what there is of it takes the room of the reports
            warn(f"{path} was not brought up to date ({_DISK_FULL}); the next run will catch up")
            return
        aside = _move_aside(path)
        warn(f"{path} could not be used ({_first_line(error)}): moved to {aside.name} and rebuilt")
        try:
            _update(path, list_runs(report_dir))
        except (duckdb.Error, IndexUnavailable) as again:
            warn(f"{path} could not be rebuilt ({_first_line(again)})")


def rebuild_index(report_dir: Path) -> None:
    """Build ``history.duckdb`` anew from the runs' JSON lines, whatever it holds.

    Raises:
        HistoryError: when another process holds the index, or a new one cannot be written.
    """
    import duckdb

    path = index_path(report_dir)
    if path.exists():
        # a file that no process holds and that does not open is damaged: it goes all the same
        with contextlib.suppress(duckdb.Error), _connected(path):
            pass
    try:
        _remove(path)
        _update(path, list_runs(report_dir))
    except (duckdb.Error, OSError) as error:
        raise HistoryError(f"{path} cannot be rebuilt ({_first_line(error)})") from error


def read_trends(
    report_dir: Path, before: str, cases: Sequence[str], points: int
) -> dict[str, list[TrendPoint]]:
    """Up to ``points`` latest points of each case in runs older than ``before``, oldest first.

    Raises:
        IndexUnavailable: when the index is missing, damaged or held by another process.
    """
    import duckdb

    path = index_path(report_dir)
    if not path.exists():
        raise IndexUnavailable(f"{path} is missing")
    query = f"""
        SELECT id, {", ".join(_TREND_COLUMNS)} FROM results
        WHERE run_id < $before AND id IN (SELECT unnest($cases::VARCHAR[]))
        QUALIFY row_number() OVER (PARTITION BY id ORDER BY run_id DESC) <= $points
        ORDER BY run_id
    """  # noqa: S608 - column names of this module
    try:
        with _connected(path, read_only=True) as index:
            parameters = {"before": before, "cases": list(cases), "points": points}
            rows = index.execute(query, parameters).fetchall()
    except duckdb.Error as error:
        raise IndexUnavailable(f"{path} cannot be read ({_first_line(error)})") from error
    trends: dict[str, list[TrendPoint]] = {}
    for case, *values in rows:
        fields = dict(zip(("run", *_TREND_COLUMNS[1:]), values, strict=True))
        trends.setdefault(case, []).append(from_json(TrendPoint, fields))
    return trends


def read_origins(report_dir: Path, runs: Sequence[str]) -> dict[str, RunOrigin]:
    """Commit and package versions of the named runs, as far as the index knows them.

    Raises:
        IndexUnavailable: when the index is missing, damaged or held by another process.
    """
    import duckdb

    path = index_path(report_dir)
    if not path.exists():
        raise IndexUnavailable(f"{path} is missing")
    query = 'SELECT run_id, "commit", versions FROM runs WHERE run_id IN (SELECT unnest($1))'
    try:
        with _connected(path, read_only=True) as index:
            rows = index.execute(query, [list(runs)]).fetchall()
    except duckdb.Error as error:
        raise IndexUnavailable(f"{path} cannot be read ({_first_line(error)})") from error
    return {run: RunOrigin(commit, json.loads(versions)) for run, commit, versions in rows}


@contextlib.contextmanager
def open_index(report_dir: Path) -> Iterator[DuckDBPyConnection]:
    """The index, to be read; nothing in the block can write to it.

    Raises:
        IndexUnavailable: when it is missing, damaged or held by another process.
    """
    import duckdb

    path = index_path(report_dir)
    if not path.exists():
        raise IndexUnavailable(f"{path} is missing")
    with contextlib.ExitStack() as opened:
        try:
            index = opened.enter_context(_connected(path, read_only=True))
        except duckdb.Error as error:
            raise IndexUnavailable(f"{path} cannot be read ({_first_line(error)})") from error
        yield index


def table_columns() -> dict[str, dict[str, str]]:
    """Name and DuckDB's type of each column of the tables that people query."""
    return {name: dict(_TABLES[name]) for name in ("runs", "results")}


@contextlib.contextmanager
def _connected(path: Path, *, read_only: bool = False) -> Iterator[DuckDBPyConnection]:
    """The index, waiting a little for another process to let go of it."""
    import duckdb

    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            index = duckdb.connect(str(path), read_only=read_only)
            break
        except (duckdb.IOException, duckdb.ConnectionException) as error:
            # DuckDB has no type of its own for a held lock; "lock" alone is in "damaged block"
            held = isinstance(error, duckdb.ConnectionException) or _LOCK_HELD in str(error)
            if not held:
                raise
            if time.monotonic() > deadline:
                raise _IndexInUse(f"{path} is in use by another process") from error
            time.sleep(0.1)
    with index:
        yield index


def _update(path: Path, runs: Sequence[Path]) -> None:
    with _connected(path) as index:
        index.begin()
        _create(index, path)
        _verify(index)
        found = {run.name: _stamp(run) for run in runs}
        known = {
            name: (size, mtime)
            for name, size, mtime in index.execute(
                "SELECT name, size, mtime_ns FROM files"
            ).fetchall()
        }
        stale = [name for name, stamp in known.items() if found.get(name) != stamp]
        for table, column in (("files", "name"), ("runs", "file"), ("results", "file")):
            statement = f"DELETE FROM {table} WHERE {column} IN (SELECT unnest($1::VARCHAR[]))"  # noqa: S608
            index.execute(statement, [stale])
        for run in runs:
            if known.get(run.name) != found[run.name]:
                _insert(index, "files", [(run.name, *found[run.name])])
                _add(index, run)
        index.commit()


def _create(index: DuckDBPyConnection, path: Path) -> None:
    index.execute("CREATE TABLE IF NOT EXISTS meta (schema_version INTEGER)")
    stated = index.execute("SELECT schema_version FROM meta").fetchall()
    if stated and stated[0][0] > INDEX_VERSION:
        raise IndexUnavailable(f"{path} has format {stated[0][0]}, newer than {INDEX_VERSION}")
    if not stated or stated[0][0] < INDEX_VERSION:
        for table in _TABLES:
            index.execute(f"DROP TABLE IF EXISTS {table}")
        index.execute("DELETE FROM meta")
        index.execute("INSERT INTO meta VALUES ($1)", [INDEX_VERSION])
    for table, columns in _TABLES.items():
        declared = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        index.execute(f"CREATE TABLE IF NOT EXISTS {table} ({declared})")


def _verify(index: DuckDBPyConnection) -> None:
    """Read all there is: DuckDB finds a damaged block only when it reads it."""
    for table in _TABLES:
        index.execute(f"SELECT bit_xor(hash({table})) FROM {table}").fetchall()  # noqa: S608


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _add(index: DuckDBPyConnection, path: Path) -> None:
    try:
        run = read_run(path)
    except HistoryError as error:
        warn(f"{error}; it is left out of the index")
        return
    _insert(index, "runs", [(path.name, *_run_values(run))])
    origin = (path.name, run.header.id, run.header.started)
    _insert(index, "results", [(*origin, *_result_values(row)) for row in merge(run)])


def _insert(index: DuckDBPyConnection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Insert rows as one column-wise statement; a statement per row is many times slower."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    if columns:
        unnested = ", ".join(
            f"unnest(${number}::{kind}[])"
            for number, kind in enumerate(_TABLES[table].values(), start=1)
        )
        index.execute(f"INSERT INTO {table} SELECT {unnested}", columns)


def _run_values(run: StoredRun) -> tuple[Any, ...]:
    header, footer = run.header, run.footer
    return (
        header.id,
        header.started,
        footer.finished if footer else None,
        footer.status if footer else "crashed",
        footer.exit_code if footer else None,
        header.commit,
        json.dumps(header.machine),
        json.dumps(header.versions),
        header.seed,
        list(header.zoos),
        header.command,
        header.shard,
        run.damaged_lines,
    )


def _result_values(row: CaseResult) -> tuple[Any, ...]:
    worst = row.parity.worst_output if row.parity else None
    latency, export = row.latency, row.export
    # a figure that was taken over is its own run's
    timed = latency if latency and latency.measured_in is None else None
    return (
        row.id,
        row.model,
        row.framework,
        row.task,
        row.exporter,
        row.opset,
        row.variant,
        row.provider,
        row.verdict.value,
        row.stage.value,
        row.reason,
        worst.ratio if worst else None,
        worst.noise_ratio if worst else None,
        timed.median_ns if timed else None,
        timed.p95_ns if timed else None,
        timed.session_create_ns if timed else None,
        timed.first_run_ns if timed else None,
        latency.source_median_ns if latency else None,
        export.size_bytes if export else None,
        export.nodes if export else None,
        comparable_yardsticks(row),
        timed.hardware if timed else None,
        latency.measured_in if latency else None,
        latency.session_peak_bytes if latency else None,
        latency.speedup.value if latency and latency.speedup else None,
        export.export_seconds if export else None,
        row.duration_s,
    )


def _move_aside(path: Path) -> Path:
    """Put the index, and its write-ahead log, out of the way without losing them."""
    aside = path.with_name(f"{path.name}.unusable-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    for part, there in ((path, aside), (_write_ahead_log(path), _write_ahead_log(aside))):
        if part.exists():
            part.replace(there)
    return aside


def _remove(path: Path) -> None:
    for part in (path, _write_ahead_log(path)):
        part.unlink(missing_ok=True)


def _write_ahead_log(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
