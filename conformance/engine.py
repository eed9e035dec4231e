"""One test of one case, from its preconditions to its record.

The engine decides nothing numerical: it finds or makes the bundle, has the pipeline's
functions run where the executor runs them, holds the outcome against what the zoo expects,
and writes down what happened. The suite and the tools both stand on it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conformance.bundle import Bundle
from conformance.cache import BundleCache, bundle_key
from conformance.entry import Conversion, ZooEntry
from conformance.evidence import ExportResult, LatencyResult, ParityReport
from conformance.execution.child import Executor
from conformance.execution.contract import Completed, Failure, Spec, failure_of, shorten
from conformance.judging import judge_failure, judge_success, parity_failure
from conformance.model import (
    FrameworkInfo,
    Judgement,
    Record,
    Stage,
    TestKind,
    TestRef,
    Verdict,
    from_json,
    to_json,
)
from conformance.requirements import missing_requirements
from conformance.zoo import LocatedCase

_RUNTIME_PRELOAD = ("numpy", "onnx", "onnxruntime", "conformance.pipeline")


@dataclass(frozen=True, slots=True)
class Settings:
    """How the cases of one run are worked on."""

    cache_dir: Path
    #: Scratch folder of this process; emptied by whoever made it.
    workdir: Path
    #: File in which children say what they are doing.
    progress: Path
    offline: bool
    #: A missing framework or provider is a failure instead of not-run.
    require: bool
    seed: int
    worker: str | None = None


@dataclass(frozen=True, slots=True)
class _Conversion:
    bundle: Bundle | None
    failure: Failure | None
    cached: bool = False


@dataclass(frozen=True, slots=True)
class _Proof:
    parity: ParityReport | None
    placement: dict[str, int] | None
    failure: Failure | None


class Engine:
    """Runs the tests of cases; remembers conversions and proofs within its lifetime."""

    def __init__(
        self, settings: Settings, executor: Executor, frameworks: Mapping[str, FrameworkInfo]
    ) -> None:
        self._settings = settings
        self._executor = executor
        self._frameworks = frameworks
        self._cache = BundleCache(settings.cache_dir)
        self._conversions: dict[str, _Conversion] = {}
        self._proofs: dict[str, _Proof] = {}
        #: What a test of this run has reported in place of a pass; dependents point at it.
        self._reported: dict[tuple[TestKind, str], str] = {}
        self._runs = 0

    def run(self, located: LocatedCase, ref: TestRef) -> Record:
        """Run the test that ``ref`` names and return its record; never raises for a model."""
        started = datetime.now(UTC).isoformat(timespec="milliseconds")
        clock = time.perf_counter()
        conversion = self._converted(located)
        fields: dict[str, Any] = {}
        failure, owner, last_stage = conversion.failure, TestKind.EXPORT, Stage.CHECK
        if conversion.bundle is not None:
            fields["export"] = _export_result(conversion.bundle, cached=conversion.cached)
            if ref.provider is not None:
                proof = self._proved(located, conversion.bundle, ref.provider)
                failure, owner, last_stage = proof.failure, TestKind.PARITY, Stage.PARITY
                fields |= {"parity": proof.parity, "placement": proof.placement}
                if failure is None and ref.test is TestKind.LATENCY:
                    owner, last_stage = TestKind.LATENCY, Stage.LATENCY
                    failure, fields["latency"] = self._measured(
                        located, conversion.bundle, ref.provider
                    )
        judged = self._judged(located.case.entry, ref, failure, owner, last_stage)
        return Record(
            ref=ref,
            verdict=judged.verdict,
            stage=judged.stage,
            reason=judged.reason,
            link=judged.link,
            details=judged.details,
            started=started,
            duration_s=round(time.perf_counter() - clock, 6),
            worker=self._settings.worker,
            **fields,
        )

    def close(self) -> None:
        """End the executor's processes."""
        self._executor.close()

    # -- the three pieces of work ------------------------------------------------------

    def _converted(self, located: LocatedCase) -> _Conversion:
        key = located.case.key
        if key not in self._conversions:
            self._conversions[key] = self._convert(located)
        return self._conversions[key]

    def _convert(self, located: LocatedCase) -> _Conversion:
        case, entry = located.case, located.case.entry
        info = self._frameworks.get(entry.framework) or _foreign(entry.framework)
        if missing := missing_requirements(entry, info):
            return _Conversion(None, Failure(Verdict.NOT_RUN, Stage.LOAD, missing, None))

        def make(out: Path) -> Completed:
            payload = {
                "case": to_json(case),
                "zoo_dir": str(located.zoo_dir),
                "cache_dir": str(self._settings.cache_dir),
                "offline": self._settings.offline,
                "seed": self._settings.seed,
                "out": str(out),
            }
            preload = (*info.preload, "conformance.pipeline")
            return self._execute("convert", case.key, entry, payload, preload)

        # a branch of a hub repository can move: what it named is good for this run only
        lasting = entry.source.is_pinned
        cache = self._cache if lasting else BundleCache(self._settings.workdir / "unpinned")
        try:
            key = bundle_key(case, info, located.zoo_dir, self._settings.seed)
            bundle, completed = cache.get_or_make(key, make)
        except OSError as error:
            return _Conversion(None, failure_of(error, Stage.EXPORT))
        failure = completed.failure if completed else None
        return _Conversion(bundle, failure, cached=completed is None)

    def _proved(self, located: LocatedCase, bundle: Bundle, provider: str) -> _Proof:
        key = located.case.id_on(provider)
        if key not in self._proofs:
            self._proofs[key] = self._prove(located, bundle, provider)
        return self._proofs[key]

    def _prove(self, located: LocatedCase, bundle: Bundle, provider: str) -> _Proof:
        entry = located.case.entry
        payload = {
            "bundle": str(bundle.path),
            "provider": provider,
            "entry": entry.model_dump(mode="json"),
        }
        key = located.case.id_on(provider)
        completed = self._execute("prove", key, entry, payload, _RUNTIME_PRELOAD)
        if completed.value is None:
            return _Proof(None, None, completed.failure)
        report = from_json(ParityReport, completed.value["parity"])
        return _Proof(report, completed.value["placement"], parity_failure(report))

    def _measured(
        self, located: LocatedCase, bundle: Bundle, provider: str
    ) -> tuple[Failure | None, LatencyResult | None]:
        payload = {"bundle": str(bundle.path), "provider": provider}
        key = located.case.id_on(provider)
        completed = self._execute("measure", key, located.case.entry, payload, _RUNTIME_PRELOAD)
        if completed.value is None:
            return completed.failure, None
        return None, from_json(LatencyResult, completed.value["latency"])

    def _execute(
        self,
        function: str,
        label: str,
        entry: ZooEntry,
        payload: dict[str, Any],
        preload: tuple[str, ...],
    ) -> Completed:
        self._runs += 1
        workdir = self._settings.workdir / f"{function}-{self._runs}"
        workdir.mkdir(parents=True)
        self._settings.progress.unlink(missing_ok=True)
        try:
            return self._executor.run(
                Spec(
                    target=f"conformance.pipeline:{function}",
                    payload={"label": label, **payload},
                    workdir=workdir,
                    progress=self._settings.progress,
                    timeout_s=entry.timeout,
                    preload=preload,
                )
            )
        finally:
            self._settings.progress.unlink(missing_ok=True)

    def _judged(
        self,
        entry: ZooEntry,
        ref: TestRef,
        failure: Failure | None,
        owner: TestKind,
        last_stage: Stage,
    ) -> Judgement:
        """``owner`` is the test that answers for ``failure``.

        A dependent points at its owner when that has reported, and reports in its place
        when it was not selected: a failure is told once, and never lost.
        """
        if failure is None:
            return judge_success(entry, ref, last_stage)
        blocker = ref.case if owner is TestKind.EXPORT else ref.id
        if ref.test is not owner and (owner, blocker) in self._reported:
            reason = f"not run, {owner} of {blocker} is {self._reported[owner, blocker]}"
            return Judgement(Verdict.NOT_RUN, failure.stage, shorten(reason))
        judged = judge_failure(entry, ref, failure, require=self._settings.require)
        self._reported[owner, blocker] = f"{judged.verdict}: {judged.reason}"
        return judged


def _foreign(framework: str) -> FrameworkInfo:
    """What is known of an adapter that a zoo names as ``pkg.module:Adapter``: nothing."""
    return FrameworkInfo(framework, (), 0, (0, 0), (), "", (), Conversion)


def _export_result(bundle: Bundle, *, cached: bool) -> ExportResult:
    manifest = bundle.manifest
    return ExportResult(
        export_seconds=round(manifest.export_seconds, 3),
        size_bytes=manifest.size_bytes,
        nodes=manifest.nodes,
        cached=cached,
        peak_rss_bytes=manifest.peak_rss_bytes,
        fp64_unavailable=manifest.fp64_unavailable,
    )
