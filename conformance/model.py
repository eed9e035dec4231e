"""Frozen values that travel between the layers, and the closed sets they are made of.

Nothing here computes: a value answers questions about itself and no more. Everything
serialises to plain JSON (:func:`to_json`) and is read back with its types checked
(:func:`from_json`), so the same values serve child processes, JSON lines and reports.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import JsonValue, TypeAdapter

from conformance.entry import Conversion, ZooEntry
from conformance.evidence import (
    Explanation,
    ExportResult,
    LatencyResult,
    MutationReport,
    ParityReport,
)
from conformance.gate_result import GateResult

#: The variant that is the model as the exporter wrote it; all others are made from it.
BASE = "fp32"
#: Version of every on-disk format this package writes (records, bundles, reports).
SCHEMA_VERSION = 1
#: The exporter name that means: the framework's exporters one after another, until one succeeds.
AUTO = "auto"


class Stage(StrEnum):
    """A step of a case, in the order the pipeline takes them."""

    LOAD = "load"
    INPUTS = "inputs"
    REFERENCE = "reference"
    EXPORT = "export"
    CHECK = "check"
    #: A variant is made from the converted model.
    OPTIMIZE = "optimize"
    SESSION = "session"
    PARITY = "parity"
    LATENCY = "latency"

    def comes_before(self, other: Stage) -> bool:
        """Whether the pipeline takes this step before another."""
        order = list(Stage)
        return order.index(self) < order.index(other)


class Verdict(StrEnum):
    """What is known about a case; every consumer handles exactly these seven."""

    PASS = "pass"
    FAIL = "fail"
    EXPECTED_FAIL = "expected-fail"
    UNEXPECTED_PASS = "unexpected-pass"
    VACUOUS = "vacuous"
    INFRA_ERROR = "infra-error"
    NOT_RUN = "not-run"

    @property
    def glyph(self) -> str:
        """One character that tells the verdicts apart without colour."""
        return _GLYPHS[self]

    @property
    def fails_gate(self) -> bool:
        """Whether this verdict alone makes a run fail."""
        return self in _FAILING

    @property
    def checked(self) -> bool:
        """Whether the case was really judged: the denominator of every score."""
        return self not in (Verdict.INFRA_ERROR, Verdict.NOT_RUN)


_GLYPHS = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.EXPECTED_FAIL: "≈",
    Verdict.UNEXPECTED_PASS: "!",
    Verdict.VACUOUS: "∅",
    Verdict.INFRA_ERROR: "⚡",
    Verdict.NOT_RUN: "·",
}
_FAILING = frozenset({Verdict.FAIL, Verdict.UNEXPECTED_PASS, Verdict.VACUOUS, Verdict.INFRA_ERROR})


class TestKind(StrEnum):
    """The three tests of a case, in the order they run."""

    __test__ = False  # not a pytest class, whatever its name suggests

    EXPORT = "export"
    PARITY = "parity"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True)
class FrameworkInfo:
    """What can be known about a framework without importing it."""

    name: str
    #: Exporter names this framework's adapter knows; the first is the default.
    exporters: tuple[str, ...]
    default_opset: int
    #: Inclusive range of opsets the exporters can be asked for.
    opset_range: tuple[int, int]
    #: Distributions that must be installed, as pip names them.
    distributions: tuple[str, ...]
    #: The extra of this package that installs them.
    extra: str
    #: Modules a preloaded parent process imports before it forks children.
    preload: tuple[str, ...]
    #: The conversion parameters that this framework's entries may carry.
    conversion: type[Conversion]
    #: The ranges of single exporters, where they are others than :attr:`opset_range`.
    exporter_opsets: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def exported_opset(self, exporter: str, opset: int) -> int:
        """The opset at which an exporter is asked for a model: the nearest that it can give.

        Args:
            exporter: name of one of :attr:`exporters`.
            opset: that the model is to have in the end.
        """
        lowest, highest = self.exporter_opsets.get(exporter, self.opset_range)
        return min(max(opset, lowest), highest)


@dataclass(frozen=True, slots=True)
class Case:
    """One conversion to prove: an entry under one exporter, opset and variant."""

    entry: ZooEntry
    exporter: str
    opset: int
    variant: str

    @property
    def key(self) -> str:
        """Stable, readable identity, such as ``pytorch/cnn@dynamo-op18-fp32``."""
        label = self.entry.framework_label
        return f"{label}/{self.entry.id}@{self.exporter}-op{self.opset}-{self.variant}"

    @property
    def base(self) -> Case:
        """The conversion that the variant of this case is made of; itself for the base."""
        return replace(self, variant=BASE)

    def at_opset(self, opset: int) -> Case:
        """The same conversion at another opset."""
        return replace(self, opset=opset)

    def id_on(self, provider: str) -> str:
        """Identity of this case on one execution provider: ``<key>-<provider>``."""
        return f"{self.key}-{provider}"


@dataclass(frozen=True, slots=True)
class TestRef:
    """Which test of which case: what is known of a test before it runs."""

    __test__ = False

    test: TestKind
    #: The case key for the export test, else ``<case key>-<provider>``.
    id: str
    #: The case key.
    case: str
    model: str
    framework: str
    task: str | None
    tags: tuple[str, ...]
    exporter: str
    opset: int
    variant: str
    #: ``None`` for the export test, which concerns no provider.
    provider: str | None
    #: The command that repeats this test and nothing else.
    repro: str
    #: Keys of the entry by which code of the model's author may run, such as ``allow_pickle``.
    trusted: tuple[str, ...] = ()
    #: Where the model stands in its zoo file, ``model_zoo.yaml:12``; relative to the folder in
    #: which the run was started, where it is below it.
    place: str | None = None


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


@dataclass(frozen=True, slots=True)
class RunHeader:
    """Where and with what a run was made: the first line of its JSON lines."""

    id: str
    started: str
    commit: str | None
    machine: dict[str, JsonValue]
    versions: dict[str, str]
    seed: int
    zoos: tuple[str, ...]
    command: str
    shard: str | None = None
    #: Every case id the zoo files hold, selected or not: tells "vanished" from "deselected".
    zoo_cases: tuple[str, ...] = ()
    #: Digest of the parts that the zoo was divided into, where the run took one of them.
    division: str | None = None
    #: Id of the run that it was to be compared with; ``None`` where nobody named one.
    baseline: str | None = None


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The tests that were selected: what the records of the run must account for."""

    tests: tuple[TestRef, ...]
    #: How many tests of the zoo (of this shard of it) were not selected.
    deselected: int = 0


