"""Two runs compared, case by case.

What one of them did not select is neither new nor vanished: it is counted and otherwise left
alone.
"""

from __future__ import annotations

from conformance.history.environment import environment_diff
from conformance.history.figures import figure_changes
from conformance.history.merge import PARITY_NOT_SELECTED
from conformance.history.run_diff import CaseChange, Finding, Movement, RunDiff, RunSide, converts
from conformance.model import CaseResult, RunReport, Verdict


def compare_runs(before: RunReport, now: RunReport) -> RunDiff:
    """Compare two runs, whichever parts of the zoo each selected.

    Args:
        before: the earlier run; its trends are not looked at, see :func:`run_at`.
        now: the later one.
    """
    then = {row.id: row for row in before.cases if _selected(row)}
    present = {row.id: row for row in now.cases if _selected(row)}
    of_the_zoo = set(now.header.zoo_cases) or present.keys()
    # what was joined to the present run is no news of its zoo
    known_then = {*before.header.zoo_cases, *then, *(present.keys() - of_the_zoo)}
    told = [
        _change(then.get(id_), row, known_then, before.header.id) for id_, row in present.items()
    ]
    vanished, notes = _vanished(before, now, then)
    gone = {case.id for case in vanished}
    both = [id_ for id_, row in present.items() if judged(row) and judged(then.get(id_))]
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
            judged(row) and id_ not in present and id_ not in gone for id_, row in then.items()
        ),
        notes=notes,
    )


def judged(row: CaseResult | None) -> bool:
    """Whether a run has the row, and its verdict is a judgement."""
    return row is not None and row.verdict.checked


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
    if not judged(now):
        return Movement.UNCHECKED if judged(before) else Movement.SAME
    if before is None or not before.verdict.checked:
        # the row of an export alone is in no list of the zoo's cases
        new = before is None and now.provider is not None and now.id not in known_then
        return Movement.NEW if new else Movement.CHECKED
    return _between(before.verdict, now.verdict)


def _between(before: Verdict, now: Verdict) -> Movement:
    """Both are judgements."""
    if converts(now):
        return Movement.SAME if converts(before) else Movement.FIXED
    if now is Verdict.EXPECTED_FAIL:
        return Movement.SAME if before is now else Movement.ACCEPTED
    known = converts(before) or before is Verdict.EXPECTED_FAIL
    return Movement.REGRESSED if known else Movement.STILL_FAILING


def _selected(row: CaseResult) -> bool:
    """Whether the row's parity was to be found out; a latency alone proves nothing."""
    return row.verdict is not Verdict.NOT_RUN or row.reason != PARITY_NOT_SELECTED


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
    # a row that its zoo did not name was joined to the run afterwards: the zoo never lost it
    known = before.header.zoo_cases or [i for i, row in then.items() if row.provider is not None]
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
