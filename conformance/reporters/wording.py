"""Figures and results in words, the same for people at a terminal and in a browser."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from conformance.evidence import (
    BaselineLatency,
    LatencyResult,
    OutputParity,
    ParityReport,
    Ratio,
)
from conformance.model import CaseResult, Verdict
from conformance.providers import PROVIDERS

#: What stands where there is no figure.
NOTHING = "–"  # noqa: RUF001 - an en dash is meant

#: What the source framework is called by those who made it.
_SOURCES = {
    "pytorch": "PyTorch",
    "transformers": "Transformers",
    "tensorflow": "TensorFlow",
    "sklearn": "scikit-learn",
}
_THOUSAND = 1000
_TEN = 10


@dataclass(frozen=True, slots=True)
class Score:
    """How many of the checked cases passed, with everything that was not checked beside it."""

    name: str
    passed: int
    checked: int
    #: Verdicts that count neither for nor against, and how often they occurred.
    uncounted: dict[Verdict, int]

    def __str__(self) -> str:
        """``passed 43 of 45 checked; not counted: 1 infra-error, 2 not-run``."""
        text = f"passed {self.passed} of {self.checked} checked"
        if self.uncounted:
            listed = ", ".join(f"{count} {verdict}" for verdict, count in self.uncounted.items())
            text += f"; not counted: {listed}"
        return text


def scores(
    cases: Iterable[CaseResult], by: Callable[[CaseResult], str] = lambda case: case.framework
) -> tuple[Score, ...]:
    """One score per group, per framework if not said otherwise, in the order of appearance."""
    groups: dict[str, list[CaseResult]] = {}
    for row in cases:
        groups.setdefault(by(row), []).append(row)
    return tuple(_score(name, rows) for name, rows in groups.items())


def _score(name: str, rows: list[CaseResult]) -> Score:
    counts = Counter(row.verdict for row in rows)
    return Score(
        name=name,
        passed=counts[Verdict.PASS],
        checked=sum(count for verdict, count in counts.items() if verdict.checked),
        uncounted={v: counts[v] for v in Verdict if not v.checked and counts[v]},
    )


def count(number: int, one: str, many: str) -> str:
    """``1 output``, ``2 outputs``."""
    return f"{number} {one if number == 1 else many}"


def figure(value: float | None, unit: str = "") -> str:
    """Three significant digits, with the unit behind it; a dash where there is none."""
    if value is None:
        return NOTHING
    return f"{value:.3g} {unit}" if unit else f"{value:.3g}"


def element(value: float | str | None) -> str:
    """An element of an output: as many digits as single precision holds, anything else whole."""
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def duration(nanoseconds: float) -> str:
    """Three significant digits with the unit that fits: ``512 ns``, ``12.3 µs``, ``1.04 s``."""
    value = float(nanoseconds)
    for unit in ("ns", "µs", "ms"):
        if value < _THOUSAND - 0.5:
            return f"{_three_digits(value)} {unit}"
        value /= _THOUSAND
    return f"{_three_digits(value)} s"


def elapsed(seconds: float) -> str:
    """``8.2 s`` below a minute, else ``12 min 5 s`` and ``1 h 2 min``."""
    minute, hour = 60, 3600
    if seconds < minute:
        return f"{seconds:.1f} s"
    if seconds < hour:
        return f"{int(seconds // minute)} min {int(seconds % minute)} s"
    return f"{int(seconds // hour)} h {int(seconds % hour // minute)} min"


def size(count: float) -> str:
    """Bytes in decimal units: ``950 B``, ``1.24 MB``."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < _THOUSAND - 0.5:
            return f"{_three_digits(value)} {unit}"
        value /= _THOUSAND
    return f"{_three_digits(value)} GB"


def times(value: float) -> str:
    """A multiple in two significant digits: ``0.043×``, ``1.3×``, ``24×``."""  # noqa: RUF002
    return f"{two_digits(value)}×"  # noqa: RUF001


