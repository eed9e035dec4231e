"""Which model is in which stage, told across processes by small files.

A process that works writes one file and replaces it at every change; whoever shows
progress reads the folder. The file also survives a crash, and then says where it happened.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from conformance.model import Stage


@dataclass(frozen=True, slots=True)
class Activity:
    """What a process is doing."""

    label: str
    stage: Stage
    #: Wall-clock time at which the work on this label began, in seconds since the epoch.
    since: float


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
        text = json.dumps({"label": self._label, "stage": stage, "since": self._since})
        replacement = self._file.with_suffix(f".{os.getpid()}")
        replacement.write_text(text, encoding="utf-8")
        replacement.replace(self._file)


def read_activity(file: Path) -> Activity | None:
    """What the file's process is doing, or None when it says nothing."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return Activity(str(data["label"]), Stage(data["stage"]), float(data["since"]))
    except (OSError, ValueError, KeyError):
        return None


def read_activities(folder: Path) -> list[Activity]:
    """What every process that reports into ``folder`` is doing, longest first."""
    found = [read_activity(file) for file in folder.glob("*.json")]
    return sorted((a for a in found if a is not None), key=lambda a: a.since)
