"""From an outcome to a verdict: what happened, held against what the zoo expects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from enum import Enum

from conformance.entry import Expectation, ZooEntry
from conformance.evidence import ParityReport
from conformance.execution.contract import Failure, shorten
from conformance.model import Case, CaseResult, Judgement, Stage, TestKind, TestRef, Verdict
from conformance.zoo.expectations import BEFORE_PROVIDERS, concerns

#: The stages that each test answers for; a known failure is expected of exactly one test.
_STAGES_OF = {
    TestKind.EXPORT: BEFORE_PROVIDERS,
    TestKind.PARITY: (Stage.SESSION, Stage.PARITY),
    TestKind.LATENCY: (Stage.LATENCY,),
}
#: What is added to the reason of a failure; :func:`bare_reason` takes it off again.
_ANOTHER, _EXPIRED, _REQUIRED = " (the zoo expects ", " (known: ", " (--zoo-require)"
_RENEW = ": fix it or renew 'expires')"
_NOTE = re.compile("|".join(map(re.escape, (_ANOTHER, _EXPIRED, _REQUIRED))))


def judge_success(entry: ZooEntry, ref: TestRef, last_stage: Stage) -> Judgement:
    """A test that went through: a pass, unless the zoo knows a failure of its stages.

    An expectation that has expired is as wrong about a success as any other.
    """
    due = [e for e in _expectations(entry, ref) if e.stage in _STAGES_OF[ref.test]]
    if not due:
        return Judgement(Verdict.PASS, last_stage, None)
    only = len(entry.expect) == 1
    step = "remove 'expect' from the entry" if only else "remove that item of 'expect'"
    reason = f"was expected to fail at {due[0].stage} ({due[0].reason}); it works now: {step}"
    return Judgement(Verdict.UNEXPECTED_PASS, last_stage, reason, due[0].link)


def judge_failure(
    entry: ZooEntry, ref: TestRef, failure: Failure, *, require: bool, today: date | None = None
) -> Judgement:
    """A test that did not go through.

    Args:
        entry: what the zoo expects.
        ref: the test.
        failure: what happened to it.
        require: whether what is not-run for want of a framework or provider fails instead.
        today: the day against which expectations expire; by default today's, in UTC.
    """
    if failure.verdict is Verdict.NOT_RUN and require:
        reason = f"{failure.reason}{_REQUIRED}"
        return _as_it_is(replace(failure, verdict=Verdict.FAIL, reason=reason))
    expected = _expectations(entry, ref)
    if failure.verdict is Verdict.FAIL and expected:
        return _held_against(expected, failure, today or datetime.now(UTC).date())
    return _as_it_is(failure)


def parity_failure(report: ParityReport) -> Failure | None:
    """What a comparison means: a failure, a comparison that proves nothing, or None."""
    for verdict, lines in (
        (Verdict.FAIL, report.all_problems),
        (Verdict.VACUOUS, report.vacuous_outputs),
    ):
        if lines:
            more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
            reason, details = shorten(lines[0] + more), "\n".join(lines)
            return Failure(verdict, Stage.PARITY, reason, details, lines)
    return None


class Standing(Enum):
    """What a row of a run says about a known failure of its case."""

    #: The case failed in just that way; also when the expectation has expired since.
    MET = "met"
    #: The case passed, or failed in another way.
    GONE = "gone"
    #: The case was not judged.
    UNKNOWN = "unknown"


def standing(expectation: Expectation, row: CaseResult) -> Standing:
    """Whether ``row``, of a case that the expectation concerns, failed as expected."""
    if row.verdict in (Verdict.PASS, Verdict.UNEXPECTED_PASS):
        # a success of the export test, say, tells nothing about the stages after it
        order = list(Stage)
        later = order.index(Stage(expectation.stage)) > order.index(row.stage)
        return Standing.UNKNOWN if later else Standing.GONE
    if row.verdict not in (Verdict.FAIL, Verdict.EXPECTED_FAIL) or lacks_something(row):
        return Standing.UNKNOWN
    return Standing.MET if _was_met(expectation, row) else Standing.GONE


def unmatched(cases: Iterable[Case], rows: Iterable[CaseResult]) -> list[tuple[str, Expectation]]:
    """The known failures that a run did not show, though it judged all cases they concern.

    Most of these fail the run anyway, as an unexpected pass or as another failure. What is
    left is an expectation whose cases all met another one.

    Args:
        cases: of the whole zoo; where a case has no row, its expectations are unknown.
        rows: of the run.

    Returns:
        Model id and expectation, in the order of the zoo.
    """
    by_id = {row.id: row for row in rows}
    seen: dict[tuple[str, int], set[Standing]] = {}
    known: dict[tuple[str, int], Expectation] = {}
    for case in cases:
        for provider in case.entry.providers:
            row = by_id.get(case.id_on(provider))
            for number, expectation in enumerate(case.entry.expect):
                if concerns(expectation, case.exporter, case.opset, case.variant, provider):
                    found = standing(expectation, row) if row else Standing.UNKNOWN
                    seen.setdefault((case.entry.id, number), set()).add(found)
                    known[case.entry.id, number] = expectation
    return [(key[0], known[key]) for key, found in seen.items() if found == {Standing.GONE}]


def lacks_something(row: CaseResult) -> bool:
    """Whether a row fails only because ``--zoo-require`` asked for what is not installed."""
    return row.verdict is Verdict.FAIL and (row.reason or "").endswith(_REQUIRED)


def has_expired(row: CaseResult) -> bool:
    """Whether a row fails only because its known failure has expired."""
    return row.verdict is Verdict.FAIL and (row.reason or "").endswith(_RENEW)


def bare_reason(row: CaseResult) -> str:
    """Why a row failed, without what judging added about the zoo."""
    return _NOTE.split(row.reason or "", maxsplit=1)[0]


def failure_text(row: CaseResult) -> str:
    """What ``match`` of an expectation is held against, as far as the row keeps it."""
    # the reason of an expected failure is the zoo's; its details begin with the failure's own
    own = "" if row.verdict is Verdict.EXPECTED_FAIL else bare_reason(row)
    return f"{own}\n{row.details or ''}"


def _was_met(expectation: Expectation, row: CaseResult) -> bool:
    if row.details is None and expectation.stage == row.stage:
        # not all reports keep details: the reason of the expectation is in the row as well
        if row.verdict is Verdict.EXPECTED_FAIL:
            return row.reason == expectation.reason
        if has_expired(row) and f"{_EXPIRED}{expectation.reason}; " in (row.reason or ""):
            return True
    problems = row.parity.all_problems if row.parity and row.stage is Stage.PARITY else ()
    return _accepts(expectation, row.stage, failure_text(row), problems)


def _expectations(entry: ZooEntry, ref: TestRef) -> list[Expectation]:
    """The known failures that concern this test's case, at whichever stage."""
    return [
        e for e in entry.expect if concerns(e, ref.exporter, ref.opset, ref.variant, ref.provider)
    ]


