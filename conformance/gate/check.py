"""A run held against the rules: what broke them, what is accepted, what was not looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date

from conformance.gate import figures, outcomes
from conformance.gate.look import GatedRun, Look
from conformance.gate.rules import GateRules
from conformance.gate_result import Acceptance, GateFinding, GateResult, Rule, RuleCheck

_RULES: Mapping[Rule, Callable[[GatedRun, GatedRun | None, GateRules], Look]] = {
    Rule.JUDGED: outcomes.judged,
    Rule.NEW_FAILURES: outcomes.new_failures,
    Rule.VACUOUS: outcomes.vacuous,
    Rule.VANISHED: outcomes.vanished,
    Rule.COVERAGE: outcomes.coverage,
    Rule.PARITY: figures.parity,
    Rule.LATENCY: figures.latency,
    Rule.SESSION: figures.session,
    Rule.SIZE: figures.size,
    Rule.MEMORY: figures.memory,
}
#: Rules that look at an earlier run; before there is one, they cannot be held against anybody.
_COMPARING = frozenset(
    {Rule.VANISHED, Rule.PARITY, Rule.LATENCY, Rule.SESSION, Rule.SIZE, Rule.MEMORY}
)


def check(now: GatedRun, before: GatedRun | None, rules: GateRules, today: date) -> GateResult:
    """Hold a run against the rules.

    A rule that somebody asked for and that could look at no case is itself a finding, except
    where it compares and there is nothing yet to compare with.

    Args:
        now: the run.
        before: its baseline; ``None`` where there is none yet. Latencies are not compared
            here but were when they were taken.
        rules: those that are on are held.
        today: the day (UTC) against which acceptances expire.
    """
    looks = {rule: look(now, before, rules) for rule, look in _RULES.items() if rules.on(rule)}
    models = {row.id: row.model for row in now.cases}
    findings = [
        _judged(GateFinding(rule, case, case and _model_of(case, models), text), rules, today)
        for rule, look in looks.items()
        for case, text in look.found
    ]
    findings += [
        GateFinding(rule, None, None, _idle_text(look))
        for rule, look in looks.items()
        if rules.asked_for(rule) and not look.seen and not (rule in _COMPARING and before is None)
    ]
    # only a whole run that had something to compare with can tell what needs no acceptance
    whole = now.whole and before is not None
    return GateResult(
        passed=all(finding.accepted is not None for finding in findings),
        baseline=before.id if before else None,
        checks=tuple(
            RuleCheck(rule, rules.limit(rule), len(look.seen), look.of, look.not_judged)
            for rule, look in looks.items()
        ),
        findings=tuple(findings),
        warnings=tuple(_stale(rules, looks, models)) if whole else (),
    )


def _idle_text(look: Look) -> str:
    reasons = "; ".join(f"{len(n.cases)} {n.reason}" for n in look.not_judged)
    return f"asked for, and could look at none of {look.of} cases{': ' * bool(reasons)}{reasons}"


def _judged(finding: GateFinding, rules: GateRules, today: date) -> GateFinding:
    """The finding with why it is accepted, or since when it is not any more."""
    if finding.case is None or finding.model is None:
        return finding
    covering = [a for a in rules.accepted if a.covers(finding.rule, finding.case, finding.model)]
    for accepted in covering:
        if accepted.expires is None or today <= accepted.expires:
            return replace(finding, accepted=Acceptance(accepted.reason, accepted.expires))
    if not covering:
        return finding
    was = f"was accepted until {covering[0].expires}: {covering[0].reason}"
    return replace(finding, text=f"{finding.text} ({was})")


def _model_of(case: str, models: Mapping[str, str]) -> str:
    """The model's id; that of a vanished case is read off the case's, ``framework/id@...``."""
    return models.get(case) or case.partition("/")[2].partition("@")[0]


def _stale(
    rules: GateRules, looks: Mapping[Rule, Look], models: Mapping[str, str]
) -> Iterator[str]:
    """Acceptances that cover no finding, and no case that could not be judged."""
    for number, accepted in enumerate(rules.accepted):
        rule = Rule(accepted.rule)
        if rule not in looks:
            continue
        look = looks[rule]
        cases = {*look.skipped(), *(case for case, _ in look.found if case is not None)}
        if not any(accepted.covers(rule, case, _model_of(case, models)) for case in cases):
            yield (
                f"gate.accepted[{number}] ({accepted.rule} of {accepted.model}): "
                "there is nothing to accept any more; remove it"
            )
