"""Bring a benchmark database up to date: schema first, then the registry's conversions.

Everything is done in one transaction, and again without effect: what is there is kept, what is
missing is added.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.errors import ConformanceError
from conformance.registry import schema
from conformance.registry.entries import RegistryEntry, canonical, plain
from conformance.registry.json_file import read_entries

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


_ROWS = """
SELECT id, model_id, onnx_path, CAST(conversion_config AS VARCHAR), use_count,
    CAST(last_used AS VARCHAR), CAST(conversion_time AS VARCHAR)
FROM onnx_conversions"""
_NOW = " DEFAULT CURRENT_TIMESTAMP"


class DatabaseProblem(ConformanceError):
    """The database cannot be opened or changed; it is left as it was."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """What an update of the schema changed."""

    #: Tables and columns that were not there, and columns whose type grew.
    changes: tuple[str, ...]
    #: Conversions of the registry that the table did not have.
    added: int = 0
    #: Those whose uses or outcome were brought up to date.
    updated: int = 0


def update_schema(db_path: Path, registry_path: Path | None = None) -> Migrated:
    """Add tables, columns, view and functions, and take over a registry's conversions.

    Args:
        db_path: a DuckDB database; made where there is none.
        registry_path: ``conversion_registry.json`` of this or of an older form.

    Raises:
        DatabaseProblem: when the database is in use, damaged or written by a newer DuckDB.
        RegistryProblem: when the registry cannot be read.
    """
    entries = {} if registry_path is None else _existing(registry_path)
    with _transaction(db_path) as connection:
        changes = [
            *_table(connection, schema.TABLE, schema.COLUMNS),
            *_wider_sizes(connection),
            *_table(connection, schema.MODELS, schema.MODEL_COLUMNS, complete=False),
            *_table(connection, schema.RESULTS, schema.NEW_RESULT_COLUMNS, complete=False),
            *_missing_columns(connection, schema.RESULTS, schema.RESULT_COLUMNS),
        ]
        connection.execute(schema.create_view(set(_columns(connection, schema.MODELS))))
        for function in schema.FUNCTIONS:
            connection.execute(function)
        added, updated = _take_over(connection, entries)
    return Migrated(tuple(changes), added, updated)


def has_onnx_schema(connection: DuckDBPyConnection) -> bool:
    """Whether benchmark results of this database tell where their ONNX model is from."""
    return schema.RESULT_COLUMNS.keys() <= _columns(connection, schema.RESULTS).keys()


def store_result(db_path: str | Path, fields: Mapping[str, Any]) -> None:
    """Add a row to ``performance_results``: those of ``fields`` that it has columns for.

    Raises:
        DatabaseProblem: when there is no such table, or the row does not fit it.
    """
    with _transaction(db_path) as connection:
        known = _columns(connection, schema.RESULTS)
        if not known:
            raise DatabaseProblem(
                f"'{db_path}' has no table {schema.RESULTS}: run "
                f"`conformance registry update-schema --db-path {db_path}`"
            )
        row = {name: value for name, value in fields.items() if name in known}
        if "id" in known and "id" not in row and known["id"] in ("INTEGER", "BIGINT"):
            row["id"] = _next_id(connection, schema.RESULTS)
        _insert(connection, schema.RESULTS, row)


def _existing(path: Path) -> dict[str, RegistryEntry]:
    if not path.is_file():
        raise DatabaseProblem(f"there is no registry '{path}'")
    return read_entries(path)


@contextmanager
def _transaction(db_path: str | Path) -> Iterator[DuckDBPyConnection]:
    import duckdb

    try:
        connection = duckdb.connect(str(db_path))
    except duckdb.Error as error:
        raise DatabaseProblem(f"'{db_path}' cannot be opened: {_first_line(error)}") from error
    try:
        connection.execute("BEGIN TRANSACTION")
        yield connection
        connection.execute("COMMIT")
    except duckdb.Error as error:
        raise DatabaseProblem(f"'{db_path}' cannot be changed: {_first_line(error)}") from error
    finally:
        connection.close()  # what was not committed is rolled back


def _columns(connection: DuckDBPyConnection, table: str) -> dict[str, str]:
    """Type by column; empty where there is no such table."""
    found = connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() "
        "WHERE table_name = ? AND schema_name = current_schema() ORDER BY column_index",
        [table],
    ).fetchall()
    return {str(name): str(kind) for name, kind in found}


def _table(
    connection: DuckDBPyConnection, name: str, columns: dict[str, str], *, complete: bool = True
) -> list[str]:
    """Make a table, or give it the columns that it lacks; what it is otherwise is its own."""
    if not _columns(connection, name):
        connection.execute(schema.create_table(name, columns))
        return [f"table {name}"]
    return _missing_columns(connection, name, columns) if complete else []


def _missing_columns(
    connection: DuckDBPyConnection, table: str, columns: dict[str, str]
) -> list[str]:
    known = _columns(connection, table)
    missing = {name: kind for name, kind in columns.items() if name not in known}
    for name, kind in missing.items():
        # rows that are there have no value for it: nobody knows when they were made
        bare = kind.replace(" PRIMARY KEY", "").replace(" NOT NULL", "")
        bare, moving, _ = bare.partition(_NOW)
        connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {bare}")
        if moving:
            connection.execute(f"ALTER TABLE {table} ALTER {name} SET DEFAULT CURRENT_TIMESTAMP")
    return [f"column {table}.{name}" for name in missing]


def _wider_sizes(connection: DuckDBPyConnection) -> list[str]:
    """``file_size_bytes`` of an older table, an INTEGER, ends at 2 GiB."""
    if _columns(connection, schema.TABLE).get("file_size_bytes") != "INTEGER":
        return []
    connection.execute(f"ALTER TABLE {schema.TABLE} ALTER file_size_bytes TYPE BIGINT")
    return [f"column {schema.TABLE}.file_size_bytes, INTEGER to BIGINT"]


def _take_over(
    connection: DuckDBPyConnection, entries: Mapping[str, RegistryEntry]
) -> tuple[int, int]:
    """Add the registry's conversions, and bring those that are there up to date."""
    rows = connection.execute(_ROWS).fetchall()
    known = {(row[1], row[2], _config_text(row[3])): row for row in rows}
    added = updated = 0
    for entry in entries.values():
        row = known.get((entry.model_id, entry.onnx_path, canonical(entry.conversion_config)))
        if row is None:
            row_id = _next_id(connection, schema.TABLE)
            _insert(connection, schema.TABLE, {"id": row_id, **_row(entry)})
            added += 1
        elif _is_newer(entry, row):
            _update(connection, row[0], _merged(entry, row))
            updated += 1
    return added, updated


