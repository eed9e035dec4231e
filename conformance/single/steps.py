"""What a conversion is doing, told to whoever listens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from conformance.execution.progress import read_activity
from conformance.model import Stage

_LOOK_EVERY_S = 0.05


class Step(StrEnum):
    """The steps that people see, in order; a stage of the pipeline belongs to one of them."""

    DETECT = "detect"
    DOWNLOAD = "download"
    LOAD = "load"
    EXPORT = "export"
    OPTIMIZE = "optimize"
    VERIFY = "verify"
    WRITE = "write"


#: The steps of the pipeline's stages; what is done to a model between its export and its session
#: (it is checked, and made into the variant that was asked for) is one step.
STEP_OF = {
    Stage.LOAD: Step.LOAD,
    Stage.INPUTS: Step.LOAD,
    Stage.REFERENCE: Step.LOAD,
    Stage.EXPORT: Step.EXPORT,
    Stage.CHECK: Step.OPTIMIZE,
    Stage.OPTIMIZE: Step.OPTIMIZE,
    # the source is timed there, before a variant is made
    Stage.LATENCY: Step.OPTIMIZE,
    Stage.SESSION: Step.VERIFY,
    Stage.PARITY: Step.VERIFY,
}
#: Those that follow each other in a conversion that is made.
_OF_A_CONVERSION = (Step.LOAD, Step.EXPORT, Step.OPTIMIZE, Step.VERIFY)


@dataclass(frozen=True, slots=True)
class Progressed:
    """A step has begun, or has ended."""

    step: Step
    #: ``None`` while it lasts; then how long it took, in seconds.
    seconds: float | None = None


Listener = Callable[[Progressed], None]


class Reporter:
    """Turns beginnings of steps into beginnings and ends; one step is under way at a time."""

    def __init__(self, listener: Listener | None) -> None:
        self._listener = listener
        self._lock = threading.Lock()
        self._step: Step | None = None
        self._since = 0.0
        #: Whether a process was seen to convert, which the cache would have spared it.
        self._converts = False

    def begin(self, step: Step) -> None:
        """``step`` is under way; the one before it has ended. Going back is ignored."""
        with self._lock:
            if step is self._step or self._is_over(step):
                return
            self._converts = self._converts or step in (Step.EXPORT, Step.OPTIMIZE)
            for passed in self._unseen(step):
                self._start(passed)
            self._start(step)

    def end(self) -> None:
        """The last step has ended."""
        with self._lock:
            self._end()
            self._step = None

    @contextmanager
    def watching(self, progress: Path) -> Iterator[None]:
        """Follow the stages that processes write into ``progress`` until the block ends."""
        over = threading.Event()

        def look() -> None:
            while not over.wait(_LOOK_EVERY_S):
                activity = read_activity(progress)
                if activity is not None and activity.waits_for is None:
                    step = STEP_OF[activity.stage]
                    self._converts = self._converts or step is not Step.VERIFY
                    self.begin(step)

        thread = threading.Thread(target=look, name="conversion-progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _is_over(self, step: Step) -> bool:
        order = list(Step)
        return self._step is not None and order.index(step) < order.index(self._step)

    def _unseen(self, step: Step) -> list[Step]:
        """Steps that a conversion has taken between two looks at its process's progress."""
        if not self._converts or not {self._step, step} <= {*_OF_A_CONVERSION}:
            return []
        now, then = (_OF_A_CONVERSION.index(s) for s in (self._step, step))
        return list(_OF_A_CONVERSION[now + 1 : then])

    def _start(self, step: Step) -> None:
        self._end()
        self._step, self._since = step, time.perf_counter()
        self._tell(Progressed(step))

    def _end(self) -> None:
        if self._step is not None:
            self._tell(Progressed(self._step, round(time.perf_counter() - self._since, 3)))

    def _tell(self, progressed: Progressed) -> None:
        if self._listener is not None:
            self._listener(progressed)
