"""Which earlier run a run is compared with."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from run_values import make_header, make_record, make_ref

from conformance.gate_result import GateResult
from conformance.history import append_records, comparable_run, find_baseline
from conformance.history.records import StoredRun
from conformance.model import RunPlan, TestKind, to_json

OLDER, OLD = "20261119T000000Z-0000", "20261120T000000Z-0000"
STOPPED = GateResult(False, None, (), ())


def run_of(*models, deselected=0, **header):
    """A run that is going on now."""
    refs = tuple(make_ref(test, model=model) for model in models for test in TestKind)
    plan = RunPlan(refs, deselected)
    return StoredRun(make_header("20261121T000000Z-0000", **header), plan, (), None, 0)


def change(path, kind, **fields):
    """Write a line of a run anew."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    changed = [line | fields if line["kind"] == kind else line for line in lines]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in changed))


@pytest.fixture
def baseline(tmp_path):
    """Id of the run that a run is compared with."""

    def find(run):
        found = comparable_run(tmp_path, run)
        return found and found.header.id

    return find


def test_the_latest_earlier_run_of_the_same_zoo_and_shard(write_run, baseline):
    """Not the run itself, not a later one, not another zoo's, not another part's."""
    assert baseline(run_of("cnn")) is None
    write_run(OLDER)
    write_run(OLD)
    write_run("20261120T000001Z-0000", zoos=("other.yaml",))
    write_run("20261120T000002Z-0000", shard="1/2")
    write_run("20261121T000000Z-0000")
    write_run("20261122T000000Z-0000")
    assert baseline(run_of("cnn")) == OLD
    assert baseline(run_of("cnn", shard="1/2")) == "20261120T000002Z-0000"


@pytest.mark.parametrize("status", ["interrupted", "died"])
def test_a_run_that_did_not_finish_is_no_baseline(write_run, baseline, status):
    """What it lacks would look new."""
    write_run(OLDER)
    path = write_run(OLD)
    if status == "died":
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    else:
        change(path, "footer", status=status)
    assert baseline(run_of("cnn")) == OLDER


def test_a_part_is_a_baseline_of_no_more_than_itself(write_run, baseline):
    """-k cnn serves the next -k cnn; the whole zoo is compared with the whole zoo."""
    write_run(OLDER, models=("cnn", "lstm"))
    change(write_run(OLD), "plan", deselected=3)
    assert baseline(run_of("cnn", "lstm")) == OLDER
    assert baseline(run_of("cnn", deselected=3)) == OLD


def test_a_run_that_a_gate_has_stopped_is_no_baseline(write_run, baseline, tmp_path):
    """A regression seen once is not the new normal, for latencies neither; named, it is used."""
    older = write_run(OLDER)
    path = write_run(OLD)
    change(path, "footer", gate=to_json(STOPPED))
    assert baseline(run_of("cnn")) == OLDER
    assert find_baseline(tmp_path, None) == (older,)
    assert find_baseline(tmp_path, OLD) == (path,)
    change(path, "footer", gate=to_json(replace(STOPPED, passed=True)))
    assert baseline(run_of("cnn")) == OLD
    assert find_baseline(tmp_path, None) == (path, older)


def test_a_run_that_was_joined_is_still_what_it_was(write_run, baseline, tmp_path):
    """Records of another provider behind its footer hide neither its end nor its gate."""
    older, path = write_run(OLDER), write_run(OLD)
    joined = make_record(make_ref(TestKind.PARITY, provider="openvino"))
    append_records(path, [joined])
    assert baseline(run_of("cnn")) == OLD
    change(path, "footer", gate=to_json(STOPPED))
    assert baseline(run_of("cnn")) == OLDER
    assert find_baseline(tmp_path, None) == (older,)


def test_a_damaged_run_is_passed_over(write_run, baseline):
    """A damaged past ends no present run."""
    write_run(OLDER)
    write_run(OLD).write_bytes(b"garbage\n")
    assert baseline(run_of("cnn")) == OLDER
