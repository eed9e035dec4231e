"""One test of one case, from its preconditions to its record.

The engine decides nothing numerical: it finds or makes the bundle, has the pipeline's
functions run where the executor runs them, holds the outcome against what the zoo expects,
and writes down what happened. The suite and the tools both stand on it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from conformance.bundle import Bundle
from conformance.conversions import Conversions
from conformance.entry import ZooEntry
from conformance.evidence import (
    ExportResult,
    LatencyResult,
)
from conformance.execution.child import Executor
from conformance.execution.contract import Failure, shorten
from conformance.execution.machine_lock import alone, busy
from conformance.execution.progress import tell_waiting
from conformance.failures import Origin, remove_failure, write_failure
from conformance.judging import judge_failure, judge_success
from conformance.machine import describe_machine, installed_versions
from conformance.measuring import Earlier, unchanged
from conformance.model import (
    BASE,
    Case,
    FrameworkInfo,
    Judgement,
    Record,
    Stage,
    TestKind,
    TestRef,
    Verdict,
    from_json,
)
from conformance.outcomes import Outcomes, Reported
from conformance.proofs import Proofs
from conformance.redaction import hide_secrets, hide_secrets_in
from conformance.tasks import Settings, Tasks
from conformance.zoo import LocatedCase


@dataclass(frozen=True, slots=True)
class _Found:
    """What is known of a case when all but its latency is."""

    bundle: Bundle | None
    failure: Failure | None
    #: The test that answers for ``failure``.
    owner: TestKind
    last_stage: Stage
    #: Fields of the record.
    evidence: dict[str, Any] = field(default_factory=dict)
    findings: Path | None = None
    #: Key of the case that answers for ``failure``, where it is another conversion's.
    blocker: str | None = None


class Past(Protocol):
    """What earlier runs tell of a case."""

    def latency_of(self, case: str) -> Earlier | None:
        """Its latency on a provider, by the case's id there; None where no run timed it."""


