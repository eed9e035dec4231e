"""How many cases passed, of those that were checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from conformance.model import CaseResult, Verdict


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
