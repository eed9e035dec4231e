"""What the gate made of a run: plain data that records, reports and commands carry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Rule(StrEnum):
    """What a run may be held against, by the names that a zoo file gives the rules."""

    #: Some case came to a judgement. Always on: without it, no other rule means anything.
    JUDGED = "judged"
    NEW_FAILURES = "new_failures"
    VACUOUS = "vacuous"
    VANISHED = "vanished"
    COVERAGE = "coverage"
    PARITY = "parity"
    LATENCY = "latency"
    SESSION = "session"
    SIZE = "size"
    MEMORY = "memory"


#: Those that can be set.
RULE_NAMES = tuple(rule.value for rule in Rule if rule is not Rule.JUDGED)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Why a finding does not fail the gate."""

    reason: str
    #: Last day (UTC) on which that holds; ``None`` for good.
    expires: date | None


@dataclass(frozen=True, slots=True)
class GateFinding:
    """One rule that one case broke."""

    rule: Rule
    #: The case's id; ``None`` where the finding is about the run.
    case: str | None
    model: str | None
    #: What happened, by how much, and the limit.
    text: str
    accepted: Acceptance | None = None


@dataclass(frozen=True, slots=True)
class NotJudged:
    """Cases that a rule could say nothing about."""

    reason: str
    #: Their ids.
    cases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuleCheck:
    """How much of the run one rule has seen."""

    rule: Rule
    #: What it allows, in words.
    limit: str
    #: Cases that were held against the rule, of :attr:`of`.
    looked_at: int
    of: int
    not_judged: tuple[NotJudged, ...] = ()


@dataclass(frozen=True, slots=True)
class GateResult:
    """Whether a run may go through, and what that rests on."""

    passed: bool
    #: The run that it was compared with; ``None`` where there was none.
    baseline: str | None
    checks: tuple[RuleCheck, ...]
    findings: tuple[GateFinding, ...]
    #: What does not fail the gate and still wants a person, such as a stale acceptance.
    warnings: tuple[str, ...] = ()

    @property
    def blocking(self) -> tuple[GateFinding, ...]:
        """The findings that nobody accepted."""
        return tuple(finding for finding in self.findings if finding.accepted is None)
