"""Between which two runs of the history a case turned red or slow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

from conformance.errors import HistoryError
from conformance.history import list_runs, merge, named_run, read_case
from conformance.history.folder import warn
from conformance.model import CaseResult, RunHeader, Verdict

#: Verdicts of a case that somebody is to blame for.
RED = (Verdict.FAIL, Verdict.VACUOUS)


class NoTurn(HistoryError):
    """There is nothing to blame anybody for; the message says what was looked at."""


class Turned(StrEnum):
    """What became of the case."""

    RED = "red"
    SLOW = "slow"
    #: Neither: the two runs were named.
    NAMED = "named"


@dataclass(frozen=True, slots=True)
class Sighting:
    """A case in one run, where it was judged."""

    header: RunHeader
    row: CaseResult

    @property
    def red(self) -> bool:
        """Whether it failed, or its check could not have."""
        return self.row.verdict in RED


@dataclass(frozen=True, slots=True)
class Turn:
    """Two runs that judged a case, with none in between that did."""

    turned: Turned
    before: Sighting
    after: Sighting


def find_turn(
    report_dir: Path, case: str, first: str | None = None, last: str | None = None
) -> Turn:
    """The latest two neighbouring runs between which a case turned red, or else slow.

    Runs that did not judge the case, for want of a package for example, are passed over. Slow is
    what a run has confirmed to be: it timed the earlier model beside its own.

    Args:
        report_dir: whose history is looked at.
        case: id of a row, key of a case, or id of a model that has one row.
        first: earliest run that is looked at, as :func:`conformance.history.named_run` takes it.
        last: latest one. With both, these two runs are compared, whatever lies between.

    Raises:
        NoTurn: when there is no such case, or it turned neither.
        HistoryError: when a name means no run.
    """
    runs = list_runs(report_dir)
    if not runs:
        raise NoTurn(f"{report_dir} holds no run: name a report folder with --report DIR")
    start = named_run(report_dir, first) if first else None
    end = named_run(report_dir, last) if last else None
    if start and end:
        return _named(list(_sightings([end, start], case)), case)
    chosen = [
        run
        for run in reversed(runs)
        if (start is None or run.name >= start.name) and (end is None or run.name <= end.name)
    ]
    return _latest_turn(list(_sightings(chosen, case)), case, report_dir)


def _named(pair: list[Sighting], case: str) -> Turn:
    if len(pair) < 2:  # noqa: PLR2004 - a pair
        raise NoTurn(f"'{case}' was not judged in both of the runs that were named")
    after, before = pair
    turned = Turned.RED if after.red and not before.red else Turned.NAMED
    if turned is Turned.NAMED and _slower(after):
        turned = Turned.SLOW
    return Turn(turned, before, after)


def _latest_turn(found: list[Sighting], case: str, report_dir: Path) -> Turn:
    if not found:
        raise NoTurn(
            f"no run of {report_dir} judged '{case}': name a row, a case or a model of the report"
        )
    if found[0].red:
        for after, before in pairwise(found):
            if not before.red:
                return Turn(Turned.RED, before, after)
        raise NoTurn(
            f"{found[0].row.id} was red in each of the {len(found)} runs that judged it: "
            "no run is known in which it was not"
        )
    for after, before in pairwise(found):
        if _slower(after):
            return Turn(Turned.SLOW, _timed_against(after, found) or before, after)
    raise NoTurn(
        f"{found[0].row.id} turned neither red nor slow in the {len(found)} runs that judged it; "
        "name two with --from and --to to compare them all the same"
    )


def _slower(sighting: Sighting) -> bool:
    latency = sighting.row.latency
    return bool(latency and latency.baseline and latency.baseline.slower)


def _timed_against(after: Sighting, found: list[Sighting]) -> Sighting | None:
    latency = after.row.latency
    run = latency.baseline.run if latency and latency.baseline else None
    return next((sighting for sighting in found if sighting.header.id == run), None)


def _sightings(runs: list[Path], case: str) -> Iterator[Sighting]:
    """The case in each run that judged it, in the order of the runs."""
    row_id: str | None = None
    for path in runs:
        try:
            run = read_case(path, case)
        except HistoryError as error:
            warn(str(error))
            continue
        rows = merge(run)
        if row_id is None:
            row_id = _row_id(case, rows)
        for row in rows:
            if row.id == row_id and row.verdict.checked:
                yield Sighting(run.header, row)


def _row_id(case: str, rows: tuple[CaseResult, ...]) -> str | None:
    """The row that a name means; None where the run has none of that name."""
    if any(row.id == case for row in rows):
        return case
    ids = [r.id for r in rows if case in (r.model, r.id.removesuffix(f"-{r.provider}"))]
    if len(ids) > 1:
        raise NoTurn(f"'{case}' has several rows, name one: {', '.join(ids)}")
    return ids[0] if ids else None
