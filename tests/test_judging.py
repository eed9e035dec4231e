"""Expectations are strict: this failure of this case until this day, and nothing else."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from conformance.entry import Expectation, ZooEntry
from conformance.evidence import ParityReport
from conformance.execution.contract import Failure
from conformance.judging import (
    Standing,
    bare_reason,
    has_expired,
    judge_failure,
    judge_success,
    lacks_something,
    parity_failure,
    standing,
    unmatched,
)
from conformance.model import Case, CaseResult, Stage, TestKind, TestRef, Verdict

LAST_DAY = date(2026, 12, 31)
NO_OP = Failure(Verdict.FAIL, Stage.EXPORT, "ExportError: no operator Lgamma", "Traceback ...")


def entry(*expect, **changes):
    """An entry with these known failures, of one case unless told otherwise."""
    plain = {
        "id": "cnn",
        "framework": "pytorch",
        "source": {"factory": "a:b"},
        "inputs": {"factory": "a:c"},
        "expect": expect,
    }
    return ZooEntry.model_validate(plain | changes)


def known(stage="export", **changes):
    """A known failure."""
    return {"stage": stage, "reason": "no log-gamma", "link": "https://e.org/1"} | changes


def ref(test=TestKind.EXPORT, *, opset=18, provider=None):
    """A test of the entry's case."""
    case = f"pytorch/cnn@dynamo-op{opset}-fp32"
    identity = case if provider is None else f"{case}-{provider}"
    return TestRef(
        test,
        identity,
        case,
        "cnn",
        "pytorch",
        None,
        (),
        "dynamo",
        opset,
        "fp32",
        provider,
        "pytest",
    )


def row(verdict, stage, reason=None, details=None, *, opset=18, provider="cpu"):
    """A row of a report about the entry's case."""
    of = ref(TestKind.PARITY, opset=opset, provider=provider)
    return CaseResult(
        of.id, of.model, of.framework, None, (), of.exporter, of.opset, of.variant, provider,
        stage, verdict, reason, None, details, None, None, None, None, of.repro, 1.0,
    )  # fmt: skip


def as_row(judged):
    """The row that a judgement of the case becomes."""
    return row(judged.verdict, judged.stage, judged.reason, judged.details)


def test_the_very_failure_is_expected():
    """Stage and signature fit: expected, told by the zoo's reason, with the failure's details."""
    judged = judge_failure(entry(known(match="operator Lgamma")), ref(), NO_OP, require=False)
    assert (judged.verdict, judged.reason) == (Verdict.EXPECTED_FAIL, "no log-gamma")
    assert judged.details.startswith(NO_OP.reason)


@pytest.mark.parametrize(
    ("expected", "asked_for"),
    [
        (known("parity"), "a failure at parity"),
        (known(match="Digamma"), "a failure that matches 'Digamma'"),
        (known("check"), "a failure at check"),
    ],
)
def test_another_failure_in_its_place_fails(expected, asked_for):
    """Another stage or another text is a failure that says what was expected."""
    judged = judge_failure(entry(expected), ref(), NO_OP, require=False)
    assert judged.verdict is Verdict.FAIL
    assert judged.reason == f"{NO_OP.reason} (the zoo expects {asked_for})"
    assert bare_reason(as_row(judged)) == NO_OP.reason


def test_a_new_problem_beside_the_known_one_fails():
    """A known failure of one output must not hide a new one of another."""
    known_only = ParityReport((), 2, ("output 'scores' is off",))
    with_another = ParityReport((), 2, ("output 'scores' is off", "output 'label' is off"))
    case = entry(known("parity", match="output 'scores'"))
    parity = ref(TestKind.PARITY)
    judged = judge_failure(case, parity, parity_failure(known_only), require=False)
    assert judged.verdict is Verdict.EXPECTED_FAIL
    judged = judge_failure(case, parity, parity_failure(with_another), require=False)
    assert judged.verdict is Verdict.FAIL
    assert judged.reason.endswith("""which does not cover "output 'label' is off")""")


@pytest.mark.parametrize("verdict", [Verdict.VACUOUS, Verdict.INFRA_ERROR, Verdict.NOT_RUN])
def test_only_a_failure_is_ever_expected(verdict):
    """What is vacuous, not run or the machine's fault stays what it is."""
    failure = Failure(verdict, Stage.EXPORT, "no operator Lgamma", None)
    assert judge_failure(entry(known()), ref(), failure, require=False).verdict is verdict


def test_an_expectation_of_another_case_excuses_nothing():
    """Selectors are held against the case."""
    case = entry(known(opset=17), opsets=[17, 18])
    assert judge_failure(case, ref(), NO_OP, require=False).reason == NO_OP.reason
    assert judge_failure(case, ref(opset=17), NO_OP, require=False).verdict is Verdict.EXPECTED_FAIL


@pytest.mark.parametrize("days", [-1, 0])
def test_an_expectation_holds_until_the_end_of_its_last_day(days):
    """On its last day the failure is still accepted."""
    case = entry(known(expires=LAST_DAY))
    today = LAST_DAY + timedelta(days)
    judged = judge_failure(case, ref(), NO_OP, require=False, today=today)
    assert judged.verdict is Verdict.EXPECTED_FAIL


