"""Progress for people: which model is in which stage, and for how long."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Protocol

from conformance.execution.progress import read_activities

#: Work that takes less than this is not worth a line.
_SLOW_SECONDS = 10.0
_EVERY_SECONDS = 10.0


class Terminal(Protocol):
    """The part of pytest's terminal reporter that is used here."""

    def ensure_newline(self) -> None:
        """Start a new line unless at the start of one."""

    def write_line(self, line: str) -> None:
        """Write one line."""


class Watch:
    """Says at intervals what has been going on for long; silent while all is quick."""

    def __init__(self, folder: Path, terminal: Terminal) -> None:
        self._folder = folder
        self._terminal = terminal
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="conformance-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop; nothing is written after this returns."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(_EVERY_SECONDS):
            if lines := slow_work(self._folder, time.time()):
                self._terminal.ensure_newline()
                for line in lines:
                    self._terminal.write_line(line)


def slow_work(folder: Path, now: float) -> list[str]:
    """A line for each process below ``folder`` that has been at its model for long."""
    return [
        f"  … {activity.label}: {activity.stage}, {now - activity.since:.0f} s"
        for activity in read_activities(folder)
        if now - activity.since >= _SLOW_SECONDS
    ]