def two_digits(value: float) -> str:
    """Two significant digits; whole numbers from ten on."""
    if value == 0:
        return "0"
    return f"{value:.0f}" if abs(value) >= _TEN - 0.05 else f"{value:.2g}"


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 or value == int(value) else f"{value:.3g}"  # noqa: PLR2004


def parity_phrase(parity: ParityReport | None) -> str:
    """The worst output against its limit, in the terms of the rule that set the limit."""
    if parity is None:
        return NOTHING
    worst = parity.worst_output
    if worst is None or parity.problems or any(_differs(output) for output in parity.outputs):
        return "differs"
    return output_phrase(worst)


def output_phrase(output: OutputParity) -> str:
    """One output against its limit: ``1.3× noise, limit 3×``, ``0.4 of limit``, ``exact``."""  # noqa: RUF002
    if _differs(output):
        return "differs"
    if output.rule == "exact" or output.ratio is None:
        return "exact" if output.rule == "exact" else NOTHING
    if output.rule == "budget":
        return _budget_phrase(output)
    if output.noise and output.noise_ratio is not None and output.limit is not None:
        return f"{times(output.noise_ratio)} noise, limit {times(output.limit / output.noise)}"
    return f"{two_digits(output.ratio)} of limit"


def _budget_phrase(output: OutputParity) -> str:
    """``SNR 38 dB, budget 20 dB``; of labels, ``98 % same, budget 90 %``."""
    if output.limit is None or output.ratio is None:
        return NOTHING
    if output.rmse is None:
        share = 100 * (1 - output.ratio * output.limit)
        return f"{share:.3g} % same, budget {100 * (1 - output.limit):.3g} %"
    if output.snr_db is None:
        return "exact" if not output.rmse else "no signal"
    # the limit is an error: as many times the found one as the ratio says
    floor_db = output.snr_db + 20 * math.log10(output.ratio)
    return f"SNR {output.snr_db:.3g} dB, budget {floor_db:.3g} dB"


def output_sentence(output: OutputParity) -> str:
    """One output against its limit, in full: what was measured, held against what, and why.

    ``ONNX error 1.3x the framework's own rounding noise (limit 3x)``, or
    ``declared tolerance: 0.4 of limit, because the source cannot compute in float64``.
    """
    parts = [_judged(output)]
    if output.constant:
        parts.append(f"constant by design: {output.constant}")
    if output.set_aside:
        rows = f"{output.set_aside} {'row' if output.set_aside == 1 else 'rows'}"
        parts.append(f"{rows} set aside as ties")
    return "; ".join(parts)


def _judged(output: OutputParity) -> str:
    if _differs(output):
        return "differs"
    if output.rule == "exact":
        return "exactly equal" if not output.ratio else "must be equal, and is not"
    if output.ratio is None:
        return "not measured"
    share = f"{two_digits(output.ratio)} of limit"
    if output.rule != "fp64-referenced":
        because = f", because {output.rule_reason}" if output.rule_reason else ""
        declared = f"declared tolerance: {share}{because}"
        by_budget = f"by its variant's budget: {_budget_phrase(output)}"
        return by_budget if output.rule == "budget" else declared
    if not output.noise or output.noise_ratio is None or output.limit is None:
        return f"ONNX error {share}, the floor alone: the framework showed no rounding noise"
    return (
        f"ONNX error {two_digits(output.noise_ratio)}x the framework's own rounding noise "
        f"(limit {two_digits(output.limit / output.noise)}x)"
    )


def _differs(output: OutputParity) -> bool:
    """Whether an output is wrong in a way that no ratio expresses."""
    return output.problem is not None and output.ratio is None


def speedup(latency: LatencyResult | None) -> float | None:
    """Time of the source framework over that of the ONNX model; None where either is missing."""
    if latency is None or not latency.median_ns:
        return None
    if latency.speedup is not None:
        return latency.speedup.value
    return latency.source_median_ns / latency.median_ns if latency.source_median_ns else None


