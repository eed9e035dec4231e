"""Which run of the history a report tells the changes since."""

from __future__ import annotations

from run_values import make_header, make_record, make_ref
from two_runs import FIRST, SECOND, row

from conformance.history import Movement, RunWriter, compare_runs, previous_run, run_at, run_path
from conformance.model import RunFooter, RunPlan, TestKind, Verdict


def write(folder, run_id, models, verdict=Verdict.PASS):
    refs = [make_ref(test, model=model) for model in models for test in TestKind]
    zoo_cases = tuple(row(m).id for m in ("cnn", "lstm", "gru"))
    writer = RunWriter(folder, make_header(run_id, zoo_cases=zoo_cases))
    writer.plan(RunPlan(tuple(refs)))
    for ref in refs:
        writer.append(make_record(ref, verdict))
    writer.close(RunFooter("2026-11-21T09:30:00+00:00", "finished", 0))
    return run_at(run_path(folder, run_id))


def test_a_run_of_one_model_does_not_hide_the_night_before(tmp_path):
    """The run to compare with is the latest that judged half of what is judged now."""
    write(tmp_path, FIRST, ("cnn", "lstm", "gru"))
    write(tmp_path, "20261121T120000Z-0001", ("cnn",))
    write(tmp_path, "20261121T130000Z-0001", ("cnn", "lstm", "gru"), Verdict.INFRA_ERROR)
    now = write(tmp_path, SECOND, ("cnn", "lstm", "gru"), Verdict.FAIL)
    found = previous_run(tmp_path, now)
    assert found is not None
    assert found.header.id == FIRST
    assert len(compare_runs(found, now).of(Movement.REGRESSED)) == 3
    assert previous_run(tmp_path, found) is None


def test_a_run_of_which_only_a_part_was_judged_before_is_compared_with_that(tmp_path):
    """Where no run judged half of it, the one that judged most of it is taken."""
    write(tmp_path, FIRST, ("cnn",))
    now = write(tmp_path, SECOND, ("cnn", "lstm", "gru"))
    found = previous_run(tmp_path, now)
    assert found is not None
    assert [c.movement for c in compare_runs(found, now).cases] == [Movement.CHECKED] * 2
