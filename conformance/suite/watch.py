"""Progress for people: which model is in which stage, and for how long."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from conformance.execution.progress import read_activities

#: Work is told of when it has taken this long, and again whenever that has doubled.
_SLOW_SECONDS = 10.0
_LOOK_EVERY_SECONDS = 1.0


class Watch:
    """Says at intervals what has been going on for long; silent while all is quick."""

    def __init__(self, folder: Path) -> None:
        """Watch the processes that report into ``folder``.

        Standard output is duplicated now, at the start of the session: during a test pytest
        captures it, and what is going on would be told after it is over.
        """
        self._folder = folder
        self._output = os.dup(1)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="conformance-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop; nothing is written after this returns."""
        self._stopped.set()
        self._thread.join()
        os.close(self._output)

    def _run(self) -> None:
        due: dict[tuple[str, float], float] = {}
        while not self._stopped.wait(_LOOK_EVERY_SECONDS):
            if lines := slow_work(self._folder, time.time(), due):
                os.write(self._output, "\n".join(["", *lines, ""]).encode())


def slow_work(folder: Path, now: float, due: dict[tuple[str, float], float]) -> list[str]:
    """A line for each process below ``folder`` that is due to be told of.

    Args:
        folder: of the progress files.
        now: seconds since the epoch.
        due: label and beginning to the seconds at which it is told of next; updated.
    """
    lines = []
    for activity in read_activities(folder):
        elapsed = now - activity.since
        work = (activity.label, activity.since)
        if elapsed >= due.get(work, _SLOW_SECONDS):
            due[work] = 2 * elapsed
            waits = f" waits for {activity.waits_for}" if activity.waits_for else ""
            lines.append(f"  … {activity.label}: {activity.stage}{waits}, {elapsed:.0f} s")
    return lines
