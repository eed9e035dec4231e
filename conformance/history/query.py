"""Questions to the index in SQL, and its export; nothing here can change the history."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.errors import HistoryError
from conformance.history.database import open_index

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: A row per case, provider and run, with what tells runs apart.
EXPORTED = """
    SELECT results.* EXCLUDE (file), runs.commit, runs.status, runs.seed, runs.shard
    FROM results JOIN runs USING (file)
    ORDER BY results.run_id, results.id
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query found."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def ask(report_dir: Path, query: str) -> Answer:
    """Ask the index; the query can read its tables and no file, and write nothing.

    Raises:
        HistoryError: when the index cannot be read, or DuckDB refuses the query.
    """
    with _sandboxed(report_dir) as index, _refusals(query):
        found = index.execute(query)
        columns = tuple(column[0] for column in found.description or ())
        return Answer(columns, tuple(found.fetchall()) if columns else ())


def export_parquet(report_dir: Path, query: str, path: Path) -> None:
    """Write what a query finds as Parquet.

    Raises:
        HistoryError: when the index cannot be read, DuckDB refuses the query, or the file
            cannot be written.
    """
    with _sandboxed(report_dir, writes=path) as index, _refusals(query):
        found = index.sql(query)
        if found is None:
            raise HistoryError(f"there is nothing to write: '{query}' is no query for rows")
        found.write_parquet(str(path), compression="zstd")


@contextlib.contextmanager
def _sandboxed(report_dir: Path, writes: Path | None = None) -> Iterator[DuckDBPyConnection]:
    with open_index(report_dir) as index:
        if writes is not None:
            quoted = str(writes).replace("'", "''")
            index.execute(f"SET allowed_paths = ['{quoted}']")
        index.execute("SET enable_external_access = false")
        index.execute("SET lock_configuration = true")
        yield index


@contextlib.contextmanager
def _refusals(query: str) -> Iterator[None]:
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise HistoryError(f"{error} (query: {query.strip()})") from error
