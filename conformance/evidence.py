"""What was found out about a case: the figures and findings that a certificate is made of.

Like :mod:`conformance.model`, nothing here computes more than questions about a value
itself. Errors are absolute, in the unit of the output, unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Worst:
    """The element of an output that is furthest from what was expected."""

    index: tuple[int, ...]
    expected: float | int | str | bool | None
    actual: float | int | str | bool | None
    data_set: int


@dataclass(frozen=True, slots=True)
class OutputParity:
    """How one output of the ONNX model compares with the source, over all data sets.

    Errors are absolute, in the output's own unit. A figure that does not exist for this
    output (a cosine of strings, an infinite signal-to-noise ratio) is ``None``.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    #: "fp64-referenced", "declared", "budget" or "exact"; which rule set :attr:`limit`. By
    #: "budget", that is a root mean square error, or the share of elements that may differ.
    rule: str
    #: Why the fp64-referenced rule could not be used; ``None`` where it was.
    rule_reason: str | None
    max_abs: float | None = None
    max_rel: float | None = None
    rmse: float | None = None
    cosine: float | None = None
    snr_db: float | None = None
    ulp_p50: float | None = None
    ulp_p99: float | None = None
    ulp_max: float | None = None
    argmax_agreement: float | None = None
    #: err(source fp32, source fp64), pooled over the data sets.
    noise: float | None = None
    limit: float | None = None
    #: Error over limit, of the worst element; above 1 fails.
    ratio: float | None = None
    #: err(onnx, source fp64) / noise: "1.3x the framework's own rounding noise".
    noise_ratio: float | None = None
    worst: Worst | None = None
    #: What is wrong with this output, or ``None`` when it is within its limit.
    problem: str | None = None
    #: Why comparing this output proves nothing, or ``None``.
    vacuous: str | None = None
    #: Why this output may be constant, where the zoo declares it so.
    constant: str | None = None
    #: How many input sets :attr:`noise` rests on, those drawn for it alone included.
    noise_sets: int | None = None
    #: Rows left out of the figures as ties: decided by a float32 ulp, or between equal scores.
    set_aside: int = 0


@dataclass(frozen=True, slots=True)
class Noise:
    """The source's own rounding error of one output, beyond what the data sets show."""

    #: Typical (median) largest error |fp32 - fp64| of one input set.
    max_abs: float
    #: How many further input sets were drawn for the estimate.
    input_sets: int


class ShapeOutcome(StrEnum):
    """What a converted model does at a size it was not traced at."""

    WORKS = "works"
    #: ONNX Runtime refuses to run it, the source does not.
    REJECTS = "rejects"
    WRONG_VALUES = "wrong values"
    #: It answers in the shape of the traced size, whatever it is given.
    SILENTLY_STATIC = "silently static"
    #: The source itself cannot do it, so nothing is asked of the conversion.
    SOURCE_REJECTS = "source rejects"


@dataclass(frozen=True, slots=True)
class ShapeProbe:
    """One dynamic axis at one size, all other axes as traced."""

    axis: str
    size: int
    outcome: ShapeOutcome
    #: Error over limit of the worst element, where there were values to compare.
    ratio: float | None = None
    detail: str | None = None

    @property
    def problem(self) -> str | None:
        """What is wrong with the conversion, or ``None``; refusing size 0 is no fault."""
        if self.outcome in (ShapeOutcome.WORKS, ShapeOutcome.SOURCE_REJECTS):
            return None
        if self.outcome is ShapeOutcome.REJECTS and self.size == 0:
            return None
        detail = f": {self.detail}" if self.detail else ""
        return f"axis '{self.axis}' at size {self.size}: {self.outcome}{detail}"


