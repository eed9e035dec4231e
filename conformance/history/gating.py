"""Stored runs before the gate."""

from __future__ import annotations

from datetime import UTC, date, datetime

from conformance.gate import GatedRun, GateRules, check
from conformance.gate_result import GateResult
from conformance.history.merge import merge
from conformance.history.records import StoredRun


def judge(
    run: StoredRun, before: StoredRun | None, rules: GateRules, today: date | None = None
) -> GateResult:
    """Hold a run against the rules.

    Args:
        run: all of whose tests have ended.
        before: what it is compared with; ``None`` where there is nothing yet.
        rules: those that are on are held.
        today: the day against which acceptances expire; by default today's, in UTC.
    """
    earlier = None if before is None else gated(before)
    return check(gated(run), earlier, rules, today or datetime.now(UTC).date())


def gated(run: StoredRun) -> GatedRun:
    """A run as far as the gate is concerned with it."""
    return GatedRun(run.header.id, merge(run), run.header.zoo_cases, run.whole)
