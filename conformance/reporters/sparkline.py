"""The geometry of a trend: a latency line over a strip of verdicts, in SVG units (pixels)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from conformance.model import TrendPoint, Verdict
from conformance.reporters.wording import duration

WIDTH, HEIGHT = 90.0, 24.0
_LINE_TOP, _LINE_BOTTOM = 2.5, 13.5
_STRIP_LOW, _STRIP_HIGH = 2.0, 7.0
_WIDEST_SLOT = 9.0


@dataclass(frozen=True, slots=True)
class Tick:
    """One run's verdict: a low mark for a pass, a high one for anything else."""

    x: float
    y: float
    width: float
    height: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Sparkline:
    """What to draw, and the same in words."""

    label: str
    ticks: tuple[Tick, ...]
    #: Centres of the latency line's points, oldest first.
    line: tuple[tuple[float, float], ...]


def sparkline(points: Sequence[TrendPoint]) -> Sparkline:
    """Lay out a trend, the newest run at the right."""
    slot = min(_WIDEST_SLOT, WIDTH / max(len(points), 1))
    left = WIDTH - slot * len(points)
    timed = [point.median_ns for point in points if point.median_ns is not None]
    low, high = min(timed, default=0), max(timed, default=0)
    ticks, line = [], []
    for number, point in enumerate(points):
        x = left + slot * number
        height = _STRIP_LOW if point.verdict is Verdict.PASS else _STRIP_HIGH
        ticks.append(Tick(round(x, 2), HEIGHT - height, round(slot - 1, 2), height, point.verdict))
        if point.median_ns is not None:
            share = (point.median_ns - low) / (high - low) if high > low else 0.5
            y = _LINE_BOTTOM - share * (_LINE_BOTTOM - _LINE_TOP)
            line.append((round(x + (slot - 1) / 2, 2), round(y, 2)))
    return Sparkline(_label(points, low, high), tuple(ticks), tuple(line))


def _label(points: Sequence[TrendPoint], low: int, high: int) -> str:
    if not points:
        return "no runs"
    counted = Counter(point.verdict for point in points)
    verdicts = ", ".join(f"{counted[verdict]} {verdict}" for verdict in Verdict if counted[verdict])
    runs = "1 run" if len(points) == 1 else f"{len(points)} runs"
    text = f"{runs}: {verdicts}; now {points[-1].verdict}"
    if high:
        latest = points[-1].median_ns
        now = f", now {duration(latest)}" if latest is not None else ", not timed now"
        text += f"; latency {duration(low)} to {duration(high)}{now}"
    return text
