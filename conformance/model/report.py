"""A run as its readers see it: cases with their tests merged, and their past."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import JsonValue

from conformance.evidence import (
    Explanation,
    ExportResult,
    LatencyResult,
    MutationReport,
    ParityReport,
)
from conformance.model.run import RunFooter, RunHeader, RunPlan
from conformance.model.verdicts import Stage, Verdict


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One row of the report: a case on a provider, with its tests merged."""

    id: str
    model: str
    framework: str
    task: str | None
    tags: tuple[str, ...]
    exporter: str
    opset: int
    variant: str
    #: ``None`` when only the export of the case was selected.
    provider: str | None
    stage: Stage
    verdict: Verdict
    reason: str | None
    link: str | None
    details: str | None
    export: ExportResult | None
    parity: ParityReport | None
    latency: LatencyResult | None
    placement: dict[str, int] | None
    repro: str
    duration_s: float
    #: How sensitive the check is, where mutation was asked for.
    mutation: MutationReport | None = None
    #: Where the error comes from, on a failure of parity or where it was asked for.
    explanation: Explanation | None = None
    #: The folder of a failure, relative to the report folder.
    failure_folder: str | None = None
    #: See :attr:`TestRef.trusted`.
    trusted: tuple[str, ...] = ()
    #: See :attr:`TestRef.place`.
    place: str | None = None
    #: See :attr:`Record.runtime`.
    runtime: str | None = None
    #: See :attr:`Record.provider_options`.
    provider_options: dict[str, JsonValue] | None = None


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One past run of one case on one provider."""

    run: str
    started: str
    verdict: Verdict
    parity_ratio: float | None
    median_ns: int | None
    size_bytes: int | None
    export_seconds: float | None
    #: Latency in runs of the yardstick, where it can be compared with other runs'.
    yardsticks: float | None = None
    #: Class of the hardware that the latency was measured on.
    hardware: str | None = None


@dataclass(frozen=True, slots=True)
class RunOrigin:
    """What a past run was made of."""

    #: With ``-dirty`` for uncommitted changes; None if unknown.
    commit: str | None
    #: Version of every package that was installed, by name.
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run with its cases merged and its past attached: what every reporter reads."""

    header: RunHeader
    footer: RunFooter | None
    cases: tuple[CaseResult, ...]
    #: Case id to its points, oldest first, this run included.
    trends: dict[str, tuple[TrendPoint, ...]]
    #: Case ids of the previous run of the same zoo files that this run's zoo lacks.
    vanished: tuple[str, ...] = ()
    #: What the runs of :attr:`trends` were made of, by id, this run included.
    origins: dict[str, RunOrigin] = field(default_factory=dict)
    #: The tests that were selected; ``None`` when the run died before it knew them.
    plan: RunPlan | None = None
    #: Id of the last earlier run that selected all of the same zoo files, for a run that did not.
    last_whole: str | None = None

    @property
    def totals(self) -> dict[Verdict, int]:
        """How many cases got each verdict, zeros included."""
        counts = dict.fromkeys(Verdict, 0)
        for case in self.cases:
            counts[case.verdict] += 1
        return counts