def _accepts(
    expectation: Expectation, stage: Stage, text: str, problems: Sequence[str] = ()
) -> bool:
    """Whether a failure is the expected one; of several problems, ``match`` must fit each."""
    if expectation.stage != stage:
        return False
    match = expectation.match
    return match is None or all(re.search(match, said) for said in problems or (text,))


def _held_against(expected: Sequence[Expectation], failure: Failure, today: date) -> Judgement:
    """A failure of a case that has known ones: the very failure, or another in its place."""
    text = f"{failure.reason}\n{failure.details or ''}"
    met = [e for e in expected if _accepts(e, failure.stage, text, failure.problems)]
    for expectation in met:
        if expectation.expires is None or today <= expectation.expires:
            said = failure.details or ""
            # the details of a comparison begin with its reason
            details = said if said.startswith(failure.reason) else f"{failure.reason}\n\n{said}"
            return Judgement(
                Verdict.EXPECTED_FAIL, failure.stage, expectation.reason, expectation.link, details
            )
    if met:
        reason = (
            f"{failure.reason}{_EXPIRED}{met[0].reason}; but the expectation expired on "
            f"{met[0].expires}{_RENEW}"
        )
        return replace(_as_it_is(replace(failure, reason=reason)), link=met[0].link)
    unmet = dict.fromkeys(_unlike(expectation, failure) for expectation in expected)
    reason = f"{failure.reason}{_ANOTHER}a failure {' or '.join(unmet)})"
    return _as_it_is(replace(failure, reason=reason))


def _unlike(expectation: Expectation, failure: Failure) -> str:
    """What an expectation asks for that a failure is not."""
    if expectation.stage != failure.stage:
        return f"at {expectation.stage}"
    pattern = f"that matches {expectation.match!r}"
    others = [p for p in failure.problems if not re.search(expectation.match or "", p)]
    if not others or len(others) == len(failure.problems):
        return pattern
    return f"{pattern}, which does not cover {shorten(others[0])!r}"


def _as_it_is(failure: Failure) -> Judgement:
    return Judgement(failure.verdict, failure.stage, failure.reason, details=failure.details)
