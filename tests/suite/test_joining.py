"""Rows of a run on another provider, made later from its bundles by the real command."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from conformance.joining import another_runtime

ABSENT = "providers: [qnn]"


@pytest.fixture
def joined(suite):
    """Run the command on the suite's report."""

    def run(*args, report="reports"):
        command = [sys.executable, "-m", "conformance.cli", "replay", "--report", report]
        command += ["--cache-dir", "cache", *args]
        return subprocess.run(command, cwd=suite.path, capture_output=True, text=True, check=False)

    return run


def rows(suite):
    return {
        case["id"].partition("@")[0] + " " + case["provider"]: case
        for case in suite.report["cases"]
    }


def test_rows_on_another_provider_join_the_run_that_made_the_bundles(suite, joined):
    """Same run, same report: what passes, and what fails with a folder and an explanation."""
    suite.zoo("Honest", "SlightlyWrong", "CannotLoad", Honest=ABSENT, SlightlyWrong=ABSENT)
    suite.run()
    run = suite.report["run"]
    # nothing of the source is needed: its adapter is gone
    (suite.path / "miniatures.py").unlink()
    done = joined("--run", "latest", "--provider", "cpu")
    assert done.returncode == 1, done.stderr
    assert "✗ fail parity SlightlyWrong/slightlywrong@mini-op18-fp32-cpu" in done.stdout
    found = rows(suite)
    assert suite.report["run"] == run
    assert found["Honest/honest qnn"]["verdict"] == "not-run"
    honest, wrong = found["Honest/honest cpu"], found["SlightlyWrong/slightlywrong cpu"]
    assert (honest["verdict"], honest["stage"]) == ("pass", "latency")
    assert honest["latency"]["median_ns"] > 0
    assert honest["repro"] == f"conformance replay --run {run['id']} --provider cpu"
    assert wrong["verdict"] == "fail"
    assert (suite.path / "reports" / wrong["failure_folder"]).is_dir()
    assert "honest@mini-op18-fp32-cpu" in (suite.path / "reports" / "index.html").read_text()
    # again, the later record counts
    assert joined("--run", "latest", "--provider", "cpu", "-q").returncode == 1
    assert rows(suite).keys() == found.keys()


def test_a_run_that_died_in_the_middle_of_a_line_can_be_joined(suite, joined):
    """No record is glued to half of another."""
    suite.zoo("Honest", Honest=ABSENT)
    suite.run()
    (path,) = suite.path.glob("reports/runs/*.jsonl")
    with path.open("a") as file:
        file.write('{"kind":"record","re')
    done = joined("--run", path.stem, "--provider", "cpu")
    assert done.returncode == 0, done.stderr
    assert rows(suite)["Honest/honest cpu"]["verdict"] == "pass"


def test_what_cannot_be_joined_is_refused(suite, joined):
    """No such run, no bundle left, a provider that is not there, folders beside a run."""
    suite.zoo("Honest", Honest=ABSENT)
    suite.run()
    cases = {
        ("--run", "1999", "--provider", "cpu"): "is no run of reports",
        ("--run", "latest", "--provider", "qnn"): "QNNExecutionProvider",
        ("--run", "latest", "reports"): "name either folders with models, or a run",
        (): "name either folders with models, or a run",
    }
    for arguments, message in cases.items():
        done = joined(*arguments)
        assert done.returncode == 2
        assert message in done.stderr
    shutil.rmtree(suite.path / "cache" / "bundles")
    done = joined("--run", "latest")
    assert done.returncode == 2
    assert "run the zoo again, or name the cache" in done.stderr


def test_another_onnx_runtime_is_named():
    """A row says which it was where it is none of the run's, by the wheel's own name."""
    import onnxruntime

    told = another_runtime({"onnxruntime": "1.0"})
    assert told is not None
    assert onnxruntime.__version__ in told
    name, _, version = told.partition(" ")
    assert another_runtime({name: version}) is None
