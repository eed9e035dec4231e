"""Stop Python code that takes too long."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


class OutOfTime(Exception):
    """The time that was given is over."""


@contextmanager
def deadline(seconds: float) -> Iterator[float]:
    """Raise :class:`OutOfTime` in the body after some seconds of wall-clock time.

    In the main thread a timer interrupts the body between two bytecodes; elsewhere nothing
    does, and the body looks at the time itself. A timer that runs already is put off.

    Yields:
        The moment it ends, on the clock of ``time.monotonic``.
    """
    ends = time.monotonic() + seconds
    if threading.current_thread() is not threading.main_thread():
        yield ends
        return

    def ring(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise OutOfTime

    handler = signal.signal(signal.SIGALRM, ring)
    remaining, interval = signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))
    started = time.monotonic()
    try:
        yield ends
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if remaining:
            left = max(remaining - (time.monotonic() - started), 1e-6)
            signal.setitimer(signal.ITIMER_REAL, left, interval)
