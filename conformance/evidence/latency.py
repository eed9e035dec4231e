"""How fast a converted model is, beside its source, a yardstick and an earlier run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue


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