@dataclass(frozen=True, slots=True)
class RunFooter:
    """How a run ended: the last line of its JSON lines."""

    finished: str
    #: "finished", "interrupted" or "crashed".
    status: str
    exit_code: int
    #: What the gate made of it; ``None`` where nobody asked, or the run was interrupted.
    gate: GateResult | None = None


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

    @property
    def totals(self) -> dict[Verdict, int]:
        """How many cases got each verdict, zeros included."""
        counts = dict.fromkeys(Verdict, 0)
        for case in self.cases:
            counts[case.verdict] += 1
        return counts


T = TypeVar("T")


#: Building an adapter takes milliseconds; using one, microseconds.
_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def prepare(*kinds: type[Any]) -> None:
    """Do now what the first :func:`to_json` or :func:`from_json` of each kind would do."""
    for kind in kinds:
        _adapter(kind)


def to_json(value: Any) -> dict[str, Any]:
    """Plain JSON form of one of this module's values; non-finite floats become null."""
    # by way of JSON text: only there does pydantic turn non-finite floats into null
    plain: dict[str, Any] = json.loads(_adapter(type(value)).dump_json(value))
    return plain


def from_json(kind: type[T], data: Any) -> T:
    """Read a value written by :func:`to_json`.

    Raises:
        pydantic.ValidationError: when the data does not have the shape of ``kind``.
    """
    value: T = _adapter(kind).validate_python(data)
    return value
