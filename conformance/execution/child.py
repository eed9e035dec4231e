"""Run specs in children that can be killed, and say truthfully how each one ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from conformance.execution.contract import (
    OUTPUT_LOG,
    OUTPUT_TAIL_CHARS,
    Completed,
    Failure,
    Spec,
)
from conformance.execution.limits import LOOK_EVERY_SECONDS, exceeded, exceeded_at_end
from conformance.execution.process import read_result
from conformance.execution.progress import read_activity
from conformance.execution.server import Server
from conformance.model import Stage, Verdict, to_json
from conformance.redaction import hide_secrets

#: Numeric libraries read these when they are loaded: one thread per child, because the
#: workers already use every core, and because latency is quoted for one thread.
_THREAD_COUNTS = ("OMP", "OPENBLAS", "MKL")
_ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in _THREAD_COUNTS} | {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}
#: tf2onnx walks sets of names: another hash seed makes another, equivalent graph.
_REPEATABLE = {"PYTHONHASHSEED": "0"}
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2", "TQDM_DISABLE": "1"}
_SECONDS_TO_DIE = 5.0
_SECONDS_TO_PRELOAD = 300.0
_SECONDS_TO_FORK = 60.0
#: How a child's end is told.
_End = TypeVar("_End")


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    return {**os.environ, **_ONE_THREAD, **_REPEATABLE, **_QUIET, **(more or {})}


class Executor(Protocol):
    """Runs a spec somewhere and reports how it ended."""

    def run(self, spec: Spec) -> Completed:
        """Run ``spec`` to its end or to its timeout; never raises for what the work does."""

    def close(self) -> None:
        """Give back what the executor holds; running work is killed."""


class ForkedChildren:
    """Children forked from a preloaded parent, one parent per set of modules (POSIX).

    Where a parent says that it must not be forked, or dies of its imports, children of that
    set of modules are fresh interpreters.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = _environment(environment)
        self._servers: dict[tuple[str, ...], Server] = {}
        self._unforkable: set[tuple[str, ...]] = set()
        self._spawned = SpawnedChildren(environment)

    def run(self, spec: Spec) -> Completed:
        """See :class:`Executor`."""
        server = self._server(spec.preload)
        if server is None:
            return self._spawned.run(spec)
        server.order(_write_spec(spec))
        started = server.answer(_SECONDS_TO_FORK)
        if not started:
            return self._server_died(spec)
        pid = int(json.loads(started)["pid"])
        try:
            ended, stopped = _watch(spec, pid, server.answer)
            if ended is None:
                _kill_group(pid)
                ended = server.answer(_SECONDS_TO_DIE)
        finally:
            _kill_group(pid)  # grandchildren that outlived their parent; all of it on Ctrl-C
        if not ended:
            return self._server_died(spec)
        usage = json.loads(ended)
        return _completed(spec, usage["status"], usage["peak_rss_bytes"], stopped)

    def close(self) -> None:
        """See :class:`Executor`."""
        for server in self._servers.values():
            server.end()
        self._servers.clear()

    def _server(self, preload: tuple[str, ...]) -> Server | None:
        """The parent for these modules; None where children must not be forked."""
        server = self._servers.get(preload)
        if preload in self._unforkable or (server is not None and server.lives):
            return server
        # noted before it is ready, so that whatever interrupts us finds it to end
        server = self._servers[preload] = Server(preload, self._environment)
        # importing the preloaded modules does not count to the entry's timeout
        ready = server.answer(_SECONDS_TO_PRELOAD)
        if ready:
            hazard = json.loads(ready)["hazard"]
        elif ready is None:
            hazard = f"they were not imported in {_SECONDS_TO_PRELOAD:g} s"
        else:
            hazard = f"the process that imported them ended with {_ending(server.wait())}"
        if hazard is None:
            return server
        self._servers.pop(preload).end()
        self._unforkable.add(preload)
        _note(f"no forked children with {', '.join(preload)}: {hazard}; each starts afresh, slower")
        return None

    def _server_died(self, spec: Spec) -> Completed:
        how = _ending(self._servers.pop(spec.preload).end())
        modules = ", ".join(spec.preload)
        reason = f"the process that preloads {modules} ended with {how}; try it in a new process"
        return Completed(None, Failure(Verdict.INFRA_ERROR, _stage_of(spec), reason, None))


