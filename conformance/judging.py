"""From an outcome to a verdict: what happened, held against what the zoo expects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from conformance.entry import Expectation, ZooEntry
from conformance.evidence import ParityReport
from conformance.execution.contract import Failure, shorten
from conformance.model import Judgement, Stage, TestKind, TestRef, Verdict

#: The stages that each test answers for; a known failure is expected of exactly one test.
_STAGES_OF = {
    TestKind.EXPORT: (Stage.LOAD, Stage.INPUTS, Stage.REFERENCE, Stage.EXPORT, Stage.CHECK),
    TestKind.PARITY: (Stage.SESSION, Stage.PARITY),
    TestKind.LATENCY: (Stage.LATENCY,),
}


def judge_success(entry: ZooEntry, ref: TestRef, last_stage: Stage) -> Judgement:
    """A test that went through: a pass, unless the zoo knows a failure of its stages."""
    due = [e for e in _expectations(entry, ref) if e.stage in _STAGES_OF[ref.test]]
    if not due:
        return Judgement(Verdict.PASS, last_stage, None)
    reason = (
        f"was expected to fail at {due[0].stage} ({due[0].reason}); "
        "it works now: remove 'expect' from the entry"
    )
    return Judgement(Verdict.UNEXPECTED_PASS, last_stage, reason, due[0].link)


def judge_failure(entry: ZooEntry, ref: TestRef, failure: Failure, *, require: bool) -> Judgement:
    """A test that did not go through.

    With ``require``, what is not-run for want of a framework or provider fails instead.
    """
    if failure.verdict is Verdict.NOT_RUN and require:
        reason = f"{failure.reason} (--zoo-require)"
        return _as_it_is(replace(failure, verdict=Verdict.FAIL, reason=reason))
    expected = _expectations(entry, ref)
    if failure.verdict is Verdict.FAIL and expected:
        return _held_against(expected, failure)
    return _as_it_is(failure)


def parity_failure(report: ParityReport) -> Failure | None:
    """What a comparison means: a failure, a comparison that proves nothing, or None."""
    for verdict, lines in (
        (Verdict.FAIL, report.all_problems),
        (Verdict.VACUOUS, report.vacuous_outputs),
    ):
        if lines:
            more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
            return Failure(verdict, Stage.PARITY, shorten(lines[0] + more), "\n".join(lines))
    return None


def _expectations(entry: ZooEntry, ref: TestRef) -> list[Expectation]:
    """The known failures that concern this test's case, at whichever stage."""
    return [
        expectation
        for expectation in entry.expect
        if expectation.exporter in (None, ref.exporter)
        and expectation.opset in (None, ref.opset)
        and (ref.provider is None or expectation.provider in (None, ref.provider))
    ]


def _held_against(expected: Sequence[Expectation], failure: Failure) -> Judgement:
    """A failure of a case that has known ones: the very failure, or another in its place."""
    text = f"{failure.reason}\n{failure.details or ''}"
    unmet = []
    for expectation in expected:
        if expectation.stage != failure.stage:
            unmet.append(f"at {expectation.stage}")
        elif expectation.match is not None and not re.search(expectation.match, text):
            unmet.append(f"that matches {expectation.match!r}")
        else:
            details = f"{failure.reason}\n\n{failure.details or ''}"
            return Judgement(
                Verdict.EXPECTED_FAIL, failure.stage, expectation.reason, expectation.link, details
            )
    reason = f"{failure.reason} (the zoo expects a failure {' or '.join(unmet)})"
    return _as_it_is(replace(failure, reason=reason))


def _as_it_is(failure: Failure) -> Judgement:
    return Judgement(failure.verdict, failure.stage, failure.reason, details=failure.details)
