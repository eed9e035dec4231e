"""Whether a process that has imported modules may be forked, decided before it is.

A child has only the thread that forked. What another thread held at that moment, such as a
lock, is held for ever in the child. So no import may leave a Python thread behind, nor an
initialised CUDA, which no child can use; and a child must be able to do what children do.

Native threads are not counted: those of numerical libraries wait for work and hold nothing
(ONNX Runtime leaves one). The rehearsal is what finds one that does harm.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

#: A child that has not multiplied small matrices by then never will, on any machine.
_SECONDS_TO_REHEARSE = 10.0
#: Large enough for a library to spread it over its threads, small enough to take a millisecond.
_SIZE = 256
#: Modules whose matrix product is tried where they are loaded; all spell it in the same way.
_REHEARSED = ("numpy", "torch", "tensorflow")
#: Where there is a GPU, the first operation of TensorFlow starts it up, which takes seconds.
_GPU = Path("/dev/nvidiactl")


class ImportWatch:
    """Remembers which import started which of the threads that have Python state."""

    def __init__(self) -> None:
        """Threads that are there now are not an import's."""
        self._before = set(_threads())
        self._started: dict[int, str] = {}
        self._cuda: str | None = None

    def imported(self, module: str) -> None:
        """``module`` was imported just now, or could not be."""
        for thread in _threads().keys() - self._before:
            self._started.setdefault(thread, module)
        if self._cuda is None and _opened("/dev/nvidia"):
            self._cuda = module

    def hazard(self) -> str | None:
        """What makes this process unsafe to fork; None for nothing that can be seen."""
        there = _threads()
        for thread, module in self._started.items():
            if thread in there:
                return f"importing {module} left a thread running ({there[thread]})"
        if self._cuda is not None:
            return f"importing {self._cuda} opened a GPU"
        return None


class Rehearsal:
    """A child that does a little of what children will do, while its parent goes on."""

    def __init__(self) -> None:
        """Fork it."""
        self._deadline = time.monotonic() + _SECONDS_TO_REHEARSE
        self._pid = os.fork()
        if self._pid == 0:
            _rehearse()

    def problem(self) -> str | None:
        """Wait for its end, not for long: what went wrong in it, or None."""
        status = self._wait()
        if status is None:
            return f"a child did not multiply two matrices in {_SECONDS_TO_REHEARSE:g} s"
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return None
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        return f"a child that multiplied two matrices ended with {how}"

    def _wait(self) -> int | None:
        pause = 0.001
        while time.monotonic() < self._deadline:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                return status
            time.sleep(pause)
            pause = min(2 * pause, 0.05)
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        return None


def _rehearse() -> NoReturn:
    try:
        for name in _REHEARSED:
            module: Any = sys.modules.get(name)
            if module is not None and not (name == "tensorflow" and _GPU.exists()):
                ones = module.ones((_SIZE, _SIZE), dtype=module.float32)
                if float((ones @ ones)[0, 0]) != _SIZE:
                    os._exit(2)
    except BaseException:  # noqa: BLE001 - it must not go on as a second parent
        os._exit(1)
    os._exit(0)


def _threads() -> dict[int, str]:
    """Threads with Python state, whoever started them, by their number, with their names."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = sys._current_frames()  # noqa: SLF001 - the documented way to threads of C as well
    return {number: names.get(number, f"number {number}") for number in frames}


def _opened(prefix: str) -> bool:
    """Whether this process has a file open whose path begins so; False where nobody knows."""
    try:
        descriptors = list(Path("/proc/self/fd").iterdir())
    except OSError:
        return False
    for descriptor in descriptors:
        try:
            if str(descriptor.readlink()).startswith(prefix):
                return True
        except OSError:
            continue  # the one that listed the folder
    return False
