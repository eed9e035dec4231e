"""What the cases of a zoo took in the last runs, for those who plan the next one."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from conformance.history.folder import list_runs
from conformance.model import TestKind

#: A case that none of the latest runs had is one without a history.
_RUNS = 5
#: No footer is longer.
_FOOTER_BYTES = 4096


def former_seconds(report_dir: Path, cases: Collection[str]) -> dict[str, float]:
    """Seconds of conversion and parity by case key, from the latest runs that had the case.

    A conversion from the cache counts as long as it took when it was made: whether it will be
    cached again, nobody knows. Runs, lines and values that are damaged are passed over.

    Args:
        report_dir: the report folder; one that is not there has no history.
        cases: keys of the cases that are asked for.
    """
    return _latest(list_runs(report_dir)[-_RUNS:], cases)


def shared_seconds(report_dir: Path, cases: Collection[str]) -> dict[str, float]:
    """As :func:`former_seconds`, from what machines that divide a zoo between them all have.

    These are runs of a whole zoo that have ended. A machine's run of its own part is not on the
    others, and one that goes on says something else a moment later.
    """
    return _latest([run for run in list_runs(report_dir) if _is_shared(run)][-_RUNS:], cases)


def _latest(runs: Sequence[Path], cases: Collection[str]) -> dict[str, float]:
    """Seconds by case, from the last of the runs that had it."""
    missing = set(cases)
    found: dict[str, float] = {}
    for run in reversed(runs):
        if not missing:
            break
        latest = _seconds(run, missing)
        found |= latest
        missing -= latest.keys()
    return found


def _is_shared(run: Path) -> bool:
    try:
        with run.open("rb") as file:
            header = json.loads(file.readline())
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _FOOTER_BYTES))
            last = file.read().splitlines()[-1:]
    except (OSError, ValueError, RecursionError):
        return False
    whole = isinstance(header, dict) and header.get("shard") is None
    return whole and any(line.startswith(b'{"kind":"footer"') for line in last)


def _seconds(run: Path, cases: Collection[str]) -> dict[str, float]:
    # the whole record is not needed, and checking it would take most of the time
    seconds: dict[str, float] = {}
    try:
        with run.open("rb") as lines:
            for line in lines:
                if b'"kind":"record"' not in line[:64]:
                    continue
                try:
                    case, taken = _taken(json.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                    continue
                if taken is not None and case in cases:
                    seconds[case] = seconds.get(case, 0.0) + taken
    except OSError:
        return {}
    return seconds


def _taken(record: Any) -> tuple[str, float | None]:
    ref, taken = record["ref"], float(record["duration_s"])
    if ref["test"] == TestKind.EXPORT and record["export"] is not None:
        taken = max(taken, float(record["export"]["export_seconds"]))
    return str(ref["case"]), None if ref["test"] == TestKind.LATENCY else taken
