from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from gate_runs import (
    THEN,
    TIMED,
    before,
    broken,
    case_id,
    compared,
    exported,
    gate,
    looked,
    parity,
    row,
    run,
)

from conformance.evidence import Derivation
from conformance.gate_result import Acceptance
from conformance.model import Stage, Verdict


def test_an_unchanged_run_goes_through_and_every_rule_has_looked():
    """The same figures twice are no finding, and each rule says how many cases it rests on."""
    result = gate(run(row(latency=compared())), before(row()))
    assert result.passed
    assert result.findings == ()
    assert result.baseline == THEN
    assert [(c.rule.value, c.looked_at, c.of) for c in result.checks] == [
        (rule, 1, 1)
        for rule in (
            "judged",
            "new_failures",
            "vacuous",
            "vanished",
            "coverage",
            "parity",
            "latency",
            "session",
            "size",
            "memory",
        )
    ]


def test_a_run_in_which_nothing_was_judged_does_not_go_through():
    """All not-run, coverage switched off: every other rule is content, the gate is not."""
    nothing = row("cnn", Verdict.NOT_RUN), row("lstm", Verdict.INFRA_ERROR)
    result = gate(run(*nothing), before(*nothing), coverage="off")
    assert not result.passed
    (finding,) = result.findings
    assert finding.rule == "judged"
    assert finding.text == ("no case was judged, so nothing is proven: 1 not-run, 1 infra-error")
    assert looked(result, "new_failures") == (0, 2, {"not-run": 1, "infra-error": 1})


def test_a_run_without_cases_does_not_go_through():
    """Nothing at all is no success either."""
    assert not gate(run(), before(row())).passed


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.UNEXPECTED_PASS])
@pytest.mark.parametrize("once", [None, Verdict.PASS, Verdict.EXPECTED_FAIL, Verdict.NOT_RUN])
def test_a_new_failure_does_not_go_through(verdict, once):
    """A case fails that passed, failed as expected, was not run, or is new."""
    then = before(row("cnn"), *([row("lstm", once)] if once else []))
    result = gate(run(row("cnn"), row("lstm", verdict)), then, coverage="off")
    assert broken(result) == [("new_failures", "lstm")]


def test_an_old_failure_is_not_new():
    """What failed at the same stage before is known; at another stage it is another failure."""
    then = before(row("cnn"), row("lstm", Verdict.FAIL))
    assert gate(run(row("cnn"), row("lstm", Verdict.FAIL)), then, coverage="off").passed
    other = row("lstm", Verdict.FAIL, stage=Stage.EXPORT)
    (finding,) = gate(run(row("cnn"), other), then, coverage="off").blocking
    assert finding.text == f"fail at export, fail at parity in run {THEN}: because"


def test_without_a_baseline_every_failure_is_new():
    """The first run lets nothing through because nobody knew better."""
    result = gate(run(row(), row("lstm", Verdict.FAIL)), coverage="off")
    assert broken(result) == [("new_failures", "lstm")]


def test_an_infra_error_is_no_failure_but_lowers_coverage():
    """A network that is down says nothing about a model, and proves nothing about it either."""
    now = run(row("cnn"), row("lstm", Verdict.INFRA_ERROR))
    result = gate(now, before(row("cnn"), row("lstm")), coverage=0.9)
    assert broken(result) == [("coverage", None)]
    assert result.findings[0].text == (
        f"1 of 2 cases pass (50.0%), limit 90%: 1 infra-error; 1 passed in run {THEN}: "
        f"{case_id('lstm')}"
    )
    assert gate(now, before(row("cnn"), row("lstm")), coverage=0.5).passed


def test_a_vacuous_check_does_not_go_through():
    """Old or new, with a baseline or without; switched off, only a lost check is a failure."""
    now = run(row("cnn"), row("lstm", Verdict.VACUOUS))
    for then in (None, before(row("cnn"), row("lstm", Verdict.VACUOUS))):
        assert broken(gate(now, then, coverage="off")) == [("vacuous", "lstm")]
    known = before(row("cnn"), row("lstm", Verdict.VACUOUS))
    assert gate(now, known, coverage="off", vacuous="off").passed
    lost = gate(now, before(row("cnn"), row("lstm")), coverage="off", vacuous="off")
    assert broken(lost) == [("new_failures", "lstm")]


