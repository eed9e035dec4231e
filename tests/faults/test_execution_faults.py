"""Faults injected for real; each time the other models, the report and the verdicts survive."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from faulty_zoo import FaultyZoo, pid_in, runs, wait_for

from conformance.execution.machine_lock import alone

XDIST = pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])


#: Adapter to further fields of its entry, and how its model has to end: verdict and reason.
FAULTS = {
    "Segfault": ({}, "fail", "the process was ended by SIGSEGV"),
    "Sigkill": ({}, "infra-error", "the process was ended by SIGKILL from outside"),
    "Exit": ({}, "fail", "the process exited with status 3 and no result"),
    "GilHang": ({"timeout": 3}, "fail", "took longer than its timeout of 3 s and was stopped"),
    "Memory": ({"memory": "1GiB"}, "fail", "needed more than 1 GiB (limit) of memory"),
    "Output": ({}, "fail", "wrote more than 64 MiB (limit) to its output and was stopped"),
}


@pytest.fixture
def zoo(tmp_path):
    return FaultyZoo(tmp_path)


@pytest.fixture(scope="module", params=[(), ("-n", "2")], ids=["alone", "xdist"])
def faulty(request, tmp_path_factory):
    """A finished run of every fault, with honest models before, between and after them."""
    zoo = FaultyZoo(tmp_path_factory.mktemp("faulty"))
    zoo.add("before")
    for adapter, (more, *_) in FAULTS.items():
        zoo.add(adapter, f"faulty:{adapter}", **more)
        if adapter == "GilHang":
            zoo.add("between")
    zoo.add("Grandchild", "faulty:Grandchild")
    zoo.add("after")
    zoo.exit_code = zoo.run(*request.param)
    return zoo


@pytest.mark.parametrize("adapter", FAULTS)
def test_a_fault_is_reported_as_what_it_is(faulty, adapter):
    """Right verdict, right stage, and a reason that names the cause."""
    _, verdict, reason = FAULTS[adapter]
    case = faulty.cases[adapter]
    assert (case["verdict"], case["stage"]) == (verdict, "export")
    assert case["reason"].startswith(reason)


def test_the_other_models_the_report_and_the_exit_code_survive(faulty):
    """Every honest model passes, every model is in the report, and pytest says "failed"."""
    assert faulty.exit_code == pytest.ExitCode.TESTS_FAILED, faulty.log
    assert faulty.report["run"]["status"] == "finished"
    honest = {"before", "between", "after"}
    assert faulty.cases.keys() == {*FAULTS, *honest, "Grandchild"}
    assert {faulty.cases[model]["verdict"] for model in honest} == {"pass"}
    assert (faulty.path / "reports" / "index.html").stat().st_size > 1000


def test_a_grandchild_that_would_outlive_its_model_is_gone(faulty):
    """What a model leaves running ends with its stage, and the model is judged by itself."""
    assert faulty.cases["Grandchild"]["verdict"] == "pass"
    assert not runs(pid_in(faulty.path / "grandchild.pid"))


def test_what_a_model_was_stopped_from_was_not_done(faulty):
    """The memory was not taken, the gigabyte was not written, nothing is left in scratch."""
    assert not list(faulty.path.glob("*.done"))
    assert not list((faulty.path / "tmp").glob("conformance-*"))


def test_thirty_crashing_models_are_thirty_in_the_report(zoo):
    """Under xdist as well, every crash is told and no model is dropped."""
    for number in range(30):
        zoo.add(f"crash-{number}", "faulty:Segfault")
    zoo.add("honest")
    assert zoo.run("-n", "2") == pytest.ExitCode.TESTS_FAILED
    verdicts = {model: case["verdict"] for model, case in zoo.cases.items()}
    crashed = {f"crash-{number}": "fail" for number in range(30)}
    assert verdicts == {**crashed, "honest": "pass"}


def test_a_killed_worker_costs_its_own_test_and_no_other(zoo):
    """The test that it ran is an infra-error, and xdist's new worker goes on with the rest."""
    zoo.add("first")
    zoo.add("kills", "faulty:KillsWorker")
    zoo.add("second")
    zoo.add("third")
    zoo.add("kills-last", "faulty:KillsWorker")
    assert zoo.run("-n", "2") == pytest.ExitCode.TESTS_FAILED
    verdicts = {model: case["verdict"] for model, case in zoo.cases.items()}
    passed = dict.fromkeys(["first", "second", "third"], "pass")
    assert verdicts == {**passed, "kills": "infra-error", "kills-last": "infra-error"}
    assert zoo.log.count("replacing crashed worker") == 2, "a killing model was tried again"
    assert zoo.report["run"]["status"] == "finished"


def test_a_killed_run_keeps_no_other_from_measuring(zoo):
    """The machine's lock goes with the process that held it, however that ends."""
    lock = zoo.path / "machine.lock"
    zoo.add("hang", "faulty:GilHang")
    run = zoo.start()
    wait_for(lambda: pid_in(zoo.path / "hang.pid"))
    with alone(lock, timeout_s=0) as granted:
        assert not granted, "a stage runs"
    run.kill()
    run.wait(60)
    with alone(lock, timeout_s=3) as granted:
        assert granted


@pytest.mark.parametrize(
    ("number", "workers"),
    [(signal.SIGTERM, ()), (signal.SIGTERM, ("-n", "2")), (signal.SIGINT, ("-n", "2"))],
    ids=["SIGTERM-alone", "SIGTERM-xdist", "SIGINT-xdist"],
)
def test_a_stopped_run_reports_what_it_has_and_leaves_nothing_running(zoo, workers, number):
    """SIGTERM and SIGINT of the controller: partial report, every process gone when it is."""
    import psutil

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


def test_inline_every_stage_runs_in_pytests_own_process(zoo):
    """``--zoo-isolation=inline``: same verdicts without a child, for models that behave."""
    zoo.add("honest")
    zoo.add("wrong", "miniatures:SlightlyWrong")
    zoo.add("raises", "miniatures:Raises")
    zoo.add("where", "faulty:TellsItsPid")
    run = zoo.start("--zoo-isolation=inline")
    assert run.wait(60) == pytest.ExitCode.TESTS_FAILED, zoo.log
    assert pid_in(zoo.path / "export.pid") == run.pid
    verdicts = {model: case["verdict"] for model, case in zoo.cases.items()}
    assert verdicts == {"honest": "pass", "wrong": "fail", "raises": "fail", "where": "pass"}


def test_the_published_table_is_these_tests():
    """docs/reliability.md has a row for every fault and test of this file, and counts the runs."""
    text = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text()
    section = text.partition("## Execution\n")[2]
    rows = re.findall(
        r"^\|.*\| (both|alone|`-n 2`) \| (\d+)/\2 \| `(test_\w+)(?:\[(\w+)\])?` \|$",
        section,
        re.MULTILINE,
    )
    assert len(rows) == len(re.findall(r"^\| (?!fault)", section, re.MULTILINE))
    assert {fault for *_, fault in rows if fault} == set(FAULTS)
    assert {count for runs, count, *_ in rows if runs == "both"} == {"2"}
    tests = set(re.findall(r"^def (test_\w+)", Path(__file__).read_text(), re.MULTILINE))
    assert tests - {test for *_, test, _ in rows} == {
        "test_the_other_models_the_report_and_the_exit_code_survive",  # of all rows
        "test_what_a_model_was_stopped_from_was_not_done",  # of all rows
        "test_inline_every_stage_runs_in_pytests_own_process",  # a limit, told below the table
        "test_the_published_table_is_these_tests",
    }
