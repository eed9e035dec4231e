from __future__ import annotations

import signal

import pytest


@pytest.fixture(autouse=True)
def interruptible():
    """Started in the background, a shell's commands ignore Ctrl-C, and so do their children."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.fixture(autouse=True)
def nothing_left_running():
    """What a failed test has left running is ended with it."""
    import psutil

    before = set(psutil.Process().children(recursive=True))
    yield
    for process in psutil.Process().children(recursive=True):
        if process not in before:
            process.kill()