def test_a_vanished_model_does_not_go_through():
    """A model that left the zoo takes its failures with it; deselected is not vanished."""
    then = before(row("cnn"), row("lstm"))
    result = gate(run(row("cnn")), then)
    assert broken(result) == [("vanished", "lstm")]
    assert result.findings[0].text == f"run {THEN} had it"
    assert gate(run(row("cnn"), zoo_cases=("cnn", "lstm"), whole=False), then).passed


def test_a_provider_that_was_joined_to_the_baseline_has_not_vanished():
    """Its rows are not the zoo's: a run of the whole zoo lacks them, and lacks nothing."""
    then = before(row("cnn"), row("cnn-openvino"), zoo_cases=("cnn",))
    assert gate(run(row("cnn")), then).passed


def test_parity_that_comes_near_its_limit_does_not_go_through():
    """The worst output counts; errors far below their limit may grow by any factor."""
    then = before(row(parity=parity(0.1, 0.3)))
    assert broken(gate(run(row(parity=parity(0.1, 0.7))), then)) == [("parity", "cnn")]
    assert gate(run(row(parity=parity(0.1, 0.59))), then).passed
    tiny = before(row(parity=parity(0.001)))
    assert gate(run(row(parity=parity(0.5))), tiny).passed
    exact = before(row(parity=parity(0.0)))
    (finding,) = gate(run(row(parity=parity(0.6))), exact).findings
    assert finding.text == f"error 0.6 of its limit, after none of run {THEN}, limit 2x"


def test_a_slower_model_does_not_go_through():
    """Surely slower by the limits that its entry had when it was timed, with the figures."""
    result = gate(run(row(latency=compared(1.12, 1.09))), before(row()))
    assert broken(result) == [("latency", "cnn")]
    assert result.findings[0].text == f"latency 1.12x [1.09, 1.15] of run {THEN}, limit 1.05x"
    assert gate(run(row(latency=compared(1.12, 1.01))), before(row())).passed


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"contended": "a compiler ran"}, "contended"), ({"unstable": "wide"}, "unstable")],
)
def test_a_disturbed_latency_is_listed_and_not_gated_on(changes, reason):
    """Twice as slow beside a compiler says nothing; that nothing was said is said."""
    slow = row(latency=compared(2.0, 1.9, session_ratio=3.0, **changes))
    result = gate(run(slow), before(row()))
    assert result.passed
    assert looked(result, "latency") == (0, 1, {reason: 1})
    assert looked(result, "session") == (0, 1, {reason: 1})


def test_other_hardware_is_not_compared_and_an_explicit_rule_says_so():
    """By default it is shown; who wrote the rule down gets no green without a look."""
    elsewhere = before(row(latency=replace(TIMED, hardware="aarch64-00000000")))
    now = run(row(latency=TIMED))
    result = gate(now, elsewhere)
    reason = "other hardware: aarch64-00000000 then, x86_64-8c1f09ab now"
    assert result.passed
    assert looked(result, "latency") == (0, 1, {reason: 1})
    assert looked(result, "memory") == (0, 1, {reason: 1})
    asked = gate(now, elsewhere, latency="on")
    assert not asked.passed
    assert asked.findings[0].text == (f"asked for, and could look at none of 1 cases: 1 {reason}")


def test_quantized_models_of_other_hardware_are_not_compared():
    """What integers answer depends on the instruction sets; floats are compared all the same."""

    def quantized(hardware, ratio):
        made = Derivation("a tool", 1.0, 4_000_000, 17, {"MatMulInteger": 2}, hardware=hardware)
        return row(export=replace(exported(1_000_000), derivation=made), parity=parity(ratio))

    then = before(quantized("x86_64-avx2", 0.3))
    now = run(quantized("x86_64-vnni", 0.9))
    reason = "quantized for other hardware: x86_64-avx2 then, x86_64-vnni now"
    assert looked(gate(now, then), "parity") == (0, 1, {reason: 1})
    worse = run(quantized("x86_64-avx2", 0.9))
    assert broken(gate(worse, then)) == [("parity", "cnn")]
    halves = [run(quantized(None, 0.9)), before(quantized(None, 0.3))]
    assert broken(gate(*halves)) == [("parity", "cnn")]


def test_before_there_is_a_baseline_an_explicit_rule_waits():
    """The first run cannot be compared, which is nobody's fault; it shows 0 of N."""
    result = gate(run(row()), latency="on", size=1.1, vanished="on")
    assert result.passed
    assert result.baseline is None
    assert looked(result, "size") == (0, 1, {"not in the baseline": 1})


