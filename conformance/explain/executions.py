"""Ways to execute a graph, or a part of one: the reference evaluator and ONNX Runtime."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from conformance import runtime
from conformance.errors import ConformanceError, SessionError
from conformance.graph.evaluate import Evaluator, NotAffordable
from conformance.tensors import Arrays

#: Share of the time left that one reference evaluation may take: more is to come after it.
_LARGEST_SHARE = 0.3


class CannotRun(ConformanceError):
    """An execution cannot answer; the message says why."""


#: Answers of one model: from feeds to outputs by name; raises CannotRun.
Ready = Callable[[Mapping[str, np.ndarray]], Arrays]


@dataclass(frozen=True, slots=True)
class Execution:
    """A named way to get a graph's answers."""

    name: str
    #: Makes a ``ModelProto`` ready to be asked; raises CannotRun.
    ready: Callable[[Any], Ready]
    #: It takes and gives float64 where the graph says float32.
    float64: bool = False

    def run(self, model: Any, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """Ask a model once: output name to array.

        Raises:
            CannotRun: when it cannot answer.
        """
        return self.ready(model)(feeds)


class Clock:
    """The time that is left for an explanation."""

    def __init__(self, budget_s: float) -> None:
        """Start.

        Args:
            budget_s: seconds of wall-clock time from now.
        """
        self._ends = time.monotonic() + budget_s

    @property
    def left_s(self) -> float:
        """Seconds left; not negative."""
        return max(0.0, self._ends - time.monotonic())

    def check(self) -> None:
        """Refuse to begin anything more when the time is over.

        Raises:
            CannotRun: when it is.
        """
        if not self.left_s:
            raise CannotRun("the time for the explanation is over")


def reference(clock: Clock, *, float64: bool = True) -> Execution:
    """ONNX's reference evaluator, within the time that is left."""

    def ready(model: Any) -> Ready:
        clock.check()
        try:
            evaluator = Evaluator(model, float64=float64)
        except NotAffordable as error:
            raise CannotRun(str(error)) from error

        def run(feeds: Mapping[str, np.ndarray]) -> Arrays:
            try:
                return evaluator(feeds, clock.left_s * _LARGEST_SHARE)
            except NotAffordable as error:
                raise CannotRun(str(error)) from error

        return run

    return Execution(f"ONNX in {'float64' if float64 else 'float32'}", ready, float64)


def onnx_runtime(clock: Clock, provider: str = "cpu", *, optimize: bool) -> Execution:
    """ONNX Runtime on a provider, its graph optimizations on or off."""

    def ready(model: Any) -> Ready:
        clock.check()
        try:
            with tempfile.TemporaryDirectory(prefix="conformance-explain-") as folder:
                path = Path(folder) / "model.onnx"
                _save(model, path)
                session = runtime.create_session(path, provider, optimize=optimize)
        except SessionError as error:
            raise CannotRun(str(error)) from error
        names = {value.name for value in session.get_inputs()}

        def run(feeds: Mapping[str, np.ndarray]) -> Arrays:
            try:
                return runtime.run(session, {n: a for n, a in feeds.items() if n in names})
            except SessionError as error:
                raise CannotRun(str(error)) from error

        return run

    switched = "" if optimize else ", optimizations off"
    where = "" if provider == "cpu" else f" on {provider}"
    return Execution(f"ONNX Runtime{where}{switched}", ready)


def _save(model: Any, path: Path) -> None:
    import onnx
    from google.protobuf.message import EncodeError

    try:
        onnx.save(model, str(path))
    except (EncodeError, ValueError) as error:  # above 2 GB; which one is protobuf's choice
        raise CannotRun(f"the model is too large to be cut: {error}") from error
