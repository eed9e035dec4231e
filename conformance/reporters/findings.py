"""What was found out about a conversion beyond its figures, in words and in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from conformance.evidence import (
    DecisionParity,
    Divergence,
    Generalization,
    Mutant,
    MutantFate,
    MutationReport,
    PaddingCheck,
    ParityReport,
    ShapeOutcome,
    ShapeProbe,
)
from conformance.model import BASE, CaseResult
from conformance.reporters.wording import count, fallback, two_digits


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an outcome at a size is shown: what it means, not only how it is called."""

    glyph: str
    word: str
    #: "good", "bad", or "neutral" where nothing is said about the conversion.
    tone: str


@dataclass(frozen=True, slots=True)
class ShapeTable:
    """Outcomes by axis and size; ``None`` where an axis was not tried at a size."""

    sizes: tuple[int, ...]
    rows: tuple[tuple[str, tuple[ShapeProbe | None, ...]], ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A few words beside a row's figures: what somebody who trusts them must know."""

    text: str
    #: "alarm" where it takes the figures' meaning away, else "note".
    tone: str


_SHOWN = {
    ShapeOutcome.WORKS: ("✓", "good"),
    ShapeOutcome.REJECTS: ("✗", "bad"),
    ShapeOutcome.WRONG_VALUES: ("≠", "bad"),
    ShapeOutcome.SILENTLY_STATIC: ("=", "bad"),
    ShapeOutcome.SOURCE_REJECTS: ("·", "neutral"),
}


def outcome(probe: ShapeProbe) -> Outcome:
    """How a probe is shown; refusing size 0 is no fault and so not shown as one."""
    glyph, tone = _SHOWN[probe.outcome]
    if tone == "bad" and probe.problem is None:
        tone = "neutral"
    return Outcome(glyph, probe.outcome.value, tone)


def shape_table(probes: Sequence[ShapeProbe]) -> ShapeTable:
    """The probes as a table: axes in the order they were tried, sizes ascending."""
    sizes = tuple(sorted({probe.size for probe in probes}))
    found = {(probe.axis, probe.size): probe for probe in probes}
    axes = dict.fromkeys(probe.axis for probe in probes)
    return ShapeTable(
        sizes, tuple((axis, tuple(found.get((axis, size)) for size in sizes)) for axis in axes)
    )


def padding_sentence(check: PaddingCheck) -> str:
    """``masked by 'attention_mask' along 'sequence': 6 padded rows agree (0.12 of limit)``."""
    where = f"masked by '{check.mask}' along '{check.axis}'"
    if check.skipped:
        return f"{where}: not compared, because {check.skipped}"
    if check.problem:
        return f"{where}: {check.problem}"
    rows = "1 padded row agrees" if check.rows == 1 else f"{check.rows} padded rows agree"
    share = "" if check.ratio is None else f" ({two_digits(check.ratio)} of limit)"
    return f"{where}: {rows} with the unpadded ones on the real positions{share}"


def mutation_sentence(mutation: MutationReport) -> str:
    """``kills 19/20, 1 missed, 3 equivalent; 2 refused``; what did not occur is left out."""
    text = mutation.score
    for fate in (MutantFate.MISSED, MutantFate.EQUIVALENT):
        if number := mutation.count(fate):
            text += f", {number} {fate}"
    return f"{text}; {mutation.refused} refused" if mutation.refused else text


def survivors(mutation: MutationReport) -> tuple[Mutant, ...]:
    """The mutants that were not killed, missed ones first."""
    alive = [mutant for mutant in mutation.mutants if mutant.fate is not MutantFate.KILLED]
    return tuple(sorted(alive, key=lambda mutant: mutant.fate is not MutantFate.MISSED))


def sensitivity(cases: Iterable[CaseResult]) -> str | None:
    """Of all wrong models of a run, how many its checks caught; None where there were none."""
    reports = [case.mutation for case in cases if case.mutation]
    if not reports:
        return None
    killed = sum(report.count(MutantFate.KILLED) for report in reports)
    observable = killed + sum(report.count(MutantFate.MISSED) for report in reports)
    text = f"check sensitivity: {killed} of {observable} wrong models caught"
    if blunt := sum(report.too_blunt for report in reports):
        text += f", {count(blunt, 'case misses', 'cases miss')} more than declared"
    return text


def decision_sentence(decision: DecisionParity) -> str:
    """How the decisions that differ are to be taken: ``all alike``, ``2 ties``, the problem."""
    if decision.problem:
        return decision.problem
    if decision.blind:
        return f"proves nothing: {decision.blind}"
    if decision.agreed == decision.total:
        return "all alike"
    why = (
        "decided by at most one float32 ulp"
        if decision.kind == "tree splits"
        else "both answers are within the accepted error"
    )
    return f"{count(decision.ties, 'tie', 'ties')}: {why}"


def divergence_sentences(found: Divergence) -> tuple[str, str]:
    """Between which executions a node differs, and whether the fault is its own."""
    trusted, suspect = found.between
    if trusted == BASE:
        own = "More of the noise is its own than it was given."
        return f"between {trusted} and {suspect}", (
            own if found.originates else "It was given more noise than it adds."
        )
    role = (
        "It originates the error: fed the trusted inputs, it still errs."
        if found.originates
        else "It passes an error on: fed the trusted inputs, it is right."
    )
    return f"between {trusted} and {suspect}", role


def marks(case: CaseResult) -> tuple[Mark, ...]:
    """What a row shows beside its parity; nothing where there is nothing to know."""
    found = []
    if placed := fallback(case.placement, case.provider):
        found.append(Mark(str(placed), "alarm" if placed.absent else "note"))
    if case.export is not None and case.export.fallback:
        found.append(Mark(f"exported by {case.export.exported_by}", "note"))
    if case.parity is not None:
        found += _parity_marks(case.parity)
    if case.mutation is not None and (missed := case.mutation.count(MutantFate.MISSED)):
        tone = "alarm" if case.mutation.too_blunt else "note"
        found.append(Mark(count(missed, "wrong model", "wrong models") + " missed", tone))
    return tuple(found)


def _parity_marks(parity: ParityReport) -> Iterable[Mark]:
    for decision in parity.decisions:
        if decision.problem:
            yield Mark(f"{decision.kind}: {decision.agreed} of {decision.total} alike", "alarm")
    for component in parity.components:
        if component.all_problems:
            yield Mark(f"component {component.name} differs", "alarm")
    tried: Generalization = parity.generalization or Generalization()
    if wrong := sum(probe.problem is not None for probe in tried.probes):
        yield Mark(f"{wrong} of {count(len(tried.probes), 'shape', 'shapes')} wrong", "alarm")
    if any(check.problem for check in tried.padding):
        yield Mark("padding changes answers", "alarm")
    if rows := sum(output.set_aside for output in parity.outputs):
        yield Mark(count(rows, "row", "rows") + " set aside", "note")