@dataclass(frozen=True, slots=True)
class PaddingCheck:
    """A padded batch against the same rows without their padding, on the real positions."""

    #: The input that masks the padding.
    mask: str
    axis: str
    #: How many rows with padding were compared.
    rows: int
    #: Disagreement over limit of the worst element; above 1 fails.
    ratio: float | None = None
    #: Why the check says nothing: the source itself depends on its padding, say.
    skipped: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Generalization:
    """What a conversion does at other shapes than the traced one."""

    probes: tuple[ShapeProbe, ...] = ()
    padding: tuple[PaddingCheck, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """Every fault of the conversion, one line each."""
        shapes = tuple(probe.problem for probe in self.probes if probe.problem)
        return shapes + tuple(check.problem for check in self.padding if check.problem)


@dataclass(frozen=True, slots=True)
class DecisionParity:
    """Whether a decision that people take from an output is the same on both sides."""

    #: "label", "top-5", "greedy tokens", "neighbours", "clusters" or "tree splits".
    kind: str
    output: str
    #: Decisions taken alike, of :attr:`total`.
    agreed: int
    total: int
    #: Of those that differ, how many are ties: both answers are within the accepted error.
    ties: int = 0
    #: The narrowest margin by which the source decided where the two differ; the unit of
    #: the output, or float32 ulps for "tree splits".
    narrowest_margin: float | None = None
    #: A sentence for people: what flipped, where, by which margin.
    detail: str | None = None
    #: What is wrong, or ``None``: a decision that differs without being a tie.
    problem: str | None = None
    #: Why comparing these decisions proves nothing, or ``None``.
    blind: str | None = None


@dataclass(frozen=True, slots=True)
class ComponentParity:
    """A further graph that the same conversion produced, with a certificate of its own."""

    #: Such as "encoder" or "prefill".
    name: str
    outputs: tuple[OutputParity, ...]
    data_sets: int
    problems: tuple[str, ...] = ()

    @property
    def all_problems(self) -> tuple[str, ...]:
        """Every reason why parity does not hold, with the component's name."""
        outputs = tuple(f"output '{o.name}': {o.problem}" for o in self.outputs if o.problem)
        return tuple(f"component '{self.name}': {line}" for line in self.problems + outputs)


@dataclass(frozen=True, slots=True)
class ParityReport:
    """Every output of one case on one provider, compared on every data set."""

    outputs: tuple[OutputParity, ...]
    data_sets: int
    #: Differences that concern no single output: missing, extra or reordered ones.
    problems: tuple[str, ...] = ()
    decisions: tuple[DecisionParity, ...] = ()
    #: ``None`` when parity failed before other shapes were tried.
    generalization: Generalization | None = None
    #: The graphs beside the main one, where the model was converted in parts.
    components: tuple[ComponentParity, ...] = ()

    @property
    def worst_output(self) -> OutputParity | None:
        """The output with the highest ratio to its limit, of any component."""
        parts = (
            replace(output, name=f"{component.name}/{output.name}")
            for component in self.components
            for output in component.outputs
        )
        return max((*self.outputs, *parts), key=lambda o: o.ratio or 0.0, default=None)

    @property
    def all_problems(self) -> tuple[str, ...]:
        """Every reason why parity does not hold, structural ones first.

        A decision that differs because its output is wrong is no reason of its own.
        """
        outputs = tuple(f"output '{o.name}': {o.problem}" for o in self.outputs if o.problem)
        wrong = {o.name for o in self.outputs if o.problem}
        decisions = tuple(d.problem for d in self.decisions if d.problem and d.output not in wrong)
        shapes = self.generalization.problems if self.generalization else ()
        parts = tuple(line for component in self.components for line in component.all_problems)
        return self.problems + outputs + parts + decisions + shapes

    @property
    def noise(self) -> dict[str, Noise]:
        """The rounding noise that the data sets were judged by, of the outputs that have one."""
        return {
            o.name: Noise(o.noise, o.noise_sets or 0) for o in self.outputs if o.noise is not None
        }

    @property
    def vacuous_outputs(self) -> tuple[str, ...]:
        """Why the comparison could not have failed, one line per such output."""
        outputs = [f"output '{o.name}': {o.vacuous}" for o in self.outputs if o.vacuous]
        parts = [
            f"component '{component.name}': output '{output.name}': {output.vacuous}"
            for component in self.components
            for output in component.outputs
            if output.vacuous
        ]
        decisions = [f"{d.kind}: {d.blind}" for d in self.decisions if d.blind]
        return (*outputs, *parts, *decisions)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of two durations that were timed in alternation, with its 95% interval."""

    value: float
    low: float
    high: float
    #: Pairs of neighbouring blocks that it comes from.
    rounds: int


@dataclass(frozen=True, slots=True)
class BaselineLatency:
    """How a model's latency compares with that of an earlier run."""

    run: str
    #: ``paired``: the earlier model was timed in the same process, in alternation;
    #: ``yardstick``: both were only timed against the yardstick, each in its own run;
    #: ``unchanged``: nothing that latency depends on is another, so nothing was timed again.
    how: Literal["paired", "yardstick", "unchanged"]
    #: Latency now over latency then: above 1 is slower.
    ratio: Ratio
    #: Session creation now over then.
    session_ratio: float
    #: The limits that the entry sets: slower is what exceeds the first surely, by the second.
    threshold: float
    certain: float

    @property
    def slower(self) -> bool:
        """Whether the ratio exceeds its threshold, and its lower bound the smaller one.

        By the yardstick, with two processes between the figures, all of the interval has to
        lie above the square of the threshold.
        """
        if self.how == "yardstick":
            return self.ratio.low > self.threshold**2
        return self.ratio.value > self.threshold and self.ratio.low > self.certain

    @property
    def faster(self) -> bool:
        """The same in the other direction."""
        if self.how == "yardstick":
            return self.ratio.high < 1 / self.threshold**2
        return self.ratio.value < 1 / self.threshold and self.ratio.high < 1 / self.certain


@dataclass(frozen=True, slots=True)
class LatencyResult:
    """Latency of one case on one provider; durations in nanoseconds, batch as traced."""

    provider: str
    median_ns: int
    p95_ns: int
    session_create_ns: int
    first_run_ns: int
    runs: int
    intra_op_threads: int
    #: Median of the source framework on the same inputs, measured at conversion.
    source_median_ns: int | None
    #: Time of the source over that of the ONNX model, timed in alternation at conversion.
    speedup: Ratio | None = None
    #: Latency in runs of the yardstick, timed in alternation.
    yardstick: Ratio | None = None
    #: What the yardstick's own speed depends on.
    yardstick_name: str | None = None
    #: Class of the hardware; figures of different ones are never compared.
    hardware: str | None = None
    #: What else the figures depend on: ONNX Runtime, this package and the system's kernel.
    software: str | None = None
    #: The run that measured, where the figures were taken over from it; ``None`` for this run.
    measured_in: str | None = None
    #: By how much creating the session and the first run made resident memory grow.
    session_peak_bytes: int | None = None
    #: Why others' work disturbed the measurement; ``None`` where it did not.
    contended: str | None = None
    #: Why the figures are too scattered to compare; ``None`` where they are not.
    unstable: str | None = None
    baseline: BaselineLatency | None = None
    #: Single runs, in the order in which they were taken.
    samples_ns: tuple[int, ...] = ()
    #: What the provider was told, by the option's name; empty for its defaults.
    provider_options: dict[str, JsonValue] = field(default_factory=dict)

    @property
    def comparable(self) -> bool:
        """Whether the figures may be compared with others, and so gated on."""
        return self.contended is None and self.unstable is None


@dataclass(frozen=True, slots=True)
class Derivation:
    """How a variant was made of its base, and what became of it beside the base."""

    #: Tool and settings, in words.
    how: str
    #: Time that the tool took, in seconds.
    seconds: float
    base_size_bytes: int
    base_nodes: int
    #: Op type to number of nodes by which the variant computes in its own way: quantized ones,
    #: fused ones, ones in fewer bits.
    own_nodes: dict[str, int] = field(default_factory=dict)
    #: Op type to number of nodes that still compute with float32 weights, or give float32; of
    #: lossy variants.
    kept_fp32: dict[str, int] = field(default_factory=dict)
    #: By provider, time of the base over that of the variant, timed in alternation.
    speedups: dict[str, Ratio] = field(default_factory=dict)
    #: Key of the base's bundle in the cache.
    base_bundle: str | None = None
    #: Class of the hardware that it was made on, where that makes a difference.
    hardware: str | None = None


@dataclass(frozen=True, slots=True)
class OpsetConversion:
    """How a model came to an opset that its exporter cannot give."""

    #: At which the exporter was asked for the model.
    exported_opset: int
    opset: int
    #: What converted it, with its version, such as ``onnx 1.23.2``.
    converter: str
    #: Time that the converter took, in seconds.
    seconds: float
    #: Key of the bundle of the exported model in the cache.
    base_bundle: str | None = None

    @property
    def text(self) -> str:
        """One sentence, without its full stop."""
        return (
            f"exported at opset {self.exported_opset}, converted to {self.opset} by the version "
            f"converter of {self.converter}"
        )


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What a conversion produced and what it cost."""

    #: Time the exporter itself took, in seconds; from the bundle when it was cached.
    export_seconds: float
    size_bytes: int
    nodes: int
    cached: bool
    #: Peak resident memory of the process that converted, in bytes.
    peak_rss_bytes: int | None
    #: Why there is no fp64 reference; ``None`` where there is one.
    fp64_unavailable: str | None
    #: Key of the bundle in the cache; ``None`` where it was made for one run only.
    bundle: str | None = None
    #: SHA-256 over the digests of the model's files.
    model_digest: str | None = None
    #: How it was made of the base; ``None`` of the base itself.
    derivation: Derivation | None = None
    #: The exporter that wrote the model; another one than the case's where that is ``auto``.
    exported_by: str | None = None
    #: What the exporters that were tried before it failed for.
    fallback: str | None = None
    #: How it came to its opset; ``None`` where the exporter gave it.
    opset_conversion: OpsetConversion | None = None


class MutantFate(StrEnum):
    """What the check made of a model that was changed on purpose."""

    KILLED = "killed"
    #: Nothing observable changed: no check could tell the two models apart.
    EQUIVALENT = "equivalent"
    #: The answers changed, and the check did not object.
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One seeded change of the ONNX model, run through the same comparison."""

    #: The kind of change, such as "perturb weight" or "swap outputs".
    operator: str
    #: What was changed: a node or initializer, by name and op.
    target: str
    fate: MutantFate
    #: Error over limit under the comparison; ``None`` where shapes or dtypes differ.
    ratio: float | None = None
    #: Why it was killed, why it is equivalent, or how large the effect is that was missed.
    detail: str | None = None
    #: Inputs that would reveal a missed mutant; ``None`` where none was found.
    revealed_by: str | None = None


@dataclass(frozen=True, slots=True)
class MutationReport:
    """How sensitive the check of one case is: of N wrong models, how many it catches."""

    mutants: tuple[Mutant, ...]
    #: Further mutants that ONNX Runtime refused to load or run; they prove nothing.
    refused: int
    seed: int
    #: Share of observable mutants that may be missed before the check counts as vacuous.
    max_missed_rate: float

    def count(self, fate: MutantFate) -> int:
        """How many mutants met this fate."""
        return sum(mutant.fate is fate for mutant in self.mutants)

    @property
    def missed_rate(self) -> float:
        """Missed mutants over those with an observable effect; 0 where there is none."""
        observable = len(self.mutants) - self.count(MutantFate.EQUIVALENT)
        return self.count(MutantFate.MISSED) / observable if observable else 0.0

    @property
    def too_blunt(self) -> bool:
        """Whether the check misses more wrong models than its zoo allows."""
        return self.missed_rate > self.max_missed_rate

    @property
    def score(self) -> str:
        """``kills 19/20``: of the mutants with an observable effect."""
        observable = len(self.mutants) - self.count(MutantFate.EQUIVALENT)
        return f"kills {self.count(MutantFate.KILLED)}/{observable}"


class Guilty(StrEnum):
    """The step of the way from source to answer that brought the error in."""

    CONVERTER = "converter"
    OPTIMIZATION = "graph optimization"
    KERNEL = "kernel"
    PROVIDER = "provider"
    QUANTIZATION = "quantization"


@dataclass(frozen=True, slots=True)
class ErrorStep:
    """One way of computing the explained output, and how far it is from the exact answer."""

    #: "source fp32", "ONNX in float64", "ONNX Runtime, optimizations off", ...
    name: str
    #: max |this - exact| over the data sets; ``None`` when it was not computed.
    error: float | None
    #: max |this - step before it|; ``None`` for the first and where either is missing.
    delta: float | None = None
    #: Why it was not computed.
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first node at which two executions of one graph part."""

    node: str
    op_type: str
    output: str
    #: Position of the node in topological order, from 0, and how many nodes there are.
    position: int
    nodes: int
    #: The two executions: the trusted one, the suspect.
    between: tuple[str, str]
    #: Fed the trusted inputs, the node alone still errs; otherwise it passes an error on.
    originates: bool
    #: Largest difference of the node's output between the two; ``None`` if not finite.
    error: float | None
    #: Source line or module of the exporter's metadata.
    location: str | None = None


@dataclass(frozen=True, slots=True)
class ReducedModel:
    """The smallest part of the model that still shows the error."""

    #: Folder in ONNX's test-data layout, relative to the failure folder.
    path: str
    nodes: int
    #: ``None`` if not finite.
    error: float | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where the error of one output comes from."""

    output: str
    #: The accepted error of that output.
    limit: float
    steps: tuple[ErrorStep, ...]
    #: ``None`` when no step brings in more than the limit accepts.
    guilty: Guilty | None
    #: One sentence: which step, by how much.
    summary: str
    divergence: Divergence | None = None
    reduced: ReducedModel | None = None
    #: What else was seen, what could not be found out, and why.
    notes: tuple[str, ...] = ()
