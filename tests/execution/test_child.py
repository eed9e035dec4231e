from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from conformance.execution.child import ForkedChildren, SpawnedChildren
from conformance.execution.contract import Spec
from conformance.model import Stage, Verdict

HERE = str(Path(__file__).parent)


@pytest.fixture(params=[ForkedChildren, SpawnedChildren])
def executor(request):
    made = request.param({"PYTHONPATH": HERE})
    yield made
    made.close()


@pytest.fixture
def run(executor, tmp_path):
    def run(target, *, timeout_s=60.0, limits=None, **payload):
        workdir = tmp_path / f"{target}-{time.monotonic_ns()}"
        workdir.mkdir()
        progress = tmp_path / "progress.json"
        progress.unlink(missing_ok=True)
        where = {"workdir": workdir, "progress": progress}
        limits = {"timeout_s": timeout_s, **(limits or {})}
        return executor.run(Spec(f"targets:{target}", payload, **where, **limits))

    return run


def test_a_result_comes_back_and_the_child_computes_with_one_thread(run):
    """What the target returns arrives as it is; numeric libraries are held to one thread."""
    assert run("returns", number=21).value == {"doubled": 42, "threads": "1"}


def test_an_exception_is_a_failure_at_the_stage_that_was_running(run):
    """An unforeseen exception belongs to the stage entered last, and keeps what was printed."""
    failure = run("raises").failure
    assert (failure.verdict, failure.stage) == (Verdict.FAIL, Stage.EXPORT)
    assert failure.reason == "ZeroDivisionError: by zero"
    assert "the exporter said this" in failure.details
    assert "Traceback" in failure.details


def test_a_stage_error_knows_its_own_stage(run):
    """An error of a named stage is reported there, wherever it was raised."""
    failure = run("raises_its_own_stage").failure
    assert (failure.stage, failure.reason) == (Stage.CHECK, "opset is 17")


def test_infra_trouble_is_not_the_models_fault(run):
    """Network trouble gets a verdict of its own."""
    assert run("infra").failure.verdict is Verdict.INFRA_ERROR


@pytest.mark.parametrize(
    ("target", "verdict", "stage", "text"),
    [
        ("segfaults", Verdict.FAIL, Stage.SESSION, "SIGSEGV"),
        ("exits", Verdict.FAIL, Stage.LOAD, "status 3"),
        ("killed", Verdict.INFRA_ERROR, Stage.LOAD, "SIGKILL from outside"),
    ],
)
def test_a_death_is_told_by_its_cause_and_the_next_spec_runs(run, target, verdict, stage, text):
    """Crash, exit and kill are told apart, and leave the executor usable."""
    failure = run(target).failure
    assert (failure.verdict, failure.stage) == (verdict, stage)
    assert text in failure.reason
    assert run("returns", number=1).value["doubled"] == 2


def test_a_hang_that_holds_the_gil_is_stopped_at_the_timeout(run):
    """The timeout kills from outside, so native code cannot refuse it."""
    started = time.monotonic()
    failure = run("hangs", timeout_s=1.0).failure
    assert time.monotonic() - started < 30
    assert (failure.verdict, failure.stage) == (Verdict.FAIL, Stage.LATENCY)
    assert "timeout of 1 s" in failure.reason
    assert run("returns", number=1).value["doubled"] == 2


def test_a_grandchild_does_not_outlive_its_spec(run):
    """Whatever a child started ends with it."""
    import psutil

    pid = run("leaves_a_grandchild").value["pid"]
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("target", ["takes_memory", "has_a_child_that_takes_memory"])
def test_memory_above_the_limit_stops_the_process_and_all_it_started(run, target):
    """What counts is what the whole process group holds; the reason names the limit."""
    limits = {"memory_bytes": 256 << 20}
    failure = run(target, limits=limits, bytes=512 << 20, hold_s=600).failure
    assert (failure.verdict, failure.stage) == (Verdict.FAIL, Stage.EXPORT)
    assert "needed more than 256 MiB (limit) of memory and was stopped" in failure.reason
    assert run("returns", number=1).value["doubled"] == 2


