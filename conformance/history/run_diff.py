"""What a run found otherwise than a run before it: plain data for every reader."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from conformance.history.environment import EnvironmentDiff
from conformance.history.figures import Figure, FigureChange
from conformance.model import Stage, Verdict


class Movement(StrEnum):
    """What became of a case from one run to the next."""

    #: It converted well, or failed as expected; now it fails, or its check is vacuous.
    REGRESSED = "regressed"
    #: It fails, or its check is vacuous, as before.
    STILL_FAILING = "still failing"
    #: It was judged; now trouble of the machine or a missing package keeps it from being judged.
    UNCHECKED = "not checked any more"
    #: The zoo files do not hold it any more.
    VANISHED = "vanished"
    #: It fails as before, or fails now, and the zoo has come to expect it.
    ACCEPTED = "accepted"
    #: It failed, was vacuous or expected to fail; now it converts well.
    FIXED = "fixed"
    #: The zoo files did not hold it then.
    NEW = "new"
    #: It is judged now and was not then: not selected, or not run.
    CHECKED = "checked now"
    #: The verdict says the same as before.
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one run says of a case."""

    verdict: Verdict
    stage: Stage
    reason: str | None


@dataclass(frozen=True, slots=True)
class CaseChange:
    """A case on a provider of which the two runs say different things."""

    id: str
    movement: Movement
    #: None where the run has no row of it.
    before: Finding | None
    after: Finding | None
    #: Of rows that both runs have.
    figures: tuple[FigureChange, ...] = ()
    #: None for a case that only the zoo's list of cases names.
    model: str | None = None
    framework: str | None = None
    provider: str | None = None

    @property
    def new_failure(self) -> bool:
        """Whether it fails the run now and did not fail the run before."""
        now = self.after is not None and self.after.verdict.fails_gate
        return now and not (self.before is not None and self.before.verdict.fails_gate)

    @property
    def worse(self) -> bool:
        """Whether less is proven than before, or the model is surely slower.

        A latency is sure where it was measured again before it was told. Grown errors within
        their limits, sizes and graphs are told and do not count.
        """
        lost = (
            self.movement in (Movement.UNCHECKED, Movement.VANISHED)
            and self.before is not None
            and converts(self.before.verdict)
        )
        slower = any(f.figure is Figure.LATENCY and f.confirmed and f.worse for f in self.figures)
        # an unexpected pass fails the run until the zoo is told, but nothing got worse
        failing = self.new_failure and self.movement is not Movement.FIXED
        return self.movement is Movement.REGRESSED or failing or lost or slower


@dataclass(frozen=True, slots=True)
class RunSide:
    """One of the two runs."""

    id: str
    started: str
    #: "finished", "interrupted" or "crashed".
    status: str
    commit: str | None
    totals: dict[Verdict, int]


@dataclass(frozen=True, slots=True)
class RunDiff:
    """Two runs, the later one seen from the earlier one."""

    before: RunSide
    now: RunSide
    environment: EnvironmentDiff
    #: Every case of which something is to be told, the gravest movement first, each in the
    #: order of the present run.
    cases: tuple[CaseChange, ...]
    #: How many cases both runs judged, and how many of these have nothing to tell.
    compared: int
    unchanged: int
    #: How many cases of the zoo were judged then and were not selected now.
    not_selected: int
    #: What could not be compared, and why.
    notes: tuple[str, ...] = ()

    def of(self, movement: Movement) -> tuple[CaseChange, ...]:
        """The cases that moved in one way."""
        return tuple(case for case in self.cases if case.movement is movement)

    @property
    def figures(self) -> tuple[tuple[CaseChange, FigureChange], ...]:
        """Every changed figure with its case."""
        return tuple((case, figure) for case in self.cases for figure in case.figures)

    @property
    def new_failures(self) -> tuple[CaseChange, ...]:
        """The cases that fail the run now and did not before."""
        return tuple(case for case in self.cases if case.new_failure)

    @property
    def worse(self) -> tuple[CaseChange, ...]:
        """The cases for which the present run is worse, see :attr:`CaseChange.worse`."""
        return tuple(case for case in self.cases if case.worse)


def converts(verdict: Verdict) -> bool:
    """An unexpected pass is the zoo's fault, not the conversion's."""
    return verdict in (Verdict.PASS, Verdict.UNEXPECTED_PASS)
