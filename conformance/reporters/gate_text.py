"""What the gate found, in words: which rule, on which model, by how much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from conformance.gate_result import GateFinding, GateResult, RuleCheck
from conformance.reporters.inert import inert_line

#: How many case ids a line lists of those that a rule could not judge.
_LISTED = 3
#: How many findings the one-line form spells out.
_SPELT_OUT = 3


class Tone(Enum):
    """How a line is to be taken."""

    GOOD = "good"
    BAD = "bad"
    NOTE = "note"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class GateLine:
    """One line for a terminal, with nothing in it that steers one."""

    text: str
    tone: Tone = Tone.PLAIN


def gate_verdict(result: GateResult) -> str:
    """``gate failed: 2 latency, 1 size; compared with run 2026...``."""
    rules = Counter(finding.rule.value for finding in result.blocking)
    broken = ", ".join(f"{count} {rule}" for rule, count in rules.items())
    text = f"gate failed: {broken}" if broken else "gate passed"
    if accepted := len(result.findings) - len(result.blocking):
        text += f" with {accepted} accepted" if not broken else f", {accepted} accepted"
    against = (
        f"compared with run {result.baseline}"
        if result.baseline
        else "nothing to compare with yet: no earlier run of this zoo that finished and passed "
        "its gate"
    )
    return f"{text}; {against}"


def gate_sentence(result: GateResult) -> str:
    """The verdict and its first findings, for the top of a page."""
    blocking = result.blocking
    parts = [gate_verdict(result), *(_finding(finding) for finding in blocking[:_SPELT_OUT])]
    if more := len(blocking) - _SPELT_OUT:
        parts += [f"{more} more"] if more > 0 else []
    return ". ".join(part[:1].upper() + part[1:] for part in parts)


def gate_lines(result: GateResult) -> Iterator[GateLine]:
    """Everything the gate found, what it looked at, and what it could not judge."""
    yield GateLine(gate_verdict(result), Tone.GOOD if result.passed else Tone.BAD)
    for finding in result.findings:
        if finding.accepted is None:
            yield GateLine(f"  ✗ {_finding(finding)}", Tone.BAD)
        else:
            until = f" until {finding.accepted.expires}" if finding.accepted.expires else ""
            yield GateLine(f"  ≈ {_finding(finding)}", Tone.NOTE)
            why = inert_line(finding.accepted.reason)
            yield GateLine(f"      accepted{until}: {why}", Tone.NOTE)
    for warning in result.warnings:
        yield GateLine(f"  ! {inert_line(warning)}", Tone.NOTE)
    found = Counter(finding.rule for finding in result.findings)
    for check in result.checks:
        yield GateLine(_check(check, found[check.rule]))


def _finding(finding: GateFinding) -> str:
    about = f" {finding.case}:" if finding.case else ""
    return inert_line(f"{finding.rule}:{about} {finding.text}")


def _check(check: RuleCheck, found: int) -> str:
    text = f"  {check.rule:<13} {check.limit:<14} looked at {check.looked_at} of {check.of}"
    text += f", {found} found" if found else ""
    for skipped in check.not_judged:
        text += f"; {len(skipped.cases)} {inert_line(skipped.reason)}"
        if len(skipped.cases) <= _LISTED and check.looked_at:
            text += f" ({inert_line(', '.join(skipped.cases))})"
    return text
