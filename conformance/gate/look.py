"""What one rule sees of a run, as it goes through its cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from conformance.gate_result import NotJudged
from conformance.model import CaseResult


@dataclass(frozen=True, slots=True)
class GatedRun:
    """A run as far as the gate is concerned with it."""

    id: str
    cases: Sequence[CaseResult]
    #: Every case id of its zoo files, selected or not.
    zoo_cases: Sequence[str]
    #: Whether all of the zoo (of this shard of it) was selected.
    whole: bool

    @property
    def known(self) -> tuple[str, ...]:
        """Ids of cases on a provider that its zoo held, each once.

        Rows beside those were joined to the run, and no zoo lost them. What the zoo held is in
        the rows alone where the run, of an old version, does not say it.
        """
        rows = [row.id for row in self.cases if row.provider is not None]
        return tuple(dict.fromkeys(self.zoo_cases or rows))


class NotComparable(Exception):
    """A rule can say nothing about a case, for the reason given."""


@dataclass(slots=True)
class Look:
    """The cases that a rule was held against, what it found, and what it could not judge."""

    #: How many cases there are.
    of: int
    #: Ids of the cases that were held against the rule.
    seen: list[str] = field(default_factory=list)
    #: Case id, or ``None`` for the run, and what is wrong.
    found: list[tuple[str | None, str]] = field(default_factory=list)
    _skipped: dict[str, list[str]] = field(default_factory=dict)

    def skip(self, case: str, reason: str) -> None:
        """Note that nothing can be said about a case."""
        self._skipped.setdefault(reason, []).append(case)

    @property
    def not_judged(self) -> tuple[NotJudged, ...]:
        """The cases that nothing can be said about, by reason."""
        return tuple(NotJudged(reason, tuple(cases)) for reason, cases in self._skipped.items())

    def skipped(self) -> set[str]:
        """Ids of the cases that nothing can be said about."""
        return {case for cases in self._skipped.values() for case in cases}
