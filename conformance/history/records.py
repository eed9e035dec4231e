"""A run as JSON lines: header, plan, one record per test, footer; each line durable."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError
from pydantic_core import from_json as parse_json

from conformance.errors import HistoryError
from conformance.history.folder import run_path, schema_version
from conformance.model import (
    SCHEMA_VERSION,
    Record,
    RunFooter,
    RunHeader,
    RunPlan,
    from_json,
    to_json,
)

Line = RunHeader | RunPlan | Record | RunFooter
_KINDS: dict[str, type[Line]] = {
    "header": RunHeader,
    "plan": RunPlan,
    "record": Record,
    "footer": RunFooter,
}
#: How the line of a plan, which names everything, begins.
_PLAN = b'{"kind":"plan"'


@dataclass(frozen=True, slots=True)
class StoredRun:
    """What can be read of a run's JSON lines."""

    header: RunHeader
    #: ``None`` when the run died before its tests were selected.
    plan: RunPlan | None
    records: tuple[Record, ...]
    #: ``None`` when the run died before its end, or has not ended yet.
    footer: RunFooter | None
    #: Lines that could not be read, such as one half written when the machine died.
    damaged_lines: int

    @property
    def whole(self) -> bool:
        """Whether all of the zoo (of its shard) was selected."""
        return self.plan is not None and not self.plan.deselected


class RunWriter:
    """Writes a run down as it happens; what was written survives a crash."""

    def __init__(self, report_dir: Path, header: RunHeader) -> None:
        """Begin the run's file with its header.

        Raises:
            HistoryError: when the run is there already, or cannot be written.
        """
        self._path = run_path(report_dir, header.id)
        self._header = header
        #: What was written, and how many bytes it took.
        self._lines: list[tuple[Line, int]] = []
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # unbuffered: what failed to be written must not be tried again at close
            self._file = self._path.open("xb", buffering=0)
        except FileExistsError as error:
            raise HistoryError(f"{self._path} exists: a run is never overwritten") from error
        except OSError as error:
            raise self._unwritable(error) from error
        stated = {"kind": "header", "schema_version": SCHEMA_VERSION, **to_json(header)}
        self._write(header, stated)

    def plan(self, plan: RunPlan) -> None:
        """Write down which tests were selected.

        Raises:
            HistoryError: when the file cannot be written.
        """
        self._write(plan, {"kind": "plan", **to_json(plan)})

    def append(self, record: Record) -> None:
        """Write down a test's outcome.

        Raises:
            HistoryError: when the file cannot be written.
        """
        self._write(record, {"kind": "record", **to_json(record)})

    def written(self) -> StoredRun:
        """What stands in the file by now, which is read only where it is not known.

        Raises:
            HistoryError: when it is not known and cannot be read.
        """
        noted = sum(size for _, size in self._lines)
        # Ctrl-C may come between a line and the note of it
        if not self._path.exists() or self._path.stat().st_size != noted:
            return read_run(self._path)
        return _stored(self._header, [line for line, _ in self._lines])

    def close(self, footer: RunFooter) -> None:
        """Write down how the run ended, and close its file.

        Raises:
            HistoryError: when the file cannot be written.
        """
        with self._file:
            self._write(footer, {"kind": "footer", **to_json(footer)})

    def _write(self, line: Line, stated: dict[str, Any]) -> None:
        data = json.dumps(stated, separators=(",", ":")).encode() + b"\n"
        try:
            _write_whole(self._file, data)
        except OSError as error:
            raise self._unwritable(error) from error
        self._lines.append((line, len(data)))

    def _unwritable(self, error: OSError) -> HistoryError:
        return HistoryError(
            f"{self._path} cannot be written ({error.strerror}): "
            "make room or make it writable, and run again"
        )


def append_records(path: Path, records: Sequence[Record]) -> None:
    """Add records to a run that has ended; each is on disk before the next.

    Args:
        path: of its JSON lines.
        records: a later one of a test counts in place of an earlier one.

    Raises:
        HistoryError: when they cannot be written.
    """
    try:
        with path.open("r+b", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - 1))
            # a machine that died may have left half a line
            glue = b"" if file.read(1) == b"\n" else b"\n"
            for record in records:
                line = json.dumps({"kind": "record", **to_json(record)}, separators=(",", ":"))
                _write_whole(file, glue + line.encode() + b"\n")
                glue = b""
    except OSError as error:
        raise HistoryError(f"{path} cannot be written ({error.strerror}): make room") from error


def _write_whole(file: BinaryIO, data: bytes) -> None:
    """Write to an unbuffered file and sync it; nothing of it stays where the disk is full.

    Raises:
        OSError: when it cannot be written.
    """
    whole, rest = file.tell(), data
    try:
        # a disk that is nearly full takes a part
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())
    except OSError:
        # a later line must not be glued to half of this one
        with contextlib.suppress(OSError):
            file.truncate(whole)
            file.seek(whole)
        raise


def read_run(path: Path) -> StoredRun:
    """Read a run, skipping lines that are damaged or half written.

    Raises:
        HistoryError: when the file cannot be read, its header is damaged, or its format is
            newer than this version knows.
    """
    return _read(path, None)


def read_case(path: Path, name: str) -> StoredRun:
    """Read the header and the records in which a name stands, in a fraction of the time.

    There is no plan and no footer: what did not leave a record is not told.

    Args:
        path: as for :func:`read_run`.
        name: of a row, case or model.

    Raises:
        HistoryError: as :func:`read_run` does.
    """
    return _read(path, json.dumps(name)[1:-1].encode())


def _read(path: Path, named: bytes | None) -> StoredRun:
    try:
        first, *rest = path.read_bytes().split(b"\n")
    except OSError as error:
        raise HistoryError(f"{path} cannot be read ({error.strerror})") from error
    if (version := schema_version(first) or 0) > SCHEMA_VERSION:
        raise HistoryError(
            f"{path} has format {version}, newer than {SCHEMA_VERSION}, the newest this version "
            "knows: upgrade pytest-onnx-conformance"
        )
    header = parse_line(first)
    if not isinstance(header, RunHeader):
        raise HistoryError(f"{path} has no readable header in its first line: delete the file")
    if named is not None:
        rest = [line for line in rest if named in line and not line.startswith(_PLAN)]
    return _stored(header, [parse_line(line) for line in rest if line])


def _stored(header: RunHeader, rest: Sequence[Line | None]) -> StoredRun:
    return StoredRun(
        header=header,
        plan=next((line for line in rest if isinstance(line, RunPlan)), None),
        records=tuple(line for line in rest if isinstance(line, Record)),
        footer=next((line for line in rest if isinstance(line, RunFooter)), None),
        damaged_lines=rest.count(None),
    )


def parse_line(line: bytes) -> Line | None:
    """The value that a line of a run holds; None when it is damaged."""
    try:
        data: Any = parse_json(line)
        return from_json(_KINDS[data.pop("kind")], data)
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError, ValidationError):
        return None
