from __future__ import annotations

import json
import subprocess
import sys

import pytest

XDIST = pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
CASE = "Adapter/adapter@mini-op18-fp32-cpu"
#: The same model with a thousand more nodes that change no answer.
SLOWER = """
from miniatures import Honest, Linear, save_graph

class Adapter(Honest):
    def write(self, model, job, path):
        from onnx import helper
        nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"])]
        names = ["y", *(f"n{i}" for i in range(1000))]
        nodes += [helper.make_node("Neg", [a], [b]) for a, b in zip(names, names[1:])]
        nodes += [helper.make_node("Relu", [names[-1]], ["z"])]
        outputs = {name: ("FLOAT", ["batch", 2]) for name in "yz"}
        save_graph(path, job, nodes, inputs={"x": ("FLOAT", ["batch", 3])}, outputs=outputs,
                   weights={"w": model.weight, "b": model.bias})
"""
#: Attempts at a measurement that no other work on the machine disturbs.
ATTEMPTS = 3


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch):
    """No line is folded."""
    monkeypatch.setenv("COLUMNS", "400")


@pytest.fixture
def zoo(suite):
    """A zoo whose one model of its own a test may change between runs."""

    def write(model, *others, gate=""):
        (suite.path / "own_adapter.py").write_text(model)
        suite.zoo("Adapter", *others)
        path = suite.path / "zoo.yaml"
        text = path.read_text().replace("miniatures:Adapter", "own_adapter:Adapter")
        path.write_text(gate + text)

    return write


HONEST = "from miniatures import Honest as Adapter\n"
WRONG = "from miniatures import SlightlyWrong as Adapter\n"


def undisturbed(suite, *args):
    """Run until the model was timed without other work in between."""
    for _ in range(ATTEMPTS):
        result = suite.run("--zoo-gate", *args)
        latency = next(c["latency"] for c in suite.report["cases"] if c["id"] == CASE)
        if latency["contended"] is None and latency["unstable"] is None:
            return result
    pytest.skip("other work on this machine disturbs every measurement")


def stopped_by(suite):
    found = suite.report["gate"]["findings"]
    return {(f["rule"], f["model"]) for f in found if f["accepted"] is None}


@XDIST
def test_a_slower_model_stops_a_run_whose_tests_all_pass(suite, zoo, workers):
    """Exit 1 with the rule, the model and by how much; the first run had nothing to compare."""
    zoo(HONEST)
    first = undisturbed(suite, *workers)
    assert first.ret == 0
    first.stdout.fnmatch_lines(["gate passed*", "*latency*looked at * of 1*"])
    zoo(SLOWER)
    second = undisturbed(suite, *workers)
    assert second.parseoutcomes()["passed"] == 3
    assert second.ret == pytest.ExitCode.TESTS_FAILED
    assert ("latency", "adapter") in stopped_by(suite)
    second.stdout.fnmatch_lines(
        [f"  ✗ latency: {CASE}: latency *x [[]*, *[]] of run *, limit 1.05x"]
    )
    (last, *_) = sorted(suite.path.glob("reports/runs/*.jsonl"), reverse=True)
    footer = json.loads(last.read_text().splitlines()[-1])
    assert footer["exit_code"] == 1
    assert footer["gate"] == suite.report["gate"]


@XDIST
def test_failures_and_vanished_models_are_named_by_their_rules(suite, zoo, workers):
    """What failed before and still does is not new; what passed before is."""
    zoo(HONEST, "Raises", "NoFloat64")
    suite.run(*workers)
    zoo(WRONG, "Raises")
    result = suite.run("--zoo-gate", "--zoo-gate-rule", "coverage=off", *workers)
    assert result.ret == 1
    assert stopped_by(suite) == {("new_failures", "adapter"), ("vanished", "nofloat64")}
    result.stdout.fnmatch_lines([f"  ✗ new_failures: {CASE}: fail at parity, pass in run *"])
    rebuilt = suite.report["gate"]
    # a process of its own: pytester forgets modules, and NumPy cannot be imported twice
    command = [sys.executable, "-m", "conformance.cli", "report", "--rebuild"]
    subprocess.run([*command, "--report", suite.path / "reports"], check=True)
    assert suite.report["gate"] == rebuilt
    assert "Gate failed" in (suite.path / "reports" / "index.html").read_text()


def test_what_a_gate_has_stopped_does_not_become_the_new_normal(suite, zoo):
    """The same larger model is stopped again and again, until somebody accepts it."""
    zoo(HONEST)
    assert suite.run().ret == 0
    zoo(SLOWER)
    only_size = ("--zoo-gate", *(f"--zoo-gate-rule={n}=off" for n in ("latency", "session")))
    for _ in range(2):
        assert suite.run(*only_size).ret == 1
        assert stopped_by(suite) == {("size", "adapter")}
    known = "gate:\n  accepted: [{rule: size, model: adapter, reason: more nodes}]\n"
    zoo(SLOWER, gate=known)
    accepted = suite.run(*only_size)
    assert accepted.ret == 0
    accepted.stdout.fnmatch_lines(["gate passed with 1 accepted*", "*accepted: more nodes"])
    stale = suite.run(*only_size)
    assert stale.ret == 0
    stale.stdout.fnmatch_lines(["*gate.accepted?0? (size of adapter): there is nothing to accept*"])


def test_a_part_of_the_zoo_is_compared_and_is_no_baseline(suite, zoo):
    """-k judges what it selected; the next whole run looks past it."""
    zoo(HONEST, "NoFloat64")
    suite.run()
    (whole,) = suite.path.glob("reports/runs/*.jsonl")
    part = suite.run("--zoo-gate", "-k", "nofloat64")
    assert part.ret == 0
    part.stdout.fnmatch_lines(["  vanished * looked at 2 of 2", "  coverage * looked at 1 of 1"])
    suite.run("--zoo-gate")
    assert suite.report["gate"]["baseline"] == whole.stem


def test_an_interrupted_run_is_not_judged(suite, zoo):
    """A gate says nothing about what was not reached, and says that."""
    zoo(WRONG, "Honest")
    result = suite.run("-x", "--zoo-gate")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["the gate was not judged: the run was interrupted"])
    assert suite.report["gate"] is None


def test_without_the_option_there_is_no_gate(suite, zoo):
    """The rules of a zoo hold where --zoo-gate, a rule or the ini file asks for them."""
    zoo(HONEST, "NoFloat64", gate="gate: {coverage: 1.0}\n")
    zoo_file = suite.path / "zoo.yaml"
    zoo_file.write_text(zoo_file.read_text() + "    requires: [no-such-distribution]\n")
    assert suite.run().ret == 0
    assert suite.report["gate"] is None
    result = suite.run("--zoo-gate-rule", "parity=off")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["  ✗ coverage: 1 of 2 cases pass (50.0%), limit 100%: 1 not-run*"])
    suite.pytester.makeini("[pytest]\nzoo_gate = true\nzoo_gate_rule = coverage=0.5\n")
    assert suite.run().ret == 0
    assert suite.report["gate"]["passed"]


def test_a_rule_that_makes_no_sense_is_a_usage_error(suite, zoo):
    """It is told before any work starts."""
    zoo(HONEST)
    result = suite.run("--zoo-gate-rule", "size=much")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --zoo-gate-rule: size takes a factor above 1*not 'much'"])
