"""What differs between two runs, case by case; built against ways to overlook or invent it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from two_runs import FIRST, SECOND, TIMED, row, run

from conformance.evidence import (
    BaselineLatency,
    ExportResult,
    OutputParity,
    ParityReport,
    Ratio,
)
from conformance.history import (
    Figure,
    Movement,
    RunDiff,
    compare_runs,
)
from conformance.history.merge import PARITY_NOT_SELECTED
from conformance.model import (
    Verdict,
    from_json,
    to_json,
)

PASS, FAIL, VACUOUS = Verdict.PASS, Verdict.FAIL, Verdict.VACUOUS
EXPECTED, UNEXPECTED = Verdict.EXPECTED_FAIL, Verdict.UNEXPECTED_PASS
BROKEN, IDLE = Verdict.INFRA_ERROR, Verdict.NOT_RUN


def diff(before, now, **both) -> RunDiff:
    return compare_runs(run(*before, **both), run(*now, run_id=SECOND, **both))


def movement(before, now):
    found = diff([row(verdict=before)], [row(verdict=now)])
    return found.cases[0].movement if found.cases else Movement.SAME


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (PASS, PASS, Movement.SAME),
        (PASS, FAIL, Movement.REGRESSED),
        (PASS, VACUOUS, Movement.REGRESSED),
        (EXPECTED, FAIL, Movement.REGRESSED),
        (UNEXPECTED, FAIL, Movement.REGRESSED),
        (FAIL, FAIL, Movement.STILL_FAILING),
        (VACUOUS, FAIL, Movement.STILL_FAILING),
        (FAIL, PASS, Movement.FIXED),
        (VACUOUS, PASS, Movement.FIXED),
        (EXPECTED, PASS, Movement.FIXED),
        (EXPECTED, UNEXPECTED, Movement.FIXED),
        (PASS, EXPECTED, Movement.ACCEPTED),
        (FAIL, EXPECTED, Movement.ACCEPTED),
        (EXPECTED, EXPECTED, Movement.SAME),
        (UNEXPECTED, PASS, Movement.SAME),
        (PASS, BROKEN, Movement.UNCHECKED),
        (FAIL, IDLE, Movement.UNCHECKED),
        (BROKEN, IDLE, Movement.SAME),
        (IDLE, PASS, Movement.CHECKED),
        (BROKEN, FAIL, Movement.CHECKED),
    ],
)
def test_each_pair_of_verdicts_has_one_meaning(before, now, expected):
    """What two verdicts say together, the infrastructure's kept apart from the conversion's."""
    assert movement(before, now) is expected


def test_every_pair_of_verdicts_is_decided():
    """There is no pair without an answer, and what stays the same is never a change."""
    for before in Verdict:
        for now in Verdict:
            moved = movement(before, now)
            if before is now:
                assert moved in (Movement.SAME, Movement.STILL_FAILING)


def test_a_partial_run_makes_nothing_vanish():
    """What the zoo holds and the run did not select is counted, and is neither lost nor new."""
    found = diff([row("cnn"), row("lstm")], [row("cnn")], zoo=("cnn", "lstm"))
    assert found.cases == ()
    assert (found.compared, found.unchanged, found.not_selected) == (1, 1, 1)
    back = diff([row("cnn")], [row("cnn"), row("lstm")], zoo=("cnn", "lstm"))
    assert [(c.model, c.movement) for c in back.cases] == [("lstm", Movement.CHECKED)]


def test_a_latency_alone_says_nothing_of_parity():
    """A row whose parity was deselected does not count as one that lost its proof."""
    alone = row(verdict=IDLE, reason=PARITY_NOT_SELECTED)
    found = diff([row()], [alone])
    assert (found.cases, found.not_selected) == ((), 1)


def test_a_model_taken_out_of_the_zoo_has_vanished():
    """A case that the zoo lacks now is told with what it was, also if it was not selected then."""
    before = run(row("cnn"), zoo=("cnn", "lstm", "gru"))
    found = compare_runs(before, run(row("gru"), run_id=SECOND, zoo=("gru",)))
    vanished = found.of(Movement.VANISHED)
    assert [c.id for c in vanished] == [row("cnn").id, row("lstm").id]
    assert [c.before and c.before.verdict for c in vanished] == [PASS, None]
    assert [c.worse for c in vanished] == [True, False]


def test_a_provider_that_was_joined_to_one_run_is_neither_vanished_nor_new():
    """The zoo never held its rows: the night after, nobody has taken anything away."""
    plain = row("cnn")
    joined = row("cnn", id=f"{plain.id.removesuffix('-cpu')}-openvino", provider="openvino")
    night = run(plain, joined, zoo=("cnn",))
    found = compare_runs(night, run(plain, run_id=SECOND, zoo=("cnn",)))
    assert (found.cases, found.not_selected) == ((), 1)
    night = run(plain, joined, run_id=SECOND, zoo=("cnn",))
    found = compare_runs(run(plain, zoo=("cnn",)), night)
    assert [(c.provider, c.movement) for c in found.cases] == [("openvino", Movement.CHECKED)]


def test_a_zoo_that_was_not_read_is_not_a_zoo_without_models():
    """A run of fewer zoo files says so; a run of more files lets nothing vanish."""
    both, one = ("zoo.yaml", "more.yaml"), ("zoo.yaml",)
    before = run(row("cnn"), row("lstm"), zoos=both)
    found = compare_runs(before, run(row("cnn"), run_id=SECOND, zoos=one))
    assert found.of(Movement.VANISHED) == ()
    assert found.notes == ("the later run did not read more.yaml: what vanished cannot be told",)
    grown = compare_runs(run(row("cnn"), zoos=one), run(*before.cases, run_id=SECOND, zoos=both))
    assert [(c.model, c.movement) for c in grown.cases] == [("lstm", Movement.NEW)]


def test_a_run_that_knows_no_zoo_cases_accuses_nobody():
    """A header of an older version without the zoo's cases makes nothing vanish."""
    found = compare_runs(run(row("cnn")), run(run_id=SECOND, zoo=()))
    assert found.cases == ()


