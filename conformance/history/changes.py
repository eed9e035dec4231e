"""What a run found otherwise than a run before it: plain data for every reader.

Two runs are compared case by case. What one of them did not select is neither new nor vanished:
it is counted and otherwise left alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from conformance.errors import HistoryError
from conformance.history.environment import EnvironmentDiff, environment_diff
from conformance.history.figures import Figure, FigureChange, figure_changes
from conformance.history.folder import list_runs, run_path, warn
from conformance.history.merge import PARITY_NOT_SELECTED, merge
from conformance.history.records import read_run
from conformance.model import CaseResult, RunHeader, RunReport, Stage, Verdict

#: How many runs are gone back for one that judged enough of the cases.
LOOK_BACK_RUNS = 5
#: A run that judged this share of the present run's cases is one to compare with.
ENOUGH = 0.5


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
            and _converts(self.before.verdict)
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


def compare_runs(before: RunReport, now: RunReport) -> RunDiff:
    """Compare two runs, whichever parts of the zoo each selected.

    Args:
        before: the earlier run; its trends are not looked at, see :func:`run_at`.
        now: the later one.
    """
    then = {row.id: row for row in before.cases if _selected(row)}
    present = {row.id: row for row in now.cases if _selected(row)}
    known_then = {*before.header.zoo_cases, *then}
    told = [
        _change(then.get(id_), row, known_then, before.header.id) for id_, row in present.items()
    ]
    vanished, notes = _vanished(before, now, then)
    gone = {case.id for case in vanished}
    both = [id_ for id_, row in present.items() if _judged(row) and _judged(then.get(id_))]
    telling = [case for case in told if case.movement is not Movement.SAME or case.figures]
    quiet = {case.id for case in told} - {case.id for case in telling}
    order = list(Movement)
    return RunDiff(
        before=_side(before),
        now=_side(now),
        environment=environment_diff(before.header, now.header),
        cases=tuple(sorted((*telling, *vanished), key=lambda case: order.index(case.movement))),
        compared=len(both),
        unchanged=sum(id_ in quiet for id_ in both),
        not_selected=sum(
            _judged(row) and id_ not in present and id_ not in gone for id_, row in then.items()
        ),
        notes=notes,
    )


def run_at(path: Path) -> RunReport:
    """A run of the history with its rows merged, without trends.

    Raises:
        HistoryError: when it cannot be read.
    """
    run = read_run(path)
    return RunReport(header=run.header, footer=run.footer, cases=merge(run), trends={})


def previous_run(report_dir: Path, now: RunReport) -> RunReport | None:
    """The run that a run is compared with where none is named.

    It is the latest earlier one of the same zoo files and part that judged half of what the
    run judged, among the last :data:`LOOK_BACK_RUNS`; where there is none, the one that judged
    most of it. A run of a few models between two nights hides neither from the other.

    Returns:
        the run; None when no earlier one has judged any of these cases.
    """
    wanted = {row.id for row in now.cases if _judged(row)}
    best, most = None, 0
    for path in _earlier(report_dir, now.header):
        try:
            run = run_at(path)
        except HistoryError as error:
            warn(str(error))
            continue
        if (run.header.zoos, run.header.shard) != (now.header.zoos, now.header.shard):
            continue
        shared = sum(_judged(row) and row.id in wanted for row in run.cases)
        if shared > most:
            best, most = run, shared
        if shared and shared >= ENOUGH * len(wanted):
            break
    return best


def changes_since_last(report_dir: Path, now: RunReport) -> RunDiff | None:
    """A run compared with the one before, see :func:`previous_run`; None where there is none."""
    before = previous_run(report_dir, now)
    return None if before is None else compare_runs(before, now)


def changes_since_baseline(
    report_dir: Path, now: RunReport, path: Path | None = None
) -> RunDiff | None:
    """A run compared with the one that was named as its baseline.

    Args:
        report_dir: whose history is looked at.
        now: the run.
        path: of the baseline's JSON lines; by default those of the history with its id.

    Returns:
        None where none was named, where it is not there any more, or where it is the run before.
    """
    if now.header.baseline is None:
        return None
    path = path or run_path(report_dir, now.header.baseline)
    last = previous_run(report_dir, now)
    if not path.is_file() or (last is not None and last.header.id == now.header.baseline):
        return None
    try:
        return compare_runs(run_at(path), now)
    except HistoryError as error:
        warn(str(error))
        return None


def _earlier(report_dir: Path, header: RunHeader) -> Iterable[Path]:
    earlier = [path for path in list_runs(report_dir) if path.stem < header.id]
    return reversed(earlier[-LOOK_BACK_RUNS:])


def _change(
    before: CaseResult | None, now: CaseResult, known_then: set[str], before_run: str
) -> CaseChange:
    return CaseChange(
        id=now.id,
        movement=_movement(before, now, known_then),
        before=_finding(before),
        after=_finding(now),
        figures=figure_changes(before, now, before_run) if before else (),
        model=now.model,
        framework=now.framework,
        provider=now.provider,
    )


def _movement(before: CaseResult | None, now: CaseResult, known_then: set[str]) -> Movement:
    if not _judged(now):
        return Movement.UNCHECKED if _judged(before) else Movement.SAME
    if before is None or not before.verdict.checked:
        # the row of an export alone is in no list of the zoo's cases
        new = before is None and now.provider is not None and now.id not in known_then
        return Movement.NEW if new else Movement.CHECKED
    return _between(before.verdict, now.verdict)


def _between(before: Verdict, now: Verdict) -> Movement:
    """Both are judgements."""
    if _converts(now):
        return Movement.SAME if _converts(before) else Movement.FIXED
    if now is Verdict.EXPECTED_FAIL:
        return Movement.SAME if before is now else Movement.ACCEPTED
    known = _converts(before) or before is Verdict.EXPECTED_FAIL
    return Movement.REGRESSED if known else Movement.STILL_FAILING


def _converts(verdict: Verdict) -> bool:
    """An unexpected pass is the zoo's fault, not the conversion's."""
    return verdict in (Verdict.PASS, Verdict.UNEXPECTED_PASS)


def _selected(row: CaseResult) -> bool:
    """Whether the row's parity was to be found out; a latency alone proves nothing."""
    return row.verdict is not Verdict.NOT_RUN or row.reason != PARITY_NOT_SELECTED


