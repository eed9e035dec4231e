"""Modules that make a process unsafe to fork by being imported, and frameworks that do not."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from textwrap import dedent

import pytest

from conformance.adapters import catalog
from conformance.execution.child import ForkedChildren
from conformance.execution.contract import Spec

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forking is proven on Linux only")

_HERE = Path(__file__).parent
_LIARS = {
    "holds_a_lock": (
        """
        import threading
        lock = threading.Lock()
        def hold():
            with lock: threading.Event().wait()
        threading.Thread(target=hold, name='holder', daemon=True).start()
        """,
        r"importing holds_a_lock left a thread running \(holder\)",
    ),
    "hides_its_thread": (
        """
        import _thread, time
        begun = _thread.allocate_lock()
        begun.acquire()
        def hide():
            begun.release()
            time.sleep(600)
        _thread.start_new_thread(hide, ())
        begun.acquire()
        """,
        "importing hides_its_thread left a thread running",
    ),
    "dies_after_a_fork": (
        """
        import os, signal
        os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGKILL))
        """,
        "a child that multiplied two matrices ended with signal SIGKILL",
    ),
    "hangs_after_a_fork": (
        """
        import os, time
        os.register_at_fork(after_in_child=lambda: time.sleep(600))
        """,
        "a child did not multiply two matrices in 10 s",
    ),
    "dies_at_import": (
        """
        import os, sys
        if 'forkserver' in ' '.join(sys.orig_argv): os._exit(7)
        """,
        "the process that imported them ended with exit status 7",
    ),
    "raises_at_import": (
        """
        import sys
        if 'forkserver' in ' '.join(sys.orig_argv): raise RuntimeError
        """,
        "the process that imported them ended with exit status 1",
    ),
}
_HONEST = {
    "was_quick": "import threading\nt = threading.Thread(target=int)\nt.start()\nt.join()\n",
    "is_missing": None,
}


@pytest.fixture
def run(tmp_path):
    executor = ForkedChildren({"PYTHONPATH": os.pathsep.join([str(_HERE), str(tmp_path)])})

    def run(*preload):
        runs = len(list(tmp_path.glob("run-*")))
        workdir = tmp_path / f"run-{runs}"
        workdir.mkdir()
        spec = Spec("targets:returns", {"number": 4}, workdir, workdir / "p", 60.0, preload=preload)
        return executor.run(spec)

    yield run
    executor.close()


@pytest.mark.parametrize("module", _LIARS)
def test_children_of_what_is_unsafe_to_fork_start_afresh(run, tmp_path, module):
    """The work is done all the same, the reason is told once, and other modules are forked."""
    code, reason = _LIARS[module]
    (tmp_path / f"{module}.py").write_text(dedent(code))
    with pytest.warns(RuntimeWarning, match=reason) as told:
        completed = [run(module), run(module)]
    assert len(told) == 1
    assert [c.value["doubled"] for c in completed] == [8, 8]
    assert [c.peak_rss_bytes for c in completed] == [None, None], "it was forked"
    assert run("json").peak_rss_bytes is not None


@pytest.mark.parametrize("module", _HONEST)
def test_what_only_looks_unsafe_is_forked(run, tmp_path, module):
    """A thread that has ended, and a module that is not there, keep nobody from forking."""
    if _HONEST[module] is not None:
        (tmp_path / f"{module}.py").write_text(_HONEST[module])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run(module).peak_rss_bytes is not None


@pytest.mark.parametrize(
    ("framework", "module"),
    [
        ("pytorch", "torch"),
        ("transformers", "transformers"),
        ("tensorflow", "tensorflow"),
        ("sklearn", "skl2onnx"),
    ],
)
def test_the_frameworks_are_forked(run, framework, module):
    """What costs seconds to import is imported once: none of them is taken for unsafe."""
    pytest.importorskip(module)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        preload = (*catalog()[framework].preload, "conformance.pipeline")
        assert run(*preload).peak_rss_bytes is not None


def test_a_pool_of_threads_that_a_child_would_wait_for_is_found(run, tmp_path):
    """OpenMP's threads are not in a child, which waits for them: nothing to see, only to try."""
    pytest.importorskip("torch")
    (tmp_path / "has_a_pool.py").write_text(
        "import torch\ntorch.set_num_threads(4)\n(torch.ones(1000000) + 1).sum()\n"
        "torch.ones(1024, 1024) @ torch.ones(1024, 1024)\n"
    )
    with pytest.warns(RuntimeWarning, match="a child did not multiply two matrices"):
        assert run("has_a_pool").value["doubled"] == 8
