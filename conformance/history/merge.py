"""From the records of tests to the rows of a report: one row per case and provider.

A row passes only by a parity record that passed. Of a case's tests, in the order export,
parity, latency, the first that did not pass decides the row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from conformance.history.records import StoredRun
from conformance.model import (
    CaseResult,
    Judgement,
    Record,
    RunHeader,
    Stage,
    TestKind,
    TestRef,
    TrendPoint,
    Verdict,
)

#: The stage that a test is named after, for tests that left no record.
_STAGE_OF = {
    TestKind.EXPORT: Stage.EXPORT,
    TestKind.PARITY: Stage.PARITY,
    TestKind.LATENCY: Stage.LATENCY,
}
#: Why a row without a parity test says nothing.
PARITY_NOT_SELECTED = "parity was not selected"
_Tests = dict[TestKind, TestRef]


@dataclass(slots=True)
class _CaseTests:
    """The tests of one case that were selected or left a record."""

    export: TestRef | None = None
    providers: dict[str, _Tests] = field(default_factory=dict)

    def rows(self) -> Iterable[_Tests]:
        shared: _Tests = {} if self.export is None else {TestKind.EXPORT: self.export}
        return [shared | tests for tests in self.providers.values()] or [shared]


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """A run, and what came of each of its cases."""

    run: StoredRun
    cases: tuple[CaseResult, ...]

    @classmethod
    def of(cls, run: StoredRun) -> Self:
        """Merge the run's records."""
        return cls(run, merge(run))


def merge(run: StoredRun) -> tuple[CaseResult, ...]:
    """One row per case and provider, in the order in which the tests were planned.

    A test that was run again counts by its last record. A planned test without a record is
    an ``infra-error``, or ``not-run`` where the run was interrupted.
    """
    records = {(record.ref.test, record.ref.id): record for record in run.records}
    cases: dict[str, _CaseTests] = {}
    for ref in (*(run.plan.tests if run.plan else ()), *(r.ref for r in run.records)):
        tests = cases.setdefault(ref.case, _CaseTests())
        if ref.provider is None:
            tests.export = ref
        else:
            tests.providers.setdefault(ref.provider, {})[ref.test] = ref
    interrupted = run.footer is not None and run.footer.status == "interrupted"
    return tuple(
        _row(tests, records, interrupted=interrupted)
        for case in cases.values()
        for tests in case.rows()
    )


def trend_point(header: RunHeader, row: CaseResult) -> TrendPoint:
    """What a row adds to the trend of its case."""
    worst = row.parity.worst_output if row.parity else None
    latency = row.latency if row.latency and row.latency.measured_in is None else None
    return TrendPoint(
        run=header.id,
        started=header.started,
        verdict=row.verdict,
        parity_ratio=worst.ratio if worst else None,
        median_ns=latency.median_ns if latency else None,
        size_bytes=row.export.size_bytes if row.export else None,
        export_seconds=row.export.export_seconds if row.export else None,
        yardsticks=comparable_yardsticks(row),
        hardware=latency.hardware if latency else None,
    )


def comparable_yardsticks(row: CaseResult) -> float | None:
    """Latency in runs of the yardstick, if this run measured it and nothing disturbed it."""
    latency = row.latency
    if latency is None or latency.yardstick is None or not latency.comparable:
        return None
    if latency.measured_in is not None:
        return None
    return latency.yardstick.value


def _row(
    tests: _Tests, records: dict[tuple[TestKind, str], Record], *, interrupted: bool
) -> CaseResult:
    ordered = {kind: tests[kind] for kind in TestKind if kind in tests}
    found = {
        kind: records[kind, ref.id] for kind, ref in ordered.items() if (kind, ref.id) in records
    }
    decided_by, decision = _decide(ordered, found, interrupted=interrupted)
    # the last test's view of export and parity is the fullest: it builds on the earlier ones
    latest = list(reversed(found.values()))
    # what explains a failure must be about the failure that the row shows
    decisive = [r for r in latest if r.ref == decided_by] + latest
    about = next(reversed(ordered.values()))
    return CaseResult(
        id=about.id,
        model=about.model,
        framework=about.framework,
        task=about.task,
        tags=about.tags,
        trusted=about.trusted,
        place=about.place,
        exporter=about.exporter,
        opset=about.opset,
        variant=about.variant,
        provider=about.provider,
        stage=decision.stage,
        verdict=decision.verdict,
        reason=decision.reason,
        link=decision.link,
        details=decision.details,
        export=next((r.export for r in latest if r.export), None),
        parity=next((r.parity for r in latest if r.parity), None),
        latency=next((r.latency for r in latest if r.latency), None),
        placement=next((r.placement for r in latest if r.placement), None),
        repro=decided_by.repro,
        duration_s=round(sum(r.duration_s for r in latest), 6),
        mutation=next((r.mutation for r in latest if r.mutation), None),
        explanation=next((r.explanation for r in decisive if r.explanation), None),
        failure_folder=next((r.failure_folder for r in decisive if r.failure_folder), None),
        runtime=next((r.runtime for r in latest if r.runtime), None),
        provider_options=next((r.provider_options for r in latest if r.provider_options), None),
    )


def _decide(
    tests: _Tests, found: dict[TestKind, Record], *, interrupted: bool
) -> tuple[TestRef, Judgement]:
    parity = found.get(TestKind.PARITY)
    proven = parity is not None and parity.verdict is Verdict.PASS
    for kind, ref in tests.items():
        record = found.get(kind)
        if record is None:
            return ref, unrecorded(ref, interrupted=interrupted)
        waived = kind is TestKind.LATENCY and proven and record.verdict is Verdict.NOT_RUN
        if record.verdict is not Verdict.PASS and not waived:
            return ref, _of(record)
    if parity is None:
        first = next(iter(tests.values()))
        return first, Judgement(Verdict.NOT_RUN, Stage.PARITY, PARITY_NOT_SELECTED)
    return parity.ref, _passed(parity, found.get(TestKind.LATENCY))


def _passed(parity: Record, latency: Record | None) -> Judgement:
    """A pass; its reason is why the latency is missing, if it is."""
    if latency is not None and latency.verdict is Verdict.PASS:
        return Judgement(Verdict.PASS, latency.stage, None)
    reason = None if latency is None else f"latency not run: {latency.reason}"
    return Judgement(Verdict.PASS, parity.stage, reason)


def _of(record: Record) -> Judgement:
    return Judgement(record.verdict, record.stage, record.reason, record.link, record.details)


def unrecorded(ref: TestRef, *, interrupted: bool) -> Judgement:
    """What is said of a test that was planned and left no record.

    Args:
        ref: the test.
        interrupted: its run was ended before its time, and not by the test.
    """
    if interrupted:
        return Judgement(Verdict.NOT_RUN, _STAGE_OF[ref.test], f"interrupted before {ref.test}")
    reason = f"no record of {ref.test}: the process that ran it died"
    return Judgement(Verdict.INFRA_ERROR, _STAGE_OF[ref.test], reason)