def _is_newer(entry: RegistryEntry, row: tuple[Any, ...]) -> bool:
    """Whether the registry knows more of a conversion than the table: a use, or a new attempt."""
    used = _moment(entry.last_used) or ""
    made = _moment(entry.conversion_time) or ""
    return entry.use_count > (row[4] or 0) or used > (row[5] or "") or made > (row[6] or "")


def _merged(entry: RegistryEntry, row: tuple[Any, ...]) -> dict[str, Any]:
    """What the registry knows of a conversion, where the table does not know more."""
    told = {name: value for name, value in _row(entry).items() if value is not None}
    latest = max(_moment(entry.last_used) or "", row[5] or "") or None
    if entry.conversion_success:
        told["error_message"] = None  # of an attempt before
    return told | {"use_count": max(entry.use_count, row[4] or 0), "last_used": latest}


def _row(entry: RegistryEntry) -> dict[str, Any]:
    return {
        "model_id": entry.model_id,
        "model_type": entry.model_type,
        "onnx_path": entry.onnx_path,
        "local_path": entry.local_path,
        "conversion_time": _moment(entry.conversion_time),
        "conversion_config": json.dumps(plain(entry.conversion_config), sort_keys=True),
        "conversion_success": entry.conversion_success,
        "error_message": entry.error_message,
        "opset_version": entry.opset_version,
        "file_size_bytes": entry.file_size_bytes,
        "verification_status": entry.verification_status,
        "last_used": _moment(entry.last_used),
        "use_count": entry.use_count,
    }


def _moment(text: str | None) -> str | None:
    """A TIMESTAMP, which is in no time zone, in UTC, as DuckDB writes it."""
    from datetime import UTC, datetime

    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None  # of another program: the entry itself keeps it
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    written = moment.isoformat(sep=" ")
    return written.rstrip("0") if "." in written else written


def _config_text(stored: str | None) -> str:
    try:
        return canonical(json.loads(stored or "{}"))
    except (ValueError, TypeError):
        return stored or ""


def _next_id(connection: DuckDBPyConnection, table: str) -> int:
    found = connection.execute(
        f"SELECT coalesce(max(id), 0) + 1 FROM {table}"  # noqa: S608 - a name of ours
    ).fetchone()
    return int(found[0]) if found else 1


def _insert(connection: DuckDBPyConnection, table: str, row: Mapping[str, Any]) -> None:
    names, marks = ", ".join(f'"{name}"' for name in row), ", ".join("?" for _ in row)
    connection.execute(
        f"INSERT INTO {table} ({names}) VALUES ({marks})",  # noqa: S608 - names of columns that are there
        list(row.values()),
    )


def _update(connection: DuckDBPyConnection, row_id: int, row: Mapping[str, Any]) -> None:
    parts = ", ".join(f"{name} = ?" for name in row)
    connection.execute(
        f"UPDATE {schema.TABLE} SET {parts} WHERE id = ?",  # noqa: S608 - names of ours
        [*row.values(), row_id],
    )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