def test_a_new_model_that_fails_is_a_new_failure():
    """New failures are those that fail the run now and did not then, whatever they were."""
    before = [row("a", FAIL), row("b", PASS), row("c", IDLE), row("d", EXPECTED)]
    now = [
        row("a", VACUOUS),
        row("b", BROKEN),
        row("c", FAIL),
        row("d", UNEXPECTED),
        row("e", FAIL),
    ]
    found = diff(before, now)
    assert sorted(c.model for c in found.new_failures) == ["b", "c", "d", "e"]
    assert sorted(c.model for c in found.worse) == ["b", "c", "e"], "a pass is no worse for d"


def test_the_gravest_comes_first():
    """Readers see regressions before everything else, in the order of the zoo."""
    before = [row("a", FAIL), row("b"), row("c", FAIL), row("d")]
    now = [row("a"), row("b", FAIL), row("c", FAIL), row("d", FAIL)]
    assert [(c.model, c.movement.value) for c in diff(before, now).cases] == [
        ("b", "regressed"),
        ("d", "regressed"),
        ("c", "still failing"),
        ("a", "fixed"),
    ]


def test_proof_that_is_gone_is_worse():
    """A case that passed and is not judged any more makes a run worse; one that failed does not."""
    found = diff([row("a"), row("b", FAIL)], [row("a", IDLE), row("b", IDLE)])
    assert [c.model for c in found.worse] == ["a"]


def figures(before, now):
    return {f.figure: f for _, f in diff([row(**before)], [row(**now)]).figures}


def parity(ratio):
    output = OutputParity("logits", "float32", (4, 10), "fp64-referenced", None, ratio=ratio)
    return {"parity": ParityReport((output,), 2)}


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        (0.4, 0.7, True),
        (0.7, 0.4, True),
        (0.4, 0.5, False),
        (0.01, 0.05, False),
        (0.0, 0.4, True),
        (None, 0.4, False),
    ],
)
def test_parity_is_told_where_it_moved_and_matters(then, now, told):
    """Errors that moved by half or more are told, unless both are far below the limit."""
    found = figures(parity(then), parity(now))
    assert (Figure.PARITY_RATIO in found) is told
    if told:
        assert found[Figure.PARITY_RATIO].worse is (now > then)


def test_size_and_nodes_are_told():
    """The size from one percent on, the number of nodes always."""

    def exported(size, nodes):
        return {"export": ExportResult(4.0, size, nodes, False, None, None)}

    assert figures(exported(100_000, 17), exported(100_900, 17)) == {}
    found = figures(exported(100_000, 17), exported(102_000, 16))
    assert (found[Figure.SIZE].ratio, found[Figure.SIZE].worse) == (1.02, True)
    assert (found[Figure.NODES].before, found[Figure.NODES].after) == (17, 16)
    assert not found[Figure.NODES].worse