class SpawnedChildren:
    """A fresh interpreter per spec: slower, and right where forking is not to be had."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = _environment(environment)

    def run(self, spec: Spec) -> Completed:
        """See :class:`Executor`."""
        with (spec.workdir / OUTPUT_LOG).open("wb") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", "conformance.execution.process", str(_write_spec(spec))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )
        try:
            _, stopped = _watch(spec, child.pid, lambda seconds: _wait(child, seconds))
        finally:
            _kill_group(child.pid)
            code = child.wait()
        status = -code if code < 0 else code << 8
        return _completed(spec, status, None, stopped)

    def close(self) -> None:
        """See :class:`Executor`; no process outlives its :meth:`run`."""


def children(environment: Mapping[str, str] | None = None) -> Executor:
    """The fastest executor that is safe on this platform.

    Forking a process that has loaded frameworks is proven on Linux only.
    """
    return (ForkedChildren if sys.platform == "linux" else SpawnedChildren)(environment)


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


def _note(text: str) -> None:
    """Tell people, also where warnings are errors: no model is to blame for this."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(text, RuntimeWarning, stacklevel=4)


def _write_spec(spec: Spec) -> Path:
    file = spec.workdir / "spec.json"
    file.write_text(json.dumps(to_json(spec)), encoding="utf-8")
    return file


def _watch(
    spec: Spec, group: int, ended: Callable[[float], _End | None]
) -> tuple[_End | None, str | None]:
    """Wait for the end of a process group, or until it has to be stopped.

    Args:
        spec: with its limits.
        group: id of the process group.
        ended: waits so many seconds for the end; None when it has not come.

    Returns:
        The end, or None and why the group has to be stopped.
    """
    deadline = time.monotonic() + spec.timeout_s
    while (left := deadline - time.monotonic()) > 0:
        if (end := ended(min(left, LOOK_EVERY_SECONDS))) is not None:
            return end, None
        if (reason := exceeded(spec, group)) is not None:
            return None, reason
    return None, f"took longer than its timeout of {spec.timeout_s:g} s"


def _wait(child: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # it is gone, and with it its group


def _stage_of(spec: Spec) -> Stage:
    activity = read_activity(spec.progress)
    return activity.stage if activity else Stage.LOAD


def _completed(
    spec: Spec, status: int, peak_rss_bytes: int | None, stopped: str | None
) -> Completed:
    too_much = stopped or exceeded_at_end(spec, peak_rss_bytes)
    tail = _output_tail(spec.workdir)
    stage = _stage_of(spec)
    result = None if too_much else read_result(spec.workdir)
    if result is not None and status == 0:
        value, failure = result
        if failure is not None:
            details = "\n".join(part for part in (failure.details, tail) if part)
            failure = replace(
                failure, reason=hide_secrets(failure.reason), details=hide_secrets(details)
            )
        return Completed(value, failure, peak_rss_bytes)
    if too_much:
        verdict = Verdict.FAIL
        reason = f"{too_much} and was stopped" if stopped else too_much
        # its tail is kept with the failure, and the disk is for the other models
        (spec.workdir / OUTPUT_LOG).unlink(missing_ok=True)
    elif os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        killed = number == signal.SIGKILL
        verdict = Verdict.INFRA_ERROR if killed else Verdict.FAIL
        reason = f"the process was ended by {signal.Signals(number).name}"
        if killed:
            reason += " from outside, as the kernel does when memory runs out"
    else:
        verdict = Verdict.FAIL
        reason = f"the process exited with status {os.waitstatus_to_exitcode(status)} and no result"
    return Completed(None, Failure(verdict, stage, reason, tail), peak_rss_bytes)


def _output_tail(workdir: Path) -> str | None:
    try:
        with (workdir / OUTPUT_LOG).open("rb") as log:
            log.seek(0, os.SEEK_END)
            # more than is kept: a secret on the border is found only where it is whole
            log.seek(max(0, log.tell() - 2 * OUTPUT_TAIL_CHARS))
            text = log.read().decode("utf-8", errors="replace").strip()
    except OSError:
        return None
    return hide_secrets(text)[-OUTPUT_TAIL_CHARS:] or None
