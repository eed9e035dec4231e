from __future__ import annotations

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
    def run(target, *, timeout_s=60.0, **payload):
        workdir = tmp_path / f"{target}-{time.monotonic_ns()}"
        workdir.mkdir()
        progress = tmp_path / "progress.json"
        progress.unlink(missing_ok=True)
        return executor.run(Spec(f"targets:{target}", payload, workdir, progress, timeout_s))

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


def test_forked_children_report_their_peak_memory(tmp_path):
    """wait4 gives each child's own peak."""
    executor = ForkedChildren({"PYTHONPATH": HERE})
    spec = Spec("targets:returns", {"number": 1}, tmp_path, tmp_path / "p.json", 60.0)
    try:
        assert executor.run(spec).peak_rss_bytes > 1_000_000
    finally:
        executor.close()