class Engine:
    """Runs the tests of cases; what the run has found out already is not done again."""

    def __init__(
        self,
        settings: Settings,
        executor: Executor,
        frameworks: Mapping[str, FrameworkInfo],
        past: Past | None = None,
    ) -> None:
        self._settings = settings
        self._past = past
        self._tasks = Tasks(settings, executor)
        self._outcomes = Outcomes(settings.of_the_run / "outcomes")
        self._conversions = Conversions(settings, self._tasks, frameworks, self._outcomes)
        self._proofs = Proofs(settings, self._tasks, self._conversions, self._outcomes)

    def run(self, located: LocatedCase, ref: TestRef) -> Record:
        """Run the test that ``ref`` names and return its record; never raises for a model."""
        started = datetime.now(UTC).isoformat(timespec="milliseconds")
        lock = self._settings.machine_lock
        with busy(lock, waiting=self._waiting(ref, "a latency measurement")):
            clock = time.perf_counter()  # to wait is no work
            found = self._found(located, ref)
            seconds = time.perf_counter() - clock
        latency = None
        if found.bundle is not None and found.failure is None and ref.test is TestKind.LATENCY:
            failure, latency, took = self._timed(located, found.bundle, ref)
            seconds += took
            found = replace(
                found, failure=failure, owner=TestKind.LATENCY, last_stage=Stage.LATENCY
            )
        judged = self._judged(located.case, ref, found)
        # the zoo's own words are among these
        reason, link, details = hide_secrets_in([judged.reason, judged.link, judged.details])
        record = Record(
            ref=ref,
            verdict=judged.verdict,
            stage=judged.stage,
            reason=reason,
            link=link,
            details=details,
            started=started,
            duration_s=round(seconds, 6),
            worker=self._settings.worker,
            latency=latency,
            provider_options=located.case.entry.options_of(ref.provider or "") or None,
            **found.evidence,
        )
        return self._kept(record, located, found.bundle, found.findings)

    def adopt(self, case: Case, bundle: Bundle) -> None:
        """Take a case for converted: ``bundle``, whichever environment made it, is its bundle."""
        self._conversions.adopt(case, bundle)

    def close(self) -> None:
        """End the executor's processes."""
        self._tasks.close()

    # -- the pieces of work ------------------------------------------------------------

    def _found(self, located: LocatedCase, ref: TestRef) -> _Found:
        """Everything about the case that ``ref`` needs but its latency."""
        conversion, bundle = self._conversions.obtain(located)
        if bundle is None:
            return _Found(
                None,
                conversion.failure,
                TestKind.EXPORT,
                Stage.CHECK,
                blocker=conversion.blocker,
            )
        made = Stage.CHECK if located.case.variant == BASE else Stage.OPTIMIZE
        key = bundle.path.name if located.case.entry.source.is_pinned else None
        exported = _export_result(bundle, key, cached=conversion.cached)
        evidence: dict[str, Any] = {"export": exported}
        if ref.provider is None:
            return _Found(bundle, None, TestKind.EXPORT, made, evidence)
        proof = self._proofs.of(located, bundle, ref, ref.provider)
        evidence |= {
            "parity": proof.parity,
            "placement": proof.placement,
            "mutation": proof.mutation,
            "explanation": proof.explanation,
        }
        return _Found(
            bundle, proof.failure, TestKind.PARITY, Stage.PARITY, evidence, proof.findings
        )

    def _timed(
        self, located: LocatedCase, bundle: Bundle, ref: TestRef
    ) -> tuple[Failure | None, LatencyResult | None, float]:
        """The latency, taken over or measured, and the seconds that it took without waiting."""
        known = self._unchanged(located.case.entry, bundle, ref)
        if known is not None:
            return None, known, 0.0
        free = self._waiting(ref, "the machine to be free")
        with alone(self._settings.machine_lock, waiting=free) as granted:
            clock = time.perf_counter()
            failure, latency = self._measured(located, bundle, ref, alone=granted)
            return failure, latency, time.perf_counter() - clock

    def _measured(
        self, located: LocatedCase, bundle: Bundle, ref: TestRef, *, alone: bool
    ) -> tuple[Failure | None, LatencyResult | None]:
        earlier = self._earlier(ref.id, bundle)
        provider = ref.provider or ""
        completed = self._tasks.measure(located, bundle, provider, earlier, alone=alone)
        if completed.value is None:
            return completed.failure, None
        return None, from_json(LatencyResult, completed.value["latency"])

    def _unchanged(self, entry: ZooEntry, bundle: Bundle, ref: TestRef) -> LatencyResult | None:
        """What an earlier run measured, where that stands; of branches nobody knows."""
        if self._past is None or not self._settings.reuse or not entry.source.is_pinned:
            return None
        earlier = self._past.latency_of(ref.id)
        return None if earlier is None else unchanged(earlier, entry, bundle.path.name)

    def _earlier(self, case: str, bundle: Bundle) -> Earlier | None:
        """What the case is compared with, and the bundle of then if it is another model."""
        earlier = self._past.latency_of(case) if self._past else None
        if earlier is None or earlier.key is None:
            return earlier
        if earlier.model_digest == bundle.manifest.model_digest:
            return earlier
        former = self._conversions.former(earlier.key)
        # without it the yardstick has to do
        return earlier if former is None else replace(earlier, bundle=str(former.path))

    def _waiting(self, ref: TestRef, waits_for: str) -> Callable[[], None]:
        """What tells those who watch that ``ref`` waits for the machine."""
        stage = Stage.LATENCY if ref.test is TestKind.LATENCY else Stage.LOAD

        def tell() -> None:
            with contextlib.suppress(OSError):  # a full disk is told of by what needs the room
                tell_waiting(self._settings.progress, ref.id, stage, waits_for)

        return tell

    def _kept(
        self,
        record: Record,
        located: LocatedCase,
        bundle: Bundle | None,
        findings: Path | None,
    ) -> Record:
        """Leave a failure's folder, or remove an earlier run's; trouble with it is not fatal."""
        failures = self._settings.failures_dir
        try:
            if record.verdict not in (Verdict.FAIL, Verdict.VACUOUS):
                if record.verdict.checked:
                    remove_failure(failures, record.ref.id)
                return record
            origin = Origin(
                located.case.entry, self._settings.seed, installed_versions(), describe_machine()
            )
            reduced = _reduced(record, findings)
            folder = write_failure(failures, record, origin, bundle, reduced)
        except OSError as error:
            lost = f"no failure folder: {hide_secrets(str(error))}"
            details = f"{record.details or ''}\n\n{lost}".strip()
            return replace(record, details=details)
        return replace(record, failure_folder=f"{failures.name}/{folder.name}")

    def _judged(self, case: Case, ref: TestRef, found: _Found) -> Judgement:
        """What is to be said of what was found.

        A dependent points at its owner when that has reported, and reports in its place
        when it was not selected: a failure is told once, and never lost. A variant depends on
        the conversion of its base, and that on its export where the opset was converted.
        """
        entry, failure, owner = case.entry, found.failure, found.owner
        if failure is None:
            return judge_success(entry, ref, found.last_stage)
        blocker = own = ref.case if owner is TestKind.EXPORT else ref.id
        if owner is TestKind.EXPORT and failure.stage.comes_before(Stage.OPTIMIZE):
            blocker = found.blocker or case.base.key
        told = self._outcomes.recall(Reported, f"{owner} of {blocker}")
        if (ref.test, own) != (owner, blocker) and told is not None:
            reason = f"not run, {owner} of {blocker} is {told.text}"
            return Judgement(Verdict.NOT_RUN, failure.stage, shorten(reason))
        judged = judge_failure(entry, ref, failure, require=self._settings.require)
        reported = Reported(f"{judged.verdict}: {judged.reason}")
        self._outcomes.keep(f"{owner} of {blocker}", reported)
        return judged


def _reduced(record: Record, findings: Path | None) -> Path | None:
    known = record.explanation.reduced if record.explanation else None
    return None if known is None or findings is None else findings / known.path


def _export_result(bundle: Bundle, key: str | None, *, cached: bool) -> ExportResult:
    manifest = bundle.manifest
    return ExportResult(
        export_seconds=round(manifest.export_seconds, 3),
        size_bytes=manifest.size_bytes,
        nodes=manifest.nodes,
        cached=cached,
        peak_rss_bytes=manifest.peak_rss_bytes,
        fp64_unavailable=manifest.fp64_unavailable,
        bundle=key,
        model_digest=manifest.model_digest,
        derivation=manifest.derivation,
        exported_by=manifest.exported_by,
        fallback=manifest.fallback,
        opset_conversion=manifest.opset_conversion,
    )
