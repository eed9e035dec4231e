"""The preloaded parent: imports a framework once, then forks a child per spec.

Run as ``python -m conformance.execution.forkserver MODULE...``. When it has imported them, it
answers with a JSON line on standard output: ``hazard``, which is null, or why it must not be
forked; then it ends. Otherwise it reads the path of a spec per line on standard input and
answers with two JSON lines: the child's pid, then how it ended. It only imports; it never runs
a model itself, so that the children it forks start from a clean state. The child for the next
spec is forked while the last one works, and waits. The server ends with its standard input.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import NoReturn, TextIO

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends, however it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def serve(modules: list[str]) -> None:
    """Import ``modules`` and fork children until standard input ends."""
    die_with_parent()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what frameworks print at import must not mix with the answers
    from conformance.execution.fork_safety import ImportWatch, Rehearsal

    # imports make objects that stay, by the million: to look for garbage among them is in vain
    gc.disable()
    watch = ImportWatch()
    for module in modules:
        try:
            import_module(module)
        except ImportError as error:
            # the child imports it again and reports the error as its own
            sys.stderr.write(f"preloading {module}: {error}\n")
        watch.imported(module)
    # what is unsafe to fork at sight is not forked for a try either
    rehearsal = None if watch.hazard() else Rehearsal()
    from conformance.execution.warm import warm

    warm()
    gc.freeze()  # keep the shared pages shared: no collector writes into them
    gc.enable()
    hazard = watch.hazard() if rehearsal is None else rehearsal.problem()
    print(json.dumps({"hazard": hazard}), file=answers, flush=True)
    if hazard is not None:
        return
    spare = _forked_ahead(answers)
    for line in sys.stdin:
        child = _given(line.strip(), spare, answers)
        print(json.dumps({"pid": child.pid}), file=answers, flush=True)
        spare = _forked_ahead(answers)
        _, status, usage = os.wait4(child.pid, 0)
        ended = {"status": status, "peak_rss_bytes": usage.ru_maxrss * 1024}
        print(json.dumps(ended), file=answers, flush=True)


class _Child:
    """A child that waits for its spec."""

    def __init__(self, answers: TextIO) -> None:
        """Fork it."""
        orders, self._order = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._order)
            answers.close()
            _live(orders)
        os.close(orders)

    def take(self, spec: str) -> bool:
        """Give it the path of its spec; False where it was killed while it waited."""
        try:
            os.write(self._order, spec.encode())
        except BrokenPipeError:
            os.waitpid(self.pid, 0)
            return False
        finally:
            os.close(self._order)
        return True


def _forked_ahead(answers: TextIO) -> _Child | None:
    """A child for the next spec: to fork one takes milliseconds that nobody waits for now."""
    try:
        return _Child(answers)
    except OSError:
        return None  # no memory or no process is left: the next spec may find some, or say so


def _given(spec: str, spare: _Child | None, answers: TextIO) -> _Child:
    """The child that has the spec: the spare one if it lives, else another."""
    if spare is not None and spare.take(spec):
        return spare
    child = _Child(answers)
    child.take(spec)
    return child


def _live(orders: int) -> NoReturn:
    """Be a child: wait for a spec, perform it, end."""
    from conformance.execution.contract import OUTPUT_LOG, Spec
    from conformance.execution.process import perform, practise
    from conformance.model import from_json

    try:
        os.setsid()  # its own process group: whatever it starts is killed with it
        die_with_parent()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        practise()
        with os.fdopen(orders, encoding="utf-8") as pipe:
            file = pipe.read()
        if file:  # else the parent is gone
            spec = from_json(Spec, json.loads(Path(file).read_text(encoding="utf-8")))
            log = os.open(spec.workdir / OUTPUT_LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(log, 1)
            os.dup2(log, 2)
            perform(spec)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # no clean-up of the parent's modules: their threads do not exist here
        os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1:])