def test_an_expired_expectation_fails():
    """A day later it fails, and says what was known, until when, and what to do."""
    case = entry(known(expires=LAST_DAY))
    judged = judge_failure(case, ref(), NO_OP, require=False, today=LAST_DAY + timedelta(1))
    assert (judged.verdict, judged.stage, judged.link) == (
        Verdict.FAIL, Stage.EXPORT, "https://e.org/1",
    )  # fmt: skip
    assert judged.reason == (
        "ExportError: no operator Lgamma (known: no log-gamma; but the expectation expired on "
        "2026-12-31: fix it or renew 'expires')"
    )
    assert has_expired(as_row(judged))
    assert bare_reason(as_row(judged)) == NO_OP.reason


def test_today_is_today_by_default():
    """Without a day to judge by, the clock's day in UTC counts."""
    today = datetime.now(UTC).date()
    for days, verdict in ((-1, Verdict.FAIL), (1, Verdict.EXPECTED_FAIL)):
        case = entry(known(expires=today + timedelta(days)))
        assert judge_failure(case, ref(), NO_OP, require=False).verdict is verdict


def test_an_expired_expectation_stands_back_behind_a_valid_one():
    """Two that fit: the one that still holds decides."""
    case = entry(known(match="Lgamma", expires=LAST_DAY), known(reason="still"))
    judged = judge_failure(case, ref(), NO_OP, require=False, today=LAST_DAY + timedelta(1))
    assert (judged.verdict, judged.reason) == (Verdict.EXPECTED_FAIL, "still")


@pytest.mark.parametrize("expires", [None, LAST_DAY])
def test_a_pass_is_unexpected_also_after_the_last_day(expires):
    """A known failure that is gone fails the gate, expired or not."""
    judged = judge_success(entry(known(expires=expires)), ref(), Stage.CHECK)
    assert judged.verdict is Verdict.UNEXPECTED_PASS
    assert judged.reason.endswith("it works now: remove 'expect' from the entry")


def test_one_of_several_expectations_gone_is_unexpected():
    """The other known failures of the entry stay; only the gone one is to be removed."""
    case = entry(known(opset=17), known("parity", opset=18), opsets=[17, 18])
    assert judge_failure(case, ref(opset=17), NO_OP, require=False).verdict is Verdict.EXPECTED_FAIL
    judged = judge_success(case, ref(TestKind.PARITY, provider="cpu"), Stage.PARITY)
    assert judged.verdict is Verdict.UNEXPECTED_PASS
    assert judged.reason.endswith("remove that item of 'expect'")
    assert judge_success(case, ref(), Stage.CHECK).verdict is Verdict.PASS


def test_what_is_not_installed_is_no_known_failure():
    """``--zoo-require`` fails whatever the zoo expects, and can be told apart later."""
    absent = Failure(Verdict.NOT_RUN, Stage.EXPORT, "torch is not installed", None)
    judged = judge_failure(entry(known()), ref(), absent, require=True)
    assert judged.verdict is Verdict.FAIL
    assert lacks_something(as_row(judged))
    assert standing(Expectation(**known()), as_row(judged)) is Standing.UNKNOWN


FAILED = row(Verdict.FAIL, Stage.EXPORT, "no operator Lgamma")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (row(Verdict.EXPECTED_FAIL, Stage.EXPORT, "other words", "no Lgamma"), Standing.MET),
        (row(Verdict.EXPECTED_FAIL, Stage.EXPORT, "no log-gamma", None), Standing.MET),
        (row(Verdict.EXPECTED_FAIL, Stage.EXPORT, "no log-gamma", "no Digamma"), Standing.GONE),
        (row(Verdict.EXPECTED_FAIL, Stage.CHECK, "no log-gamma", "no Lgamma"), Standing.GONE),
        (FAILED, Standing.MET),
        (row(Verdict.FAIL, Stage.EXPORT, "no SVD (the zoo expects Lgamma)"), Standing.GONE),
        (row(Verdict.FAIL, Stage.PARITY, "Lgamma"), Standing.GONE),
        (row(Verdict.UNEXPECTED_PASS, Stage.CHECK), Standing.GONE),
        (row(Verdict.PASS, Stage.PARITY), Standing.GONE),
        (row(Verdict.VACUOUS, Stage.PARITY, "no Lgamma"), Standing.UNKNOWN),
        (row(Verdict.NOT_RUN, Stage.PARITY, "no Lgamma"), Standing.UNKNOWN),
        (row(Verdict.INFRA_ERROR, Stage.EXPORT, "no Lgamma"), Standing.UNKNOWN),
    ],
)
def test_what_a_row_says_about_an_expectation(found, expected):
    """Met by the same failure, gone by a pass or another failure, else unknown."""
    assert standing(Expectation(**known(match="Lgamma")), found) is expected


def test_a_pass_says_nothing_about_later_stages():
    """A row that passed without its latency leaves an expectation at latency open."""
    late = Expectation(**known("latency"))
    assert standing(late, row(Verdict.PASS, Stage.PARITY)) is Standing.UNKNOWN
    assert standing(late, row(Verdict.PASS, Stage.LATENCY)) is Standing.GONE


def test_an_expectation_that_matched_nothing_is_told():
    """All its cases met another expectation: nothing else would ever say so."""
    of = entry(known(match="Lgamma"), known(match="Digamma"), opsets=[17, 18])
    cases = [Case(of, "dynamo", opset, "fp32") for opset in (17, 18)]
    rows = [
        row(Verdict.EXPECTED_FAIL, Stage.EXPORT, "x", "no Lgamma", opset=opset)
        for opset in (17, 18)
    ]
    assert unmatched(cases, rows) == [("cnn", of.expect[1])]
    assert unmatched(cases, rows[:1]) == []
