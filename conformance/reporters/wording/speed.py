"""How fast a model is beside its source, or beside itself in an earlier run."""

from __future__ import annotations

from conformance.evidence import BaselineLatency, LatencyResult, Ratio
from conformance.reporters.wording.figures import NOTHING, times, two_digits

#: What the source framework is called by those who made it.
_SOURCES = {
    "pytorch": "PyTorch",
    "transformers": "Transformers",
    "tensorflow": "TensorFlow",
    "sklearn": "scikit-learn",
}


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
