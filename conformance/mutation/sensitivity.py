"""What it means for a case that some wrong models pass its check."""

from __future__ import annotations

from conformance.evidence import Mutant, MutantFate, MutationReport

#: Survivors named in a sentence; the report lists them all.
_EXAMPLES = 2


def insensitive(report: MutationReport) -> str | None:
    """Why the check of a case proves too little, or None when it is as sensitive as declared.

    Args:
        report: the mutants of the case, with the rate that may be missed.
    """
    if not report.too_blunt:
        return None
    missed = [mutant for mutant in report.mutants if mutant.fate is MutantFate.MISSED]
    observable = len(report.mutants) - report.count(MutantFate.EQUIVALENT)
    examples = "; ".join(_sentence(mutant) for mutant in missed[:_EXAMPLES])
    inputs = dict.fromkeys(mutant.revealed_by for mutant in missed if mutant.revealed_by)
    needed = f"; inputs that would reveal more: {', '.join(inputs)}" if inputs else ""
    return (
        f"misses {len(missed)} of {observable} wrong models ({report.missed_rate:.0%}, declared "
        f"{report.max_missed_rate:.0%}): {examples}{needed}"
    )


def _sentence(mutant: Mutant) -> str:
    detail = f" ({mutant.detail})" if mutant.detail else ""
    return f"{mutant.operator}: {mutant.target}{detail}"
