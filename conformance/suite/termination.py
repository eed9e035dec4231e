"""SIGTERM ends a session as Ctrl-C does: with a report, and with nothing left running."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from conformance.execution.forkserver import die_with_parent


class Termination:
    """Turns the first SIGTERM into a ``KeyboardInterrupt``, on the controller and its workers.

    CI systems, containers and batch queues stop a run with SIGTERM and follow up with SIGKILL
    soon after, so whatever runs is ended at once and the time left is spent on the report.
    """

    def __init__(self, folder: Path, worker: str | None) -> None:
        """Prepare; nothing changes before :meth:`arm`.

        Args:
            folder: shared by the controller and its workers, who leave their pids there.
            worker: xdist's name of this process, or None on the controller.
        """
        self._folder = folder
        self._worker = worker
        self._former: Any = None
        self._armed = False

    def arm(self) -> None:
        """Take over SIGTERM; a worker also dies with its controller, however that ends."""
        if threading.current_thread() is not threading.main_thread():
            return  # only the main thread may handle signals
        self._former = signal.signal(signal.SIGTERM, _interrupt)
        self._armed = True
        if self._worker is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / self._worker).write_text(str(os.getpid()), encoding="utf-8")
            die_with_parent()

    def hold(self) -> None:
        """From here on the session only ends and reports, which no SIGTERM should cut short."""
        if self._armed:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def disarm(self) -> None:
        """Give SIGTERM back."""
        if self._armed:
            signal.signal(signal.SIGTERM, self._former or signal.SIG_DFL)
            self._armed = False

    def end_workers(self) -> None:
        """Send SIGTERM to this controller's workers that are still there.

        xdist itself asks them to end after their running test, and waits ten seconds.
        """
        import psutil

        for file in self._folder.glob("*"):
            try:
                worker = psutil.Process(int(file.read_text(encoding="utf-8")))
                # a worker that crashed may have left its pid to another process
                if worker.ppid() == os.getpid():
                    worker.terminate()
            except (psutil.NoSuchProcess, ValueError):
                continue  # it has ended


def _interrupt(number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stderr.write("conformance: SIGTERM: ending the run, writing the report\n")
    raise KeyboardInterrupt(signal.Signals(number).name)
