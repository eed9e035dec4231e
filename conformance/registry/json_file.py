"""``conversion_registry.json``: locked while it changes, replaced as a whole.

Format::

    {"schema_version": 1, "conversions": {"<model>:<path>[#<config>]": {<RegistryEntry>}, ...}}

An older registry, a mapping or a list of entries, is read as it is and rewritten in this form
with the first change; what it held is kept beside it, as ``conversion_registry.json.v0``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import JsonValue

from conformance.errors import ConformanceError
from conformance.model import SCHEMA_VERSION
from conformance.registry.entries import RegistryEntry, entry_data, entry_from, entry_key

REGISTRY_FILE = "conversion_registry.json"
_LOCK_TIMEOUT_S = 60.0

Entries = dict[str, RegistryEntry]


class RegistryProblem(ConformanceError):
    """The registry cannot be read or written; it is left as it is."""


def now() -> str:
    """The time as entries have it: UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


class ConversionRegistry:
    """The registry of one cache folder, shared by all processes that use it."""

    def __init__(self, cache_dir: Path) -> None:
        self.path = cache_dir / REGISTRY_FILE

    def entries(self) -> Entries:
        """Every conversion by its key, in the order in which they were made.

        Raises:
            RegistryProblem: when the file is there and cannot be read.
        """
        return read_entries(self.path)

    def find(
        self, model_id: str, onnx_path: str, config: Mapping[str, JsonValue] | None = None
    ) -> RegistryEntry | None:
        """The conversion of just this model, file and configuration.

        Raises:
            RegistryProblem: when the file cannot be read.
        """
        return self.entries().get(entry_key(model_id, onnx_path, config))

    def record(self, entry: RegistryEntry) -> RegistryEntry:
        """Keep a conversion; uses of a former one of the same key are counted on.

        Raises:
            RegistryProblem: when the file cannot be read or written.
        """
        with self._changing() as entries:
            former = entries.get(entry.key)
            if former is not None:
                entry = replace(
                    entry,
                    use_count=former.use_count + entry.use_count,
                    last_used=entry.last_used or former.last_used,
                    extra={**former.extra, **entry.extra},
                )
            entries[entry.key] = entry
        return entry

    def used(self, key: str) -> None:
        """Count a use.

        Raises:
            RegistryProblem: when the file cannot be read or written.
        """
        with self._changing() as entries:
            if (entry := entries.get(key)) is not None:
                count = entry.use_count + 1
                entries[key] = replace(entry, use_count=count, last_used=now())

    def remove(self, model_id: str) -> list[RegistryEntry]:
        """Forget every conversion of a model; its files are the caller's business.

        Raises:
            RegistryProblem: when the file cannot be read or written.
        """
        with self._changing() as entries:
            gone = [entry for entry in entries.values() if entry.model_id == model_id]
            for entry in gone:
                entries.pop(entry.key, None)
        return gone

    @contextmanager
    def _changing(self) -> Iterator[Entries]:
        """The entries under the lock; what the block makes of them is written."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock", timeout=_LOCK_TIMEOUT_S):
                entries = self.entries()
                before = dict(entries)
                yield entries
                if entries != before:
                    _keep_older(self.path)
                    _write(self.path, entries)
        except (OSError, TimeoutError) as error:
            raise RegistryProblem(f"'{self.path}' cannot be written: {error}") from error


def read_entries(path: Path) -> Entries:
    """The entries of a registry of this or of an older form; none where there is no file.

    Raises:
        RegistryProblem: naming the entry that is damaged; nothing is left out silently.
    """
    data = _load(path)
    if data is None:
        return {}
    if isinstance(data, dict) and "schema_version" in data:
        version = data["schema_version"]
        if not isinstance(version, int) or version > SCHEMA_VERSION:
            raise RegistryProblem(
                f"'{path}' has schema_version {version}; this version reads up to "
                f"{SCHEMA_VERSION}: upgrade pytest-onnx-conformance"
            )
        data = data.get("conversions", {})
    pairs: list[tuple[str | None, Any]]
    if isinstance(data, dict):
        pairs = list(data.items())
    elif isinstance(data, list):
        pairs = [(None, each) for each in data]
    else:
        raise RegistryProblem(f"'{path}' is no registry: it holds a {type(data).__name__}")
    entries: Entries = {}
    for number, (key, value) in enumerate(pairs):
        name = key or f"number {number + 1}"
        if not isinstance(value, dict):
            raise RegistryProblem(f"'{path}': entry {name} is a {type(value).__name__}")
        try:
            entry = entry_from(value, key)
        except ValueError as error:
            raise RegistryProblem(f"'{path}': entry {name}: {error}") from error
        entries[entry.key] = entry
    return entries


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise RegistryProblem(
            f"'{path}' cannot be read: {error}; repair it, or move it away to start a new one"
        ) from error


def _keep_older(path: Path) -> None:
    """Before the first change, put a registry of an older form aside."""
    data = _load(path)
    if data is None or (isinstance(data, dict) and "schema_version" in data):
        return
    aside = path.with_name(f"{path.name}.v0")
    if not aside.exists():
        aside.write_bytes(path.read_bytes())


def _write(path: Path, entries: Entries) -> None:
    data = {
        "schema_version": SCHEMA_VERSION,
        "conversions": {key: entry_data(entry) for key, entry in entries.items()},
    }
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)