def test_memory_below_the_limit_and_no_limit_are_left_alone(run):
    """A limit stops nothing that keeps to it, and none is set by default."""
    more = {"bytes": 128 << 20, "hold_s": 0.2}
    assert run("takes_memory", limits={"memory_bytes": 1 << 30}, **more).failure is None
    assert run("takes_memory", **more).failure is None


def test_a_peak_between_two_looks_is_above_the_limit_too(tmp_path):
    """A forked child's own peak decides, so that being quick changes no verdict."""
    executor = ForkedChildren({"PYTHONPATH": HERE})
    payload = {"bytes": 512 << 20, "hold_s": 0.0}
    spec = Spec(
        "targets:takes_memory", payload, tmp_path, tmp_path / "p", 60.0, memory_bytes=256 << 20
    )
    try:
        assert "more than 256 MiB" in executor.run(spec).failure.reason
    finally:
        executor.close()


def test_output_above_the_limit_stops_the_process_before_the_disk_is_full(run, tmp_path):
    """A gigabyte of output is cut short, its tail is kept with the failure, and it is removed."""
    done = tmp_path / "done"
    failure = run("writes", mib=1024, pause_s=0.002, done=str(done)).failure
    assert (failure.verdict, failure.stage) == (Verdict.FAIL, Stage.EXPORT)
    assert failure.reason == "wrote more than 64 MiB (limit) to its output and was stopped"
    assert failure.details.endswith("xxx")
    assert not done.exists()
    assert not list(tmp_path.glob("*/output.log"))


def test_output_is_judged_the_same_when_it_was_quick(run, tmp_path):
    """What is written between two looks counts."""
    limits = {"output_bytes": 1 << 20}
    failure = run("writes", limits=limits, mib=3, pause_s=0, done=str(tmp_path / "done")).failure
    assert "wrote more than 1 MiB (limit)" in failure.reason


def test_forked_children_report_their_peak_memory(tmp_path):
    """wait4 gives each child's own peak."""
    executor = ForkedChildren({"PYTHONPATH": HERE})
    spec = Spec("targets:returns", {"number": 1}, tmp_path, tmp_path / "p.json", 60.0)
    try:
        assert executor.run(spec).peak_rss_bytes > 1_000_000
    finally:
        executor.close()


@pytest.fixture
def forked(tmp_path):
    """An executor of forked children that has run a spec, and its server; the next child waits."""
    import psutil

    # this process may have others, of other tests
    before = psutil.Process().children()
    executor = ForkedChildren({"PYTHONPATH": HERE})
    spec = Spec("targets:returns_its_pid", {}, tmp_path, tmp_path / "p.json", 60.0)
    first = executor.run(spec).value["pid"]
    (server,) = set(psutil.Process().children()) - set(before)
    yield executor, server, spec, first
    executor.close()


def _waiting_child(server):
    deadline = time.monotonic() + 10
    while not (found := server.children()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found[0]


@pytest.mark.skipif(sys.platform != "linux", reason="forking is proven on Linux only")
def test_the_next_spec_goes_to_a_child_that_waits_for_it(forked):
    """A child is forked ahead, and every spec has one of its own."""
    executor, server, spec, first = forked
    waiting = _waiting_child(server).pid
    assert executor.run(spec).value["pid"] == waiting != first
    assert _waiting_child(server).pid not in (first, waiting)


@pytest.mark.skipif(sys.platform != "linux", reason="forking is proven on Linux only")
def test_a_child_that_was_killed_while_it_waited_is_replaced(forked):
    """No spec is lost with a child that had none yet."""
    executor, server, spec, first = forked
    waiting = _waiting_child(server)
    waiting.kill()
    while waiting.status() != "zombie":
        time.sleep(0.01)
    assert executor.run(spec).value["pid"] not in (first, waiting.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="forking is proven on Linux only")
def test_a_child_that_waits_ends_with_the_executor(forked):
    """Nothing is left waiting for a spec that will not come."""
    import psutil

    executor, server, _, _ = forked
    waiting = _waiting_child(server)
    executor.close()
    assert not psutil.wait_procs([waiting], timeout=10)[1]
