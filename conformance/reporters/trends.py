"""How a case's figures went over its last runs, as blocks: lines, their changes, the verdicts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from conformance.model import RunOrigin, TrendPoint
from conformance.reporters import blocks, wording
from conformance.reporters.blocks import LETTERS, Block
from conformance.trend import Change, Origin, Point, changes

#: Heights that a point of a line may have, lowest first: a step is 2.5 pixels of the chart.
LEVELS = "0123456789abcdef"
#: What stands where a run has no figure.
GAP = "-"
_UNKNOWN = RunOrigin(None, {})


@dataclass(frozen=True, slots=True)
class _Figure:
    """A figure whose way is drawn."""

    title: str
    of: Callable[[TrendPoint], float | None]
    word: Callable[[float], str]
    #: Whether figures of different hardware are different series.
    per_hardware: bool = False


#: The latency in both its units first: two charts fit beside each other in the panel.
_FIGURES = (
    _Figure("Latency", lambda p: p.median_ns, wording.duration, per_hardware=True),
    _Figure(
        "Latency in runs of the yardstick",
        lambda p: p.yardsticks,
        lambda v: f"{v:.3g}",
        per_hardware=True,
    ),
    _Figure("Parity", lambda p: p.parity_ratio, lambda v: f"{wording.two_digits(v)} of limit"),
    _Figure("Size", lambda p: p.size_bytes, wording.size),
    _Figure("Conversion time", lambda p: p.export_seconds, wording.elapsed),
)


def trends(
    points: Sequence[TrendPoint], origins: Mapping[str, RunOrigin], *, explained: bool
) -> list[Block]:
    """The last verdicts as a strip, and a line per figure that at least two runs have.

    Args:
        points: the runs of a case, oldest first.
        origins: commit and package versions of the runs, by id.
        explained: whether changes of level are sought, which takes milliseconds per line.
    """
    if len(points) < 2:  # noqa: PLR2004 - one run is no trend
        return []
    lines, told, unchanged = [], [], []
    for figure in _FIGURES:
        values, elsewhere = _comparable(figure, points)
        present = [value for value in values if value is not None and math.isfinite(value)]
        if len(present) > 1 and figure.word(min(present)) == figure.word(max(present)):
            unchanged.append(figure.title.lower())
        elif len(present) > 1:
            found = _changes(values, points, origins) if explained else ()
            lines.append(_line(figure, values, elsewhere, found, points))
            told += _told(figure, found)
    if unchanged:
        told.append(blocks.para(f"Unchanged: {', '.join(unchanged)}.", "muted"))
    return [blocks.head(f"Last {len(points)} runs"), _strip(points), *lines, *told]


def _comparable(figure: _Figure, points: Sequence[TrendPoint]) -> tuple[list[float | None], int]:
    """The figure of each run that can be compared with the newest, and how many others had one."""
    values = [figure.of(point) for point in points]
    classes = [
        point.hardware for point, value in zip(points, values, strict=True) if value is not None
    ]
    if not figure.per_hardware or len(set(classes)) < 2:  # noqa: PLR2004 - one class is alike
        return values, 0
    pairs = zip(points, values, strict=True)
    kept = [value if point.hardware == classes[-1] else None for point, value in pairs]
    return kept, sum(hardware != classes[-1] for hardware in classes)


def _strip(points: Sequence[TrendPoint]) -> Block:
    failed = sum(point.verdict.value != "pass" for point in points)
    turns = sum(before.verdict is not after.verdict for before, after in pairwise(points))
    return {
        "t": "strip",
        "label": (
            f"Verdicts of {len(points)} runs, the newest at the right: "
            f"{len(points) - failed} passed, {failed} did not, {turns} changes; "
            f"now {points[-1].verdict}"
        ),
        "letters": letters(points),
    }


def letters(points: Sequence[TrendPoint]) -> str:
    """The verdicts as one letter per run, oldest first."""
    return "".join(LETTERS[point.verdict] for point in points)


def _line(
    figure: _Figure,
    values: Sequence[float | None],
    elsewhere: int,
    found: Sequence[Change],
    points: Sequence[TrendPoint],
) -> Block:
    present = [value for value in values if value is not None and math.isfinite(value)]
    low, high = min(present), max(present)
    latest = values[-1]
    now = "none now" if latest is None else f"now {figure.word(latest)}"
    others = wording.count(elsewhere, "run", "runs")
    left_out = f"; {others} on other or unknown hardware left out" if elsewhere else ""
    run_at = {point.run: number for number, point in enumerate(points)}
    return {
        "t": "trend",
        "x": figure.title,
        "label": f"{figure.word(low)} to {figure.word(high)}, {now}{left_out}",
        "line": "".join(_level(value, low, high) for value in values),
        "changes": [run_at[change.after.run] for change in found],
    }


def _level(value: float | None, low: float, high: float) -> str:
    if value is None or not math.isfinite(value):
        return GAP
    share = (value - low) / (high - low) if high > low else 0.5
    return LEVELS[round(share * (len(LEVELS) - 1))]


def _changes(
    values: Sequence[float | None],
    points: Sequence[TrendPoint],
    origins: Mapping[str, RunOrigin],
) -> tuple[Change, ...]:
    """Changes of level, sought among values that can be compared with each other."""
    series = []
    for value, point in zip(values, points, strict=True):
        origin = origins.get(point.run, _UNKNOWN)
        made = Origin(point.run, point.started, origin.commit)
        series.append(Point(made, value, "", origin.versions))
    return changes(series)


def _told(figure: _Figure, found: Sequence[Change]) -> list[Block]:
    """Each change of level in words: when, from what to what, and what changed with it."""
    return [
        blocks.para(
            [
                f"{figure.title} changed on {change.after.started[:10]}: ",
                f"{figure.word(change.old)} → {figure.word(change.new)}; ",
                blocks.muted(_blamed(change)),
            ],
            "change",
        )
        for change in found
    ]


def _blamed(change: Change) -> str:
    parts = [] if change.commits is None else [f"commits {_short(change.commits)}"]
    parts += map(str, change.packages)
    return ", ".join(parts) or "same commit and packages: look at the machine"


def _short(commits: str) -> str:
    return "..".join(commit[:10] for commit in commits.split(".."))
