"""The rules about verdicts: what failed, what proves nothing, what is not there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from conformance.gate.look import GatedRun, Look
from conformance.gate.rules import GateRules
from conformance.model import CaseResult, Verdict

#: How many case ids a sentence lists.
_LISTED = 3


def vanished_cases(now: GatedRun, before: GatedRun) -> tuple[str, ...]:
    """Ids of cases that the earlier run's zoo held and this run's lacks.

    A run that does not know its zoo's cases tells nothing.
    """
    if not now.zoo_cases:
        return ()
    present = set(now.zoo_cases)
    return tuple(case for case in before.known if case not in present)


def judged(now: GatedRun, before: GatedRun | None, rules: GateRules) -> Look:  # noqa: ARG001 - as all rules
    """Some case came to a judgement."""
    look = Look(len(now.cases), seen=[row.id for row in now.cases if row.verdict.checked])
    if not look.seen:
        counts = _counted(now.cases)
        look.found.append((None, f"no case was judged, so nothing is proven: {counts}"))
    return look


def new_failures(now: GatedRun, before: GatedRun | None, rules: GateRules) -> Look:
    """Nothing fails that did not fail in the same way in the baseline.

    A lost check counts as a failure where no rule of its own looks for it.
    """
    failing = {Verdict.FAIL, Verdict.UNEXPECTED_PASS}
    if rules.vacuous == "off":
        failing.add(Verdict.VACUOUS)
    past = {row.id: row for row in before.cases} if before else {}
    look = Look(len(now.cases))
    for row in now.cases:
        if not row.verdict.checked:
            look.skip(row.id, str(row.verdict))
            continue
        look.seen.append(row.id)
        then = past.get(row.id)
        same = then is not None and (then.verdict, then.stage) == (row.verdict, row.stage)
        if row.verdict in failing and not same:
            look.found.append((row.id, f"{_ended(row)}{_earlier(then, before)}: {row.reason}"))
    return look


def vacuous(now: GatedRun, before: GatedRun | None, rules: GateRules) -> Look:  # noqa: ARG001 - as all rules
    """No check could not have failed."""
    look = Look(len(now.cases))
    for row in now.cases:
        if not row.verdict.checked:
            look.skip(row.id, str(row.verdict))
            continue
        look.seen.append(row.id)
        if row.verdict is Verdict.VACUOUS:
            look.found.append((row.id, f"proves nothing: {row.reason}"))
    return look


def vanished(now: GatedRun, before: GatedRun | None, rules: GateRules) -> Look:  # noqa: ARG001 - as all rules
    """The zoo holds every case of the baseline's zoo."""
    if before is None:
        return Look(0)
    look = Look(len(before.known), seen=list(before.known))
    look.found = [(case, f"run {before.id} had it") for case in vanished_cases(now, before)]
    return look


def coverage(now: GatedRun, before: GatedRun | None, rules: GateRules) -> Look:
    """A share of the selected cases passes."""
    look = Look(len(now.cases), seen=[row.id for row in now.cases])
    limit = rules.coverage
    passed = [row for row in now.cases if row.verdict is Verdict.PASS]
    share = len(passed) / len(now.cases) if now.cases else 0.0
    if limit == "off" or share >= limit:
        return look
    others = [row for row in now.cases if row.verdict is not Verdict.PASS]
    text = f"{len(passed)} of {len(now.cases)} cases pass ({share:.1%}), limit {100 * limit:.4g}%"
    text += f": {_counted(others)}" if others else ""
    if before:
        once = {row.id for row in before.cases if row.verdict is Verdict.PASS}
        lost = [row.id for row in others if row.id in once]
        if lost:
            listed = ", ".join(lost[:_LISTED]) + (", ..." if lost[_LISTED:] else "")
            text += f"; {len(lost)} passed in run {before.id}: {listed}"
    look.found.append((None, text))
    return look


def _counted(rows: Iterable[CaseResult]) -> str:
    counts = Counter(str(row.verdict) for row in rows)
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) or "no cases"


def _ended(row: CaseResult) -> str:
    return f"fail at {row.stage}" if row.verdict is Verdict.FAIL else str(row.verdict)


def _earlier(then: CaseResult | None, before: GatedRun | None) -> str:
    if before is None:
        return ""
    if then is None:
        return f", not in run {before.id}"
    return f", {_ended(then)} in run {before.id}"