def test_a_session_that_takes_longer_to_create_does_not_go_through():
    """By the factor, and by 20 ms at least."""
    slow = row(latency=compared(session_ratio=2.0))
    result = gate(run(slow), before(row()))
    assert broken(result) == [("session", "cnn")]
    assert result.findings[0].text == f"session creation 100 ms, 2x of run {THEN}, limit 1.5x"
    quick = row(latency=compared(session_ratio=2.0, session_create_ns=30_000_000))
    assert gate(run(quick), before(row())).passed


def test_a_larger_model_does_not_go_through():
    """In bytes, with both sizes; a smaller one does."""
    then = before(row())
    (finding,) = gate(run(row(export=exported(1_100_000))), then).findings
    assert finding.text == f"1,100,000 bytes, 1.1x the 1,000,000 of run {THEN}, limit 1.05x"
    assert gate(run(row(export=exported(1_050_000))), then).passed
    assert gate(run(row(export=exported(1_100_000))), then, size=1.2).passed
    assert gate(run(row(export=exported(1))), then).passed


def test_a_session_that_takes_more_memory_does_not_go_through():
    """By the factor, and by 32 MiB at least."""
    hungry = row(latency=compared(session_peak_bytes=200 * 2**20))
    result = gate(run(hungry), before(row()))
    assert broken(result) == [("memory", "cnn")]
    small = before(row(latency=replace(TIMED, session_peak_bytes=10 * 2**20)))
    assert gate(run(row(latency=compared(session_peak_bytes=40 * 2**20))), small).passed


def test_figures_of_a_case_that_does_not_pass_are_not_compared():
    """Its failure is said once, by the rule that is about failures."""
    now = run(row("cnn"), row("lstm", Verdict.FAIL, export=exported(9_000_000)))
    result = gate(now, before(row("cnn"), row("lstm")), coverage="off")
    assert broken(result) == [("new_failures", "lstm")]
    assert looked(result, "size") == (1, 2, {"does not pass": 1})


LARGER = run(row(export=exported(2_000_000)))


@pytest.mark.parametrize("model", ["cnn", "c*", "pytorch/*", case_id("cnn")])
def test_an_accepted_finding_is_shown_and_goes_through(model):
    """It is named by the model's or the case's id, and keeps its reason."""
    known = {"rule": "size", "model": model, "reason": "a wider head", "expires": "2026-11-21"}
    result = gate(LARGER, before(row()), accepted=[known])
    assert result.passed
    (finding,) = result.findings
    assert finding.accepted == Acceptance("a wider head", date(2026, 11, 21))
    assert result.warnings == ()


def test_an_expired_acceptance_accepts_nothing():
    """A day later it fails, and says that it was known."""
    known = {"rule": "size", "model": "cnn", "reason": "a wider head", "expires": "2026-11-20"}
    result = gate(LARGER, before(row()), accepted=[known])
    assert broken(result) == [("size", "cnn")]
    assert result.findings[0].text.endswith("(was accepted until 2026-11-20: a wider head)")


def test_an_acceptance_covers_its_rule_and_its_model_only():
    """A larger model is not excused from being slower, nor another model by it."""
    known = {"rule": "latency", "model": "cnn", "reason": "x"}
    other = {"rule": "size", "model": "lstm", "reason": "x"}
    assert broken(gate(LARGER, before(row()), accepted=[known, other])) == [("size", "cnn")]


def test_a_vanished_model_can_be_accepted():
    """It has no row any more; its name is read off the case's id."""
    known = {"rule": "vanished", "model": "lstm", "reason": "retired"}
    assert gate(run(row("cnn")), before(row("cnn"), row("lstm")), accepted=[known]).passed


def test_a_stale_acceptance_is_a_warning_of_a_whole_run():
    """Nothing left to accept: remove it. A part of the zoo, or a case unjudged, can't tell."""
    stale = {"rule": "size", "model": "cnn", "reason": "x"}
    (warning,) = gate(run(row()), before(row()), accepted=[stale]).warnings
    assert warning == (
        "gate.accepted[0] (size of cnn): there is nothing to accept any more; remove it"
    )
    part = run(row(), whole=False)
    assert gate(part, before(row()), accepted=[stale]).warnings == ()
    slower = {"rule": "latency", "model": "cnn", "reason": "x"}
    contended = run(row(latency=compared(contended="a compiler ran")))
    assert gate(contended, before(row()), accepted=[slower]).warnings == ()


def test_a_rule_that_is_off_neither_looks_nor_finds():
    """It is not among the checks, so nobody takes it for one that was content."""
    result = gate(LARGER, before(row()), size="off")
    assert result.passed
    assert "size" not in {c.rule.value for c in result.checks}
