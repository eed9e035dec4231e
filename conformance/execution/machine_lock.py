"""Who uses the machine: many stages at once, or one latency measurement alone.

A readers/writer lock between processes, whatever run and checkout they belong to. The kernel
releases it when its holder dies, however it dies. It is held by the process that runs a stage,
not by the stage's child, so that a child that is killed or left behind keeps nobody waiting.

Two files, because ``flock`` alone lets readers who come and go keep a writer out for ever: who
wants to be alone closes the *gate* first, so that only those who are in already are waited for.
Where there is no ``flock`` (Windows), measurements only keep each other out.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

#: Longest wait, in seconds. Then work goes on without the lock, and a measurement says so.
PATIENCE_S = 600.0
_LOOK_EVERY_SECONDS = 0.02


def _nobody() -> None:
    """Told that the lock has to be waited for."""


@contextlib.contextmanager
def busy(
    file: Path, *, waiting: Callable[[], None] = _nobody, timeout_s: float = PATIENCE_S
) -> Iterator[None]:
    """Use the machine beside others; while somebody measures alone, or wants to, wait first.

    After ``timeout_s`` the work goes on all the same: a measuring process that was suspended
    must not stop everybody. Not to be nested, as someone may close the gate in between.

    Args:
        file: of the lock; the same for all who share the machine.
        waiting: called once, when the lock cannot be had at once.
        timeout_s: longest wait.
    """
    if sys.platform == "win32":
        yield
        return
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):  # a lock that cannot be made keeps nobody from work
            gate, inside = _opened(held, file)
            _take(gate, waiting, time.monotonic() + timeout_s, exclusive=False)
            _take(inside, _nobody, 0.0, exclusive=False)
            _release(gate)
        yield


@contextlib.contextmanager
def alone(
    file: Path, *, waiting: Callable[[], None] = _nobody, timeout_s: float = PATIENCE_S
) -> Iterator[bool]:
    """Use the machine while no other process that asks this lock does.

    Args:
        file: of the lock; the same for all who share the machine.
        waiting: called once, when the lock cannot be had at once.
        timeout_s: longest wait.

    Yields:
        Whether the machine is this process's own: False when it could not be had in time, or
        the lock's files cannot be made.
    """
    if sys.platform == "win32":
        with _only_measurement(file, timeout_s) as only:
            yield only
        return
    with contextlib.ExitStack() as held:
        granted = False
        with contextlib.suppress(OSError):
            gate, inside = _opened(held, file)
            deadline = time.monotonic() + timeout_s
            tell = _once(waiting)
            granted = _take(gate, tell, deadline, exclusive=True) and _take(
                inside, tell, deadline, exclusive=True
            )
            if not granted:
                # measure as one of many: who wants to be alone should not be beside this
                _release(gate)
                _take(inside, _nobody, 0.0, exclusive=False)
        yield granted


def _opened(held: contextlib.ExitStack, file: Path) -> tuple[int, int]:
    """Descriptors of gate and lock; closing them, as any end of the process does, lets go."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptors = []
    for path in (file.with_name(f"{file.name}.gate"), file):
        # to read is enough for flock, and lets users with one file between them share it;
        # what this process starts does not inherit it
        descriptors.append(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
        held.callback(os.close, descriptors[-1])
    return descriptors[0], descriptors[1]


def _take(
    descriptor: int, waiting: Callable[[], None], deadline: float, *, exclusive: bool
) -> bool:
    import fcntl

    told = False
    while True:
        try:
            mode = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
        else:
            return True
        if not told:
            told = True
            waiting()
        time.sleep(_LOOK_EVERY_SECONDS)


def _release(descriptor: int) -> None:
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_UN)


def _once(call: Callable[[], None]) -> Callable[[], None]:
    calls = [call]

    def first() -> None:
        if calls:
            calls.pop()()

    return first


@contextlib.contextmanager
def _only_measurement(file: Path, timeout_s: float) -> Iterator[bool]:
    from filelock import FileLock, Timeout

    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=timeout_s)
    except Timeout:
        yield False
        return
    try:
        yield False  # others convert meanwhile: alone among measurements only
    finally:
        lock.release()