def _judged(row: CaseResult | None) -> bool:
    return row is not None and row.verdict.checked


def _vanished(
    before: RunReport, now: RunReport, then: dict[str, CaseResult]
) -> tuple[tuple[CaseChange, ...], tuple[str, ...]]:
    """Cases that the zoo files held then and lack now, and why they cannot be told if so."""
    if not now.header.zoo_cases:
        return (), ()
    if missing := set(before.header.zoos) - set(now.header.zoos):
        files = ", ".join(sorted(missing))
        return (), (f"the later run did not read {files}: what vanished cannot be told",)
    current = {*now.header.zoo_cases, *(row.id for row in now.cases)}
    known = [*before.header.zoo_cases, *(i for i, row in then.items() if row.provider is not None)]
    return tuple(
        CaseChange(
            id=id_,
            movement=Movement.VANISHED,
            before=_finding(row := then.get(id_)),
            after=None,
            model=row.model if row else None,
            framework=row.framework if row else None,
            provider=row.provider if row else None,
        )
        for id_ in dict.fromkeys(known)
        if id_ not in current
    ), ()


def _finding(row: CaseResult | None) -> Finding | None:
    return None if row is None else Finding(row.verdict, row.stage, row.reason)


def _side(run: RunReport) -> RunSide:
    return RunSide(
        id=run.header.id,
        started=run.header.started,
        status=run.footer.status if run.footer else "crashed",
        commit=run.header.commit,
        totals=run.totals,
    )
