"""The report folder: where things lie in it, and whether a run may use it."""

from __future__ import annotations

import json
import secrets
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conformance.errors import HistoryError
from conformance.model import SCHEMA_VERSION

#: Less room than this for a run's records is none.
_PROBE_BYTES = 65536
_NEXT_STEP = "choose another folder with --zoo-report DIR"


class HistoryWarning(UserWarning):
    """Something of the history could not be used; the run's own records are safe."""


def warn(message: str) -> None:
    """Tell people, even where warnings are errors: a report must not be lost over this."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", HistoryWarning)
        warnings.warn(message, HistoryWarning, stacklevel=3)


def runs_folder(report_dir: Path) -> Path:
    """Where the runs' JSON lines lie."""
    return report_dir / "runs"


def run_path(report_dir: Path, run_id: str) -> Path:
    """The JSON lines of one run."""
    return runs_folder(report_dir) / f"{run_id}.jsonl"


def index_path(report_dir: Path) -> Path:
    """The DuckDB index of all runs."""
    return report_dir / "history.duckdb"


def list_runs(report_dir: Path) -> tuple[Path, ...]:
    """JSON lines of every run, oldest first: a run's id starts with the time it began."""
    return tuple(sorted(runs_folder(report_dir).glob("*.jsonl"), key=lambda path: path.name))


def open_report_folder(path: Path) -> None:
    """Make sure that a run can write its records and reports to ``path``, creating it.

    Raises:
        HistoryError: when it cannot, or when what is there was written in a newer format.
    """
    for folder in (path, runs_folder(path)):
        _probe(folder)
    for file, version in _versions(path):
        if version > SCHEMA_VERSION:
            raise HistoryError(
                f"report folder {path}: {file.relative_to(path)} has format {version}, newer than "
                f"{SCHEMA_VERSION}, the newest this version knows: upgrade "
                f"pytest-onnx-conformance, or {_NEXT_STEP}"
            )


def _probe(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise HistoryError(f"report folder {folder} is not a folder: {_NEXT_STEP}")
    probe = folder / f".probe-{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            probe.write_bytes(bytes(_PROBE_BYTES))
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise HistoryError(
            f"report folder {folder} cannot be written ({error.strerror}): "
            f"make it writable, or {_NEXT_STEP}"
        ) from error


def _versions(path: Path) -> Iterator[tuple[Path, int]]:
    """Format of every file here that states one; damaged files state none."""
    texts = [(run, _first_line(run)) for run in list_runs(path)]
    report = path / "report.json"
    if report.is_file():
        texts.append((report, report.read_bytes()))
    for file, text in texts:
        version = schema_version(text)
        if version is not None:
            yield file, version


def schema_version(text: bytes) -> int | None:
    """The ``schema_version`` that a JSON object states; None where it states none."""
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError):  # the latter: lists in lists in lists
        return None
    version = data.get("schema_version") if isinstance(data, dict) else None
    return version if isinstance(version, int) else None


def _first_line(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.readline()
