"""The rules about figures: what became less exact, slower, larger than in the baseline.

They look at cases that pass: what fails is another rule's, and its figures mean little.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from conformance.evidence import BaselineLatency, LatencyResult
from conformance.gate.look import GatedRun, Look, NotComparable
from conformance.gate.rules import GateRules
from conformance.model import CaseResult, Verdict

#: Share of its limit up to which an error may grow: rounding moves small ones by any factor.
PARITY_FLOOR = 0.5
#: Growth that is no regression, whatever the factor: a page cache or an allocator explains it.
SESSION_FLOOR_NS = 20_000_000
MEMORY_FLOOR_BYTES = 32 * 2**20
_MS = 1e6
_MIB = 2**20

T = TypeVar("T")
#: What is wrong with a case, given its row in the baseline; None where nothing is.
_Judge = Callable[[CaseResult, CaseResult | None], str | None]


def parity(now: GatedRun, before: GatedRun | None, rules: GateRules) -> Look:
    """No output came much closer to its limit."""
    return _look(now, before, partial(_parity, run=_name(before), factor=_factor(rules.parity)))


def latency(now: GatedRun, before: GatedRun | None, rules: GateRules) -> Look:  # noqa: ARG001 - as all rules
    """No model is surely slower; by the comparison that was made when it was timed."""
    return _look(now, before, _latency)


def session(now: GatedRun, before: GatedRun | None, rules: GateRules) -> Look:
    """No session takes much longer to create."""
    return _look(now, before, partial(_session, factor=_factor(rules.session)))


def size(now: GatedRun, before: GatedRun | None, rules: GateRules) -> Look:
    """No model is much larger."""
    return _look(now, before, partial(_size, run=_name(before), factor=_factor(rules.size)))


def memory(now: GatedRun, before: GatedRun | None, rules: GateRules) -> Look:
    """No session takes much more memory."""
    return _look(now, before, partial(_memory, run=_name(before), factor=_factor(rules.memory)))


def _look(now: GatedRun, before: GatedRun | None, judge: _Judge) -> Look:
    past = {row.id: row for row in before.cases} if before else {}
    look = Look(len(now.cases))
    for row in now.cases:
        if row.verdict is not Verdict.PASS:
            look.skip(row.id, "does not pass")
            continue
        try:
            text = judge(row, past.get(row.id))
        except NotComparable as reason:
            look.skip(row.id, str(reason))
            continue
        look.seen.append(row.id)
        if text is not None:
            look.found.append((row.id, text))
    return look


def _parity(row: CaseResult, then: CaseResult | None, *, run: str, factor: float) -> str | None:
    new = _measured(_ratio(row))
    old = _past(_ratio(_there(then)))
    made, before = _made_on(row), _made_on(_there(then))
    if made != before:
        raise NotComparable(f"quantized for other hardware: {before} then, {made} now")
    if new <= PARITY_FLOOR or new <= factor * old:
        return None
    growth = f"{new / old:.3g}x the {old:.3g}" if old else "after none"
    return f"error {new:.3g} of its limit, {growth} of run {run}, limit {factor:.4g}x"


def _made_on(row: CaseResult) -> str | None:
    """The hardware whose instruction sets decide what a variant answers, where they do."""
    derivation = row.export.derivation if row.export else None
    return derivation.hardware if derivation else None


def _ratio(row: CaseResult) -> float | None:
    worst = row.parity.worst_output if row.parity else None
    return worst.ratio if worst else None


def _latency(row: CaseResult, then: CaseResult | None) -> str | None:
    compared = _compared(row, then)
    if not compared.slower:
        return None
    ratio = compared.ratio
    return (
        f"latency {ratio.value:.3g}x [{ratio.low:.3g}, {ratio.high:.3g}] of run {compared.run}, "
        f"limit {compared.threshold:.4g}x"
    )


def _session(row: CaseResult, then: CaseResult | None, *, factor: float) -> str | None:
    compared = _compared(row, then)
    took_ns = _measured(row.latency).session_create_ns
    grown_ns = took_ns - took_ns / compared.session_ratio
    if compared.session_ratio <= factor or grown_ns < SESSION_FLOOR_NS:
        return None
    return (
        f"session creation {took_ns / _MS:.3g} ms, {compared.session_ratio:.3g}x of run "
        f"{compared.run}, limit {factor:.4g}x"
    )


def _compared(row: CaseResult, then: CaseResult | None) -> BaselineLatency:
    """How the latency compares, where it does."""
    timed = _measured(row.latency)
    if timed.contended is not None:
        raise NotComparable("contended")
    if timed.unstable is not None:
        raise NotComparable("unstable")
    if timed.baseline is not None:
        return timed.baseline
    raise NotComparable(_why_alone(timed, then.latency if then else None))


def _why_alone(timed: LatencyResult, then: LatencyResult | None) -> str:
    if then is None or not then.comparable:
        return "no earlier run timed it undisturbed"
    if then.hardware != timed.hardware:
        return f"other hardware: {then.hardware} then, {timed.hardware} now"
    if then.intra_op_threads != timed.intra_op_threads:
        return "other number of threads"
    return "was not compared when it was timed"


def _size(row: CaseResult, then: CaseResult | None, *, run: str, factor: float) -> str | None:
    new = _measured(row.export).size_bytes
    old = _past(_there(then).export).size_bytes
    if new <= factor * old:
        return None
    return f"{new:,} bytes, {_times(new, old)} the {old:,} of run {run}, limit {factor:.4g}x"


def _memory(row: CaseResult, then: CaseResult | None, *, run: str, factor: float) -> str | None:
    timed = _measured(row.latency)
    if timed.contended is not None:
        raise NotComparable("contended")
    new = _measured(timed.session_peak_bytes)
    earlier = _past(_there(then).latency)
    if earlier.hardware != timed.hardware:
        raise NotComparable(f"other hardware: {earlier.hardware} then, {timed.hardware} now")
    old = _past(earlier.session_peak_bytes)
    if new <= factor * old or new - old < MEMORY_FLOOR_BYTES:
        return None
    return (
        f"the session takes {new / _MIB:.3g} MiB, {_times(new, old)} the {old / _MIB:.3g} MiB "
        f"of run {run}, limit {factor:.4g}x"
    )


def _there(then: CaseResult | None) -> CaseResult:
    if then is None:
        raise NotComparable("not in the baseline")
    return then


def _measured(value: T | None) -> T:
    if value is None:
        raise NotComparable("not measured")
    return value


def _past(value: T | None) -> T:
    if value is None:
        raise NotComparable("not measured in the baseline")
    return value


def _times(new: float, old: float) -> str:
    return f"{new / old:.3g}x" if old else "more than"


def _name(before: GatedRun | None) -> str:
    return before.id if before else "-"


def _factor(limit: float | str) -> float:
    """The factor of a rule that is on; the engine of the gate asks no other."""
    return float(limit)
