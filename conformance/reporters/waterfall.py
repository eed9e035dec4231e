"""The geometry of an error's way from the source to the answer: bars on a log scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeGuard

from conformance.evidence import ErrorStep, Explanation

#: How far below the limit the scale begins: what is smaller does not matter, and a float64
#: error of 1e-15 would squeeze what does.
_DECADES_BELOW_LIMIT = 5
#: More labels than this run into each other.
_MOST_LABELS = 7
#: What is left of a bar that is shorter than the scale's beginning, in percent.
_STUB = 0.5


@dataclass(frozen=True, slots=True)
class Bar:
    """One step, in percent of the scale's width; ``None`` where there is nothing to draw."""

    step: ErrorStep
    error: float | None
    delta: float | None
    #: Whether this step alone brings in more than the limit accepts.
    over: bool
    #: Whether this is the step that brings in the most of all that bring in too much.
    guilty: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """A power of ten on the scale."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """What to draw of an explanation; positions in percent of the width."""

    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    limit: float | None


def waterfall(explanation: Explanation) -> Drawing:
    """Lay out the steps, their distance from the exact answer and what each brings in."""
    limit = explanation.limit
    drawn = [figure for step in explanation.steps for figure in (step.error, step.delta)]
    powers = [math.log10(value) for value in (*drawn, limit) if _has_length(value)]
    low = math.floor(min(powers, default=0.0))
    if _has_length(limit):
        low = max(low, math.floor(math.log10(limit)) - _DECADES_BELOW_LIMIT)
    high = max(math.ceil(max(powers, default=0.0)), low + 1)

    def position(value: float | None) -> float | None:
        if value is None:
            return None
        if not _has_length(value):
            return 0.0 if value == 0 else 100.0
        return max(round(100 * (math.log10(value) - low) / (high - low), 2), _STUB)

    brought = [step.delta or 0.0 for step in explanation.steps]
    most = max(brought, default=0.0)
    accused = explanation.guilty is not None and most > limit
    return Drawing(
        bars=tuple(
            Bar(
                step=step,
                error=position(step.error),
                delta=position(step.delta),
                over=delta > limit,
                guilty=accused and number == brought.index(most),
            )
            for number, (step, delta) in enumerate(zip(explanation.steps, brought, strict=True))
        ),
        ticks=_ticks(low, high),
        limit=position(limit) if _has_length(limit) else None,
    )


def _has_length(value: float | None) -> TypeGuard[float]:
    """Whether a figure has a place on a log scale."""
    return value is not None and value > 0 and math.isfinite(value)


def _ticks(low: int, high: int) -> tuple[Tick, ...]:
    every = math.ceil((high - low + 1) / _MOST_LABELS)
    return tuple(
        Tick(round(100 * (power - low) / (high - low), 2), f"1e{power}")
        for power in range(low, high + 1)
        if (power - low) % every == 0
    )
