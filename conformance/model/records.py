"""How a test ended: one line of a run."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue

from conformance.evidence import (
    Explanation,
    ExportResult,
    LatencyResult,
    MutationReport,
    ParityReport,
)
from conformance.model.case import TestRef
from conformance.model.verdicts import Stage, Verdict


@dataclass(frozen=True, slots=True)
class Judgement:
    """The part of a record that says how a test ended."""

    verdict: Verdict
    stage: Stage
    reason: str | None
    link: str | None = None
    details: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """The outcome of one test: one line of a run's JSON lines."""

    ref: TestRef
    verdict: Verdict
    #: The stage that decided the verdict; for a pass, the last one completed.
    stage: Stage
    reason: str | None
    #: UTC, ISO 8601.
    started: str
    duration_s: float
    worker: str | None = None
    #: Link of the known failure, when the zoo declares one.
    link: str | None = None
    export: ExportResult | None = None
    parity: ParityReport | None = None
    latency: LatencyResult | None = None
    #: Tail of the child's output and the traceback, on failure.
    details: str | None = None
    #: Number of nodes by the provider that ran them, e.g. ``{"CPUExecutionProvider": 41}``.
    placement: dict[str, int] | None = None
    #: How sensitive the check is, where mutation was asked for.
    mutation: MutationReport | None = None
    #: Where the error comes from, on a failure of parity or where it was asked for.
    explanation: Explanation | None = None
    #: The folder of a failure, relative to the report folder.
    failure_folder: str | None = None
    #: ONNX Runtime of this test, where it is another than the run's; ``None`` for the run's.
    runtime: str | None = None
    #: What the provider was told, by the option's name; ``None`` for its defaults.
    provider_options: dict[str, JsonValue] | None = None
