"""Faults injected for real; each time the other models, the report and the verdicts survive."""

from __future__ import annotations

import signal

import pytest
from faulty_zoo import FaultyZoo, pid_in, runs, wait_for

XDIST = pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])


@pytest.fixture
def zoo(tmp_path):
    return FaultyZoo(tmp_path)


@pytest.mark.parametrize(
    ("number", "workers"),
    [(signal.SIGTERM, ()), (signal.SIGTERM, ("-n", "2")), (signal.SIGINT, ("-n", "2"))],
    ids=["SIGTERM-alone", "SIGTERM-xdist", "SIGINT-xdist"],
)
def test_a_stopped_run_reports_what_it_has_and_leaves_nothing_running(zoo, workers, number):
    """SIGTERM and SIGINT of the controller: partial report, every process gone when it is."""
    import psutil

    zoo.add("honest")
    zoo.add("hang", "faulty:GilHang")
    zoo.add("last")
    run = zoo.start(*workers)
    wait_for(lambda: pid_in(zoo.path / "hang.pid"))
    others = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(number)
    assert run.wait(60) == pytest.ExitCode.INTERRUPTED, zoo.log
    wait_for(lambda: not any(runs(process.pid) for process in others), seconds=3.0)
    assert zoo.report["run"]["status"] == "interrupted"
    assert zoo.cases["hang"]["verdict"] == "not-run"
    assert not list((zoo.path / "tmp").glob("conformance-*")), "scratch was left behind"


@XDIST
def test_a_killed_controller_takes_its_processes_with_it(zoo, workers):
    """SIGKILL of the controller: workers, fork servers and children are gone at once."""
    import psutil

    zoo.add("hang", "faulty:GilHang")
    run = zoo.start(*workers)
    wait_for(lambda: pid_in(zoo.path / "hang.pid"))
    others = psutil.Process(run.pid).children(recursive=True)
    assert len(others) >= 2
    run.kill()
    run.wait(60)
    wait_for(lambda: not any(runs(process.pid) for process in others), seconds=3.0)
