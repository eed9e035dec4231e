"""A run for people in a hurry: scores with honest denominators, and what stands out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from conformance.history import RunDiff
from conformance.history.figures import Figure
from conformance.model import CaseResult
from conformance.reporters import wording
from conformance.reporters.wording import Score, scores

#: How many cases are named where some stand out.
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Named:
    """A case that stands out, and by what."""

    id: str
    figure: str


@dataclass(frozen=True, slots=True)
class Overview:
    """What the top of the page tells."""

    #: Title to the scores of its members.
    scores: tuple[tuple[str, tuple[Score, ...]], ...]
    #: Title to the cases that stand out; those without any are left out.
    standing_out: tuple[tuple[str, tuple[Named, ...]], ...]


def overview(cases: Sequence[CaseResult], diff: RunDiff | None) -> Overview:
    """Scores per framework, exporter and provider; the slowest, the biggest, the most improved."""
    lists = (
        ("Slowest", _slowest(cases)),
        ("Slowest beside their source", _beside_source(cases)),
        ("Biggest", _biggest(cases)),
        ("Most improved", _improved(diff) if diff else ()),
    )
    groups = [
        ("Framework", scores(cases)),
        ("Exporter", scores(cases, lambda case: case.exporter)),
        ("Provider", scores(cases, lambda case: case.provider or "export only")),
    ]
    by_variant = scores(cases, lambda case: case.variant)
    if len(by_variant) > 1:
        groups.append(("Variant", by_variant))
    return Overview(
        scores=tuple(groups),
        standing_out=tuple((title, found) for title, found in lists if found),
    )


def _slowest(cases: Iterable[CaseResult]) -> tuple[Named, ...]:
    timed = [(c.latency.median_ns, c) for c in cases if c.latency]
    return _most(timed, wording.duration)


def _beside_source(cases: Iterable[CaseResult]) -> tuple[Named, ...]:
    ratios = [(wording.speedup(c.latency), c) for c in cases]
    slower = [(1 / ratio, c) for ratio, c in ratios if ratio and ratio < 1]
    return _most(slower, lambda value: f"{wording.times(value)} slower")


def _biggest(cases: Iterable[CaseResult]) -> tuple[Named, ...]:
    """One row per model: its providers share the file."""
    sizes = {(c.export.size_bytes, c.model): c for c in reversed(list(cases)) if c.export}
    return _most([(size, c) for (size, _), c in sizes.items()], wording.size)


def _improved(diff: RunDiff) -> tuple[Named, ...]:
    faster = [
        (1 / figure.ratio, change.id)
        for change, figure in diff.figures
        if figure.figure is Figure.LATENCY and figure.ratio and not figure.worse
    ]
    ranked = sorted(faster, key=lambda pair: pair[0], reverse=True)[:MOST_NAMED]
    return tuple(Named(id_, f"{wording.times(by)} faster than before") for by, id_ in ranked)


def _most(
    figures: Sequence[tuple[float, CaseResult]], word: Callable[[float], str]
) -> tuple[Named, ...]:
    ranked = sorted(figures, key=lambda pair: pair[0], reverse=True)[:MOST_NAMED]
    return tuple(Named(case.id, word(value)) for value, case in ranked)
