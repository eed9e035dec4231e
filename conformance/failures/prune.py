"""Remove the folders of failures whose cases the zoo does not hold any more."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.failures.folder import PROVENANCE, failure_name
from conformance.model import TestRef, from_json


@dataclass(frozen=True, slots=True)
class _Left:
    """A folder that a failing test of ours has left."""

    folder: Path
    ref: TestRef
    #: Whether the zoo asked for the provider, not somebody who joined it to a run.
    of_the_zoo: bool


def prune_failures(failures: Path, zoos: Collection[str], known: Collection[str]) -> list[str]:
    """Remove what was left by tests that are in none of these zoo files any more.

    A folder is removed only where it is ours beyond doubt: its provenance reads as we write it,
    names the test that gives the folder its name, and a model of one of ``zoos``. What another
    zoo has left stays, as does a link, and what a provider has left that was joined to a run,
    for as long as the zoo holds the conversion.

    Args:
        failures: the report's folder of failures; there may be none.
        zoos: the zoo files, all of which a run has selected, as the places of tests name them.
        known: ids of their tests: keys of cases, and ids of cases on a provider.

    Returns:
        Ids of the tests whose folders were removed.

    Raises:
        OSError: when a folder cannot be removed.
    """
    gone = []
    for left in _left(failures):
        ref = left.ref
        file = (ref.place or "").rpartition(":")[0]
        joined = ref.case in known and not left.of_the_zoo
        if not file or file not in zoos or ref.id in known or joined:
            continue
        left.folder.with_name(f"{left.folder.name}.zip").unlink(missing_ok=True)
        shutil.rmtree(left.folder)
        gone.append(ref.id)
    return gone


def _left(failures: Path) -> Iterator[_Left]:
    for folder in sorted(failures.iterdir()) if failures.is_dir() else ():
        if folder.is_symlink() or not folder.is_dir():
            continue
        try:
            told: Any = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
            ref = from_json(TestRef, told["found"]["ref"])
            of_the_zoo = ref.provider is None or ref.provider in told["entry"]["providers"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        if failure_name(ref.id) == folder.name:
            yield _Left(folder, ref, of_the_zoo)
