"""Keeping the DuckDB index of all runs up to date with their JSON lines, which are the truth."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.errors import HistoryError
from conformance.history.database import (
    TABLES,
    IndexInUse,
    IndexUnavailable,
    attached,
    first_line,
)
from conformance.history.folder import index_path, runs_folder, warn
from conformance.history.merge import JudgedRun, comparable_yardsticks
from conformance.history.records import StoredRun, read_run
from conformance.model import CaseResult

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_DISK_FULL = os.strerror(errno.ENOSPC)
#: Of the tables; an index of an older one is emptied and filled again.
INDEX_VERSION = 4
#: Size in bytes and time of change in ns of a file, which tell whether it has been read.
_Stamp = tuple[int, int]


def update_index(report_dir: Path, written: JudgedRun | None = None) -> None:
    """Bring ``history.duckdb`` up to date with the runs' JSON lines.

    An index that cannot be used is moved aside and built anew; one that another process
    holds, or for which the disk has no room, is left for the next run. Each comes with a
    :class:`HistoryWarning`.

    Args:
        report_dir: whose index it is.
        written: a run of which this process has just written all lines; it is not read again.
    """
    import duckdb

    path = index_path(report_dir)
    there = path.exists()
    try:
        _update(report_dir, written)
    except IndexInUse as error:
        warn(f"{error}; the next run will catch up")
    except (duckdb.Error, IndexUnavailable) as error:
        if _DISK_FULL in str(error):
            # the index is not to blame, and there is no room for another
            if not there:
                _remove(path)  # what there is of it takes the room of the reports
            warn(f"{path} was not brought up to date ({_DISK_FULL}); the next run will catch up")
            return
        aside = _move_aside(path)
        warn(f"{path} could not be used ({first_line(error)}): moved to {aside.name} and rebuilt")
        try:
            _update(report_dir, written)
        except (duckdb.Error, IndexUnavailable) as again:
            warn(f"{path} could not be rebuilt ({first_line(again)})")


def rebuild_index(report_dir: Path) -> None:
    """Build ``history.duckdb`` anew from the runs' JSON lines, whatever it holds.

    Raises:
        HistoryError: when another process holds the index, or a new one cannot be written.
    """
    import duckdb

    path = index_path(report_dir)
    if path.exists():
        # a file that no process holds and that does not open is damaged: it goes all the same
        with contextlib.suppress(duckdb.Error), attached(path):
            pass
    try:
        _remove(path)
        _update(report_dir)
    except (duckdb.Error, OSError) as error:
        raise HistoryError(f"{path} cannot be rebuilt ({first_line(error)})") from error


def _update(report_dir: Path, written: JudgedRun | None = None) -> None:
    path = index_path(report_dir)
    sealed_ns = None
    with attached(path) as index:
        index.begin()
        intact = _prepare(index, path)
        found, known = _stamps(runs_folder(report_dir)), _known(index)
        stale = [name for name, _ in known.items() - found.items()]
        fresh = sorted(name for name, _ in found.items() - known.items())
        if stale:
            _forget(index, stale)
        for name in fresh:
            _insert(index, "files", [(name, *found[name])])
            in_hand = written is not None and name == f"{written.run.header.id}.jsonl"
            judged = written if in_hand else _read(runs_folder(report_dir) / name)
            if judged is not None:
                _add(index, name, judged)
        if stale or fresh or not intact:
            sealed_ns = time.time_ns()
            index.execute("UPDATE meta SET sealed_ns = $1", [sealed_ns])
        index.commit()
    if sealed_ns is not None:
        # only its owner may; where that is somebody else, all is read each time
        with contextlib.suppress(OSError):
            os.utime(path, ns=(sealed_ns, sealed_ns))


def _prepare(index: DuckDBPyConnection, path: Path) -> bool:
    """Make sure of the tables, and that what they hold can be read.

    DuckDB finds a damaged block only when it reads it, and to read all takes half a second for a
    million rows. So an update leaves the file with a time that stands in it as well: a file of
    that time is as the last update left it.

    Returns:
        whether the file is of that time.
    """
    index.execute("CREATE TABLE IF NOT EXISTS meta (schema_version INTEGER)")
    stated = index.execute("SELECT schema_version FROM meta").fetchone()
    version = stated[0] if stated else 0
    if version > INDEX_VERSION:
        raise IndexUnavailable(f"{path} has format {version}, newer than {INDEX_VERSION}")
    if version < INDEX_VERSION:
        _create(index)
        return False
    (sealed_ns,) = index.execute("SELECT sealed_ns FROM meta").fetchone() or (None,)
    if path.stat().st_mtime_ns == sealed_ns:
        return True
    _verify(index)
    return False


def _verify(index: DuckDBPyConnection) -> None:
    """Read all there is, which fails where a block is damaged."""
    for table in TABLES:
        index.execute(f"SELECT bit_xor(hash({table})) FROM {table}").fetchall()  # noqa: S608


def _create(index: DuckDBPyConnection) -> None:
    """Empty tables, in place of those of an older version."""
    for table in (*TABLES, "meta"):
        index.execute(f"DROP TABLE IF EXISTS {table}")
    index.execute("CREATE TABLE meta (schema_version INTEGER, sealed_ns BIGINT)")
    index.execute("INSERT INTO meta VALUES ($1, NULL)", [INDEX_VERSION])
    for table, columns in TABLES.items():
        declared = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        index.execute(f"CREATE TABLE {table} ({declared})")


def _known(index: DuckDBPyConnection) -> dict[str, _Stamp]:
    rows = index.execute("SELECT name, size, mtime_ns FROM files").fetchall()
    return {name: (size, mtime_ns) for name, size, mtime_ns in rows}


def _stamps(folder: Path) -> dict[str, _Stamp]:
    """Of every run, by the name of its file."""
    found = {}
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".jsonl"):
                status = entry.stat()
                found[entry.name] = (status.st_size, status.st_mtime_ns)
    return found


def _read(path: Path) -> JudgedRun | None:
    try:
        return JudgedRun.of(read_run(path))
    except HistoryError as error:
        warn(f"{error}; it is left out of the index")
        return None


def _forget(index: DuckDBPyConnection, files: Sequence[str]) -> None:
    for table, column in (("files", "name"), ("runs", "file"), ("results", "file")):
        statement = f"DELETE FROM {table} WHERE {column} IN (SELECT unnest($1::VARCHAR[]))"  # noqa: S608 - our own names
        index.execute(statement, [files])


def _add(index: DuckDBPyConnection, file: str, judged: JudgedRun) -> None:
    header = judged.run.header
    _insert(index, "runs", [(file, *_run_values(judged.run))])
    origin = (file, header.id, header.started)
    _insert(index, "results", [(*origin, *_result_values(row)) for row in judged.cases])


def _insert(index: DuckDBPyConnection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Insert rows at once: a statement per row is a hundred times slower."""
    with index.appender(table) as appender:
        appender.append_rows(rows)


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