def speed_phrase(latency: LatencyResult | None) -> str:
    """ONNX Runtime against the source framework: ``2.1× faster``, ``1.4× slower``."""  # noqa: RUF002
    found = speedup(latency)
    if not found:
        return NOTHING
    return f"{times(found)} faster" if found >= 1 else f"{times(1 / found)} slower"


def speedup_sentence(latency: LatencyResult, framework: str) -> str:
    """``2.3x faster than PyTorch [2.2, 2.4]``: the interval holds 95%, where there is one.

    An interval with 1 inside says that neither is faster.
    """
    source = _SOURCES.get(framework, framework)
    ratio = latency.speedup
    if ratio is None:
        value = speedup(latency)
        if not value:
            return f"{source} was not timed"
        word = "faster" if value >= 1 else "slower"
        return f"{two_digits(max(value, 1 / value))}x {word} than {source}, not in alternation"
    return compared(ratio, source, faster_above=True)


def baseline_sentence(baseline: BaselineLatency) -> str:
    """``1.2x slower than in run R [1.1, 1.3], both timed in alternation``."""
    if baseline.how == "unchanged":
        return f"nothing that latency depends on has changed since run {baseline.run}"
    how = {
        "paired": "both timed in alternation",
        "yardstick": "each against the yardstick in its own run",
    }[baseline.how]
    return f"{compared(baseline.ratio, f'in run {baseline.run}', faster_above=False)}, {how}"


def compared(ratio: Ratio, with_what: str, *, faster_above: bool) -> str:
    """``1.2x slower than <with_what> [1.1, 1.3]``, or that neither is faster.

    Args:
        ratio: of two durations.
        with_what: the other of the two is called.
        faster_above: whether a ratio above 1 means that the first is the faster one.
    """
    low, high = f"{ratio.low:.3g}", f"{ratio.high:.3g}"
    if not ratio.value or ratio.low <= 1 <= ratio.high:
        return f"about as fast as {with_what} [{low}, {high}]"
    word = "faster" if (ratio.value > 1) is faster_above else "slower"
    if ratio.value < 1:
        ratio = Ratio(1 / ratio.value, 1 / ratio.high, 1 / ratio.low, ratio.rounds)
    interval = f"[{ratio.low:.3g}, {ratio.high:.3g}]"
    return f"{ratio.value:.3g}x {word} than {with_what} {interval}"


@dataclass(frozen=True, slots=True)
class Fallback:
    """A provider that was asked to run a graph and ran only a part of it."""

    #: ONNX Runtime's name of the provider.
    provider: str
    ran: int
    nodes: int

    @property
    def absent(self) -> bool:
        """Whether the figures are another provider's altogether."""
        return not self.ran

    @property
    def share(self) -> str:
        """``61% of nodes``; 0% and 100% only where they are exact."""
        percent = 0 if self.absent else min(max(round(100 * self.ran / self.nodes), 1), 99)
        return f"{percent}% of nodes"

    def __str__(self) -> str:
        """``61% of nodes, 14 fell back``."""
        if self.absent:
            return f"none of {self.nodes} nodes ran on {self.provider}"
        return f"{self.share}, {self.nodes - self.ran} fell back"


def fallback(placement: Mapping[str, int] | None, provider: str | None) -> Fallback | None:
    """What a figure on a provider conceals; None where the provider ran every node.

    Args:
        placement: number of nodes by ONNX Runtime's provider name; None where not recorded.
        provider: the provider that was asked for, by the zoo's name or ONNX Runtime's.
    """
    nodes = sum(placement.values()) if placement else 0
    if not placement or provider is None or not nodes:
        return None
    name = PROVIDERS.get(provider, provider)
    found = Fallback(name, placement.get(name, 0), nodes)
    return found if found.ran < nodes else None
