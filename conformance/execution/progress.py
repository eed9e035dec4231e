"""Which model is in which stage, told across processes by small files.

A process that works writes one file and replaces it at every change; whoever shows
progress reads the folder. The file also survives a crash, and then says where it happened.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from conformance.model import Stage


@dataclass(frozen=True, slots=True)
class Activity:
    """What a process is doing."""

    label: str
    stage: Stage
    #: Wall-clock time at which the work on this label began, in seconds since the epoch.
    since: float
    #: What the stage waits for before it begins.
    waits_for: str | None = None


class Progress:
    """Tells, from inside a process, which stage it is in."""

    def __init__(self, file: Path, label: str) -> None:
        self._file = file
        self._label = label
        self._since = time.time()
        self.current = Stage.LOAD

    def enter(self, stage: Stage) -> None:
        """A stage begins."""
        self.current = stage
        _write(self._file, Activity(self._label, stage, self._since))


def tell_waiting(file: Path, label: str, stage: Stage, waits_for: str) -> None:
    """Tell, before the process of a stage is started, what keeps it from starting."""
    file.parent.mkdir(parents=True, exist_ok=True)
    _write(file, Activity(label, stage, time.time(), waits_for))


def _write(file: Path, activity: Activity) -> None:
    replacement = file.with_suffix(f".{os.getpid()}")
    replacement.write_text(json.dumps(asdict(activity)), encoding="utf-8")
    replacement.replace(file)


def read_activity(file: Path) -> Activity | None:
    """What the file's process is doing, or None when it says nothing."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return Activity(**{**data, "stage": Stage(data["stage"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_activities(folder: Path) -> list[Activity]:
    """What every process that reports into ``folder`` is doing, longest first."""
    found = [read_activity(file) for file in folder.glob("*.json")]
    return sorted((a for a in found if a is not None), key=lambda a: a.since)