def latency(**changes):
    return {"latency": replace(TIMED, **changes)}


SLOWER = {"yardstick": Ratio(12.0, 11.9, 12.1, 30), "median_ns": 300_000}


def test_a_latency_is_compared_in_yardsticks():
    """A step of the latency against the yardstick is told with its interval, unconfirmed."""
    found = figures(latency(), latency(**SLOWER))[Figure.LATENCY]
    assert found.ratio == pytest.approx(1.2)
    assert (found.low, found.high) == (pytest.approx(11.9 / 10.05), pytest.approx(12.1 / 9.95))
    assert found.worse
    assert not found.confirmed


@pytest.mark.parametrize(
    "disturbed",
    [
        {"hardware": "x86_64-00000000"},
        {"yardstick_name": "gemm-2"},
        {"intra_op_threads": 2},
        {"contended": "others worked"},
        {"unstable": "too wide"},
        {"yardstick": None},
        {"yardstick": Ratio(12.0, 9.0, 15.0, 30)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_latencies_that_say_nothing_are_not_compared(disturbed):
    """Other hardware, threads or yardsticks, and disturbed figures: no change is invented."""
    assert figures(latency(), latency(**(SLOWER | disturbed))) == {}


@pytest.mark.parametrize("now", [10.8, 9.3])
def test_what_two_processes_differ_by_is_no_change(now):
    """Some percent between two runs is chance, as it is where a run compares itself."""
    yardstick = Ratio(now, now - 0.05, now + 0.05, 30)
    assert figures(latency(), latency(yardstick=yardstick)) == {}


def test_milliseconds_alone_are_never_compared():
    """Without yardsticks a slower run may be a slower night: it is not told."""
    assert figures(latency(yardstick=None), latency(yardstick=None, median_ns=900_000)) == {}


def test_a_comparison_that_the_run_made_itself_is_believed():
    """Models timed beside each other beat two yardsticks, and count as worse once confirmed."""
    measured = BaselineLatency(FIRST, "paired", Ratio(1.3, 1.2, 1.4, 20), 1.0, 1.05, 1.02)
    found = diff([row(**latency())], [row(**latency(baseline=measured))])
    ((case, figure),) = found.figures
    assert (figure.ratio, figure.low, figure.confirmed) == (1.3, 1.2, True)
    assert case.movement is Movement.SAME
    assert found.worse == (case,)
    even = replace(measured, ratio=Ratio(1.0, 0.99, 1.01, 20))
    assert figures(latency(), latency(**SLOWER, baseline=even)) == {}
    other = replace(measured, run="another")
    assert figures(latency(), latency(baseline=other)) == {}


def test_the_environment_is_compared():
    """Packages, commit, seed, Python and hardware that differ are named; memory's dust is not."""
    machine = {
        "hardware_class": "a",
        "cpu": "EPYC",
        "python": "3.11.7",
        "memory_bytes": 8_326_000_000,
    }
    before = run(row(), versions={"torch": "2.12", "six": "1.0"}, commit="aaa", machine=machine)
    now = run(
        row(),
        run_id=SECOND,
        versions={"torch": "2.13", "onnxslim": "0.2"},
        commit="bbb",
        seed=7,
        machine=machine | {"python": "3.12.1", "memory_bytes": 8_326_040_000},
    )
    found = compare_runs(before, now).environment
    assert [str(change) for change in found.packages] == [
        "onnxslim 0.2 added",
        "six 1.0 removed",
        "torch 2.12 → 2.13",
    ]
    assert {f.name: (f.before, f.after) for f in found.facts} == {
        "commit": ("aaa", "bbb"),
        "seed": (0, 7),
        "python": ("3.11.7", "3.12.1"),
    }
    assert found.same_hardware
    moved = replace(now, header=replace(now.header, machine=machine | {"hardware_class": "b"}))
    assert not compare_runs(before, moved).environment.same_hardware


def test_a_difference_travels_as_json():
    """The whole of it is plain data and comes back equal."""
    found = diff([row("a"), row("b", **latency())], [row("a", FAIL), row("b", **latency(**SLOWER))])
    plain = json.loads(json.dumps(to_json(found)))
    assert plain["cases"][0]["movement"] == "regressed"
    assert from_json(RunDiff, plain) == found
