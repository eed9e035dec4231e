"""The DuckDB file of the index: its tables, and how it is opened and read."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.errors import HistoryError
from conformance.history.folder import index_path

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: How long another process may hold the index before this one goes on without it, seconds.
LOCK_WAIT_S = 3.0
#: What DuckDB says of a file that another process, or another DuckDB in this one, has open.
_HELD = ("Could not set lock", "Unique file handle conflict")
_ATTACHED = "history_index"
#: A longer log is taken into the file by the commit that makes it so. That costs tens of
#: milliseconds, and each opening reads the log, which costs about 10 ms per MB.
_LOG_LIMIT = "1MB"

#: Columns of each table, with DuckDB's types.
TABLES: dict[str, dict[str, str]] = {
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


class IndexUnavailable(HistoryError):
    """The index cannot be read now; the message says why."""


class IndexInUse(IndexUnavailable):
    """Another process holds the index."""


def table_columns() -> dict[str, dict[str, str]]:
    """Name and DuckDB's type of each column of the tables that people query."""
    return {name: dict(TABLES[name]) for name in ("runs", "results")}


@contextlib.contextmanager
def attached(path: Path, *, read_only: bool = False) -> Iterator[DuckDBPyConnection]:
    """The index in the DuckDB of this process, waiting a little for others to let go of it.

    To start a DuckDB takes thirty times as long as to attach a file to one: a process starts
    one, for all that it writes and reads. What the block does not commit is undone.

    Raises:
        IndexInUse: when others hold the index all the time.
        duckdb.Error: when it cannot be opened, and whatever the block comes upon.
    """
    import duckdb

    engine = _engine()
    quoted = str(path.resolve()).replace("'", "''")
    attach = f"ATTACH '{quoted}' AS {_ATTACHED}{' (READ_ONLY)' if read_only else ''}"
    try:
        _wait(path, lambda: engine.execute(attach))
        try:
            with engine.cursor() as index:
                index.execute(f"USE {_ATTACHED}")
                yield index
        finally:
            engine.execute(f"DETACH {_ATTACHED}")
    except duckdb.Error:
        # after a damaged file or a full disk it may refuse whatever comes next
        _engine.cache_clear()
        engine.close()
        raise


@contextlib.contextmanager
def open_index(report_dir: Path) -> Iterator[DuckDBPyConnection]:
    """The index in a DuckDB of its own, to be read; nothing in the block can write to it.

    Raises:
        IndexUnavailable: when it is missing, damaged or held by another process.
    """
    import duckdb

    path = _existing(report_dir)
    try:
        index = _wait(path, lambda: duckdb.connect(str(path), read_only=True))
    except duckdb.Error as error:
        raise _unreadable(path, error) from error
    with index:
        yield index


def select(report_dir: Path, query: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """What a query of ours finds in the index.

    Args:
        report_dir: whose index is read.
        query: in SQL.
        parameters: by their names in the query.

    Raises:
        IndexUnavailable: when the index is missing, damaged or held by another process.
    """
    import duckdb

    path = _existing(report_dir)
    try:
        with attached(path, read_only=True) as index:
            return index.execute(query, parameters).fetchall()
    except duckdb.Error as error:
        raise _unreadable(path, error) from error


def first_line(error: Exception) -> str:
    """What an error says, without the advice that DuckDB adds."""
    return str(error).partition("\n")[0]


@functools.cache
def _engine() -> DuckDBPyConnection:
    import duckdb

    engine = duckdb.connect(":memory:")
    # an update would otherwise end with rewriting what it added to
    engine.execute("PRAGMA disable_checkpoint_on_shutdown")
    engine.execute(f"SET checkpoint_threshold = '{_LOG_LIMIT}'")
    # one that Python's end finds open is told of as a leak
    atexit.register(_engine.cache_clear)
    return engine


def _existing(report_dir: Path) -> Path:
    path = index_path(report_dir)
    if not path.exists():
        raise IndexUnavailable(f"{path} is missing")
    return path


def _wait(path: Path, connect: Callable[[], DuckDBPyConnection]) -> DuckDBPyConnection:
    import duckdb

    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            return connect()
        except duckdb.Error as error:
            # DuckDB has no type of its own for a held lock; "lock" alone is in "damaged block"
            held = isinstance(error, duckdb.ConnectionException)
            if not held and not any(said in str(error) for said in _HELD):
                raise
            if time.monotonic() > deadline:
                raise IndexInUse(f"{path} is in use by another process") from error
            time.sleep(0.1)


def _unreadable(path: Path, error: Exception) -> IndexUnavailable:
    """What to raise for a damaged index; see that the next update finds the damage too.

    An update looks for damage where the file is not of the time that the last one gave it.
    """
    with contextlib.suppress(OSError):
        os.utime(path)
    return IndexUnavailable(f"{path} cannot be read ({first_line(error)})")
