"""The preloaded parent: imports a framework once, then forks a child per spec.

Run as ``python -m conformance.execution.forkserver MODULE...``. When it has imported them, it
answers with a JSON line on standard output: ``hazard``, which is null, or why it must not be
forked; then it ends. Otherwise it reads the path of a spec per line on standard input and
answers with two JSON lines: the child's pid, then how it ended. It only imports; it never runs
a model itself, so that the children it forks start from a clean state. It ends with its
standard input.
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
    from conformance.execution.contract import OUTPUT_LOG, Spec
    from conformance.execution.process import perform
    from conformance.execution.warm import warm
    from conformance.model import from_json

    warm()
    gc.freeze()  # keep the shared pages shared: no collector writes into them
    gc.enable()
    hazard = watch.hazard() if rehearsal is None else rehearsal.problem()
    print(json.dumps({"hazard": hazard}), file=answers, flush=True)
    if hazard is not None:
        return
    for line in sys.stdin:
        spec = from_json(Spec, json.loads(Path(line.strip()).read_text(encoding="utf-8")))
        pid = os.fork()
        if pid == 0:
            _become_child(spec.workdir / OUTPUT_LOG)
            try:
                perform(spec)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                # no clean-up of the parent's modules: their threads do not exist here
                os._exit(0)
        print(json.dumps({"pid": pid}), file=answers, flush=True)
        _, status, usage = os.wait4(pid, 0)
        ended = {"status": status, "peak_rss_bytes": usage.ru_maxrss * 1024}
        print(json.dumps(ended), file=answers, flush=True)


def _become_child(log_file: Path) -> None:
    os.setsid()  # its own process group: whatever it starts is killed with it
    die_with_parent()
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)


if __name__ == "__main__":
    serve(sys.argv[1:])
