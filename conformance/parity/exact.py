"""Compare an output that must be equal: labels, tokens, masks, text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from conformance.evidence import OutputParity
from conformance.parity.answers import Answers, Finding, Flips, Mask, Ties
from conformance.parity.budget import favourite_passes, judge_shares
from conformance.parity.guards import held_constant
from conformance.parity.reaction import unresponsive
from conformance.parity.terms import Terms
from conformance.parity.ties import flips_of, ties_among
from conformance.variants import Allowance


def compare_exactly(answers: Answers, terms: Terms, floats: Sequence[Finding]) -> Finding:
    """Compare an output whose dtypes and shapes agree and that has elements.

    Args:
        answers: the output.
        terms: by which it is judged.
        floats: of the float outputs, among which its scores may be.

    Raises:
        ValueError: when margins do not fit the output.
    """
    want = np.concatenate([array.ravel() for array in answers.source])
    got = np.concatenate([array.ravel() for array in answers.actual])
    differs = np.asarray(want != got, dtype=bool)
    flips = flips_of(answers, floats)
    ties = ties_among(answers, answers.rows_with(differs), flips)
    if terms.budget is not None:
        return _by_budget(answers, terms, terms.budget, differs, ties)
    if ties.aside.any():
        differs &= ~answers.elements_of(ties.aside)
    count = int(np.count_nonzero(differs))
    result = replace(
        answers.result(),
        max_abs=_largest_difference(want, got, differs),
        limit=0.0,
        ratio=float("inf") if count else 0.0,
        set_aside=int(np.count_nonzero(ties.aside)),
    )
    constant = terms.constant.get(answers.name)
    if constant is None:
        result = replace(result, vacuous=unresponsive(answers, None))
    if count:
        # the first difference: among values without a distance none is the worst
        result = replace(result, worst=answers.worst(int(np.argmax(differs))))
        result = replace(result, problem=_problem(result, differs, ties))
    if constant is not None:
        result = held_constant(answers, result, None, constant)
    return Finding(answers, result, ties=ties)


def _by_budget(
    answers: Answers, terms: Terms, budget: Allowance, differs: Mask, ties: Ties
) -> Finding:
    """By the share of elements that differ: of a few percent, ties make no difference."""
    result = judge_shares(answers.result(), differs, budget)
    if differs.any():
        result = replace(result, worst=answers.worst(int(np.argmax(differs))))
    ties = replace(ties, aside=np.zeros_like(ties.aside), too_many=None)
    constant = terms.constant.get(answers.name)
    if constant is not None:
        return Finding(answers, held_constant(answers, result, None, constant), ties=ties)
    vacuous = unresponsive(answers, None) or favourite_passes(answers, budget)
    return Finding(answers, replace(result, vacuous=vacuous), ties=ties)


def _largest_difference(want: np.ndarray, got: np.ndarray, differs: Mask) -> float | None:
    if want.dtype.kind not in "iub":
        return None
    if not differs.any():
        return 0.0
    distance = np.abs(want[differs].astype(np.float64) - got[differs].astype(np.float64))
    return float(np.max(distance))


def _problem(result: OutputParity, differs: Mask, ties: Ties) -> str:
    worst = result.worst
    assert worst is not None  # noqa: S101 - what differs was located
    first = (
        f"{np.count_nonzero(differs)} of {differs.size} elements differ, the first at "
        f"{list(worst.index)} of data set {worst.data_set}: "
        f"expected {worst.expected!r}, actual {worst.actual!r}"
    )
    parts = [first]
    if ties.flips is not None and not ties.too_many:
        parts.append(_by_margin(ties.flips, ties.aside))
    if ties.too_many:
        parts.append(ties.too_many)
    return "; ".join(parts)


def _by_margin(flips: Flips, aside: Mask) -> str:
    """How clearly the source decided the labels that differ."""
    clear = flips.leads[flips.differs & ~aside]
    narrowest = float(clear.min(initial=np.inf))
    if not np.isfinite(narrowest):
        return f"label flips on {len(clear)} of {len(aside)} rows, to labels of no class"
    return (
        f"label flips on {len(clear)} of {len(aside)} rows; narrowest margin {narrowest:.3g} in "
        f"'{flips.scores}' against an accepted error of {flips.limit:.3g}"
    )
