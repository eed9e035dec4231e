"""Judging a lossy variant: by what it may lose against its source, not by rounding noise.

Per float output, the signal-to-noise ratio over all data sets::

    snr = 10 log10( sum reference^2 / sum (actual - reference)^2 )   in dB

with the source's float64 answer as the reference where there is one, else its own. It is
accepted from a floor on, which is the same as a limit on the root mean square error::

    rmse <= limit = rms(reference) * 10^(-floor / 20)

Elements that are no floats, and decisions, are accepted by the share that is what it was.
A constant answer is the liar that such means are fooled by most easily, where an output moves
little about a large mean: an output that it would pass for proves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from conformance.evidence import DecisionParity, OutputParity
from conformance.parity.answers import Answers, Finding, Mask, Ties, as_float64
from conformance.parity.errors import pieces
from conformance.variants import Allowance

#: The rule's name in results.
RULE = "budget"
#: A probe is one small answer, whose error varies about that of the data sets: it may be twice
#: as large, which is 6 dB.
PROBE_FACTOR = 2.0
_FACTOR_DB = 20 * math.log10(PROBE_FACTOR)
#: Of fewer labels at another shape, no share is asked for.
FEW = 10
#: Shares are quotients of small numbers: 9 of 10 is 0.9.
_ROUNDING = 1e-9


def held_to_budget(finding: Finding, budget: Allowance) -> Finding:
    """The finding of a float output, with the budget in place of its limit.

    What it knows of the accepted rounding error stays: decisions within that are ties.
    """
    answers = finding.answers
    signal, noise = _powers(answers)
    count = sum(array.size for array in answers.wanted)
    limit = math.sqrt(signal / count) * 10 ** (-budget.min_snr_db / 20)
    rmse = math.sqrt(noise / count)
    ratio = _of_limit(rmse, limit)
    snr_db = 10 * math.log10(signal / noise) if signal > 0 and noise > 0 else None
    result = replace(
        finding.result,
        rule=RULE,
        rule_reason=None,
        limit=limit,
        rmse=rmse,
        ratio=ratio,
        snr_db=snr_db,
        set_aside=0,
        problem=None,
    )
    if not ratio <= 1:
        result = replace(result, problem=_too_noisy(result, budget))
    return replace(finding, result=result, ties=_kept_in(finding.ties))


def constant_passes(answers: Answers, budget: Allowance) -> str | None:
    """Why a budget would accept the same answer to everything, or None when it would not.

    The judge is the mean of all rows over all data sets, cut to the sizes that they share.
    """
    rows = _rows([as_float64(array) for array in answers.wanted])
    error = float(np.sum(np.square(rows - rows.mean(axis=0))))
    signal = float(np.sum(np.square(rows)))
    if error * 10 ** (budget.min_snr_db / 10) > signal:
        return None
    snr = f"an SNR of {10 * math.log10(signal / error):.3g} dB" if error else "no error at all"
    return (
        f"the mean of all its answers, given to everything, would have {snr}, within the budget "
        f"of {budget.min_snr_db:g} dB"
    )


def judge_shares(result: OutputParity, differs: Mask, budget: Allowance) -> OutputParity:
    """The result of an output that is no float, by the share of its elements that differ.

    Args:
        result: what is known of it already.
        differs: which of the pooled elements are another than the source's.
        budget: its limit is the share that may differ.
    """
    count, total = int(np.count_nonzero(differs)), differs.size
    allowed = _may_differ(total, budget)
    result = replace(result, rule=RULE, limit=allowed / total, ratio=_of_limit(count, allowed))
    if count > allowed:
        text = f"{count} of its {total} elements differ, {_in_budget(allowed, budget)}"
        result = replace(result, problem=text)
    return result


def favourite_passes(answers: Answers, budget: Allowance) -> str | None:
    """Why a budget would accept the commonest element everywhere, or None when it would not."""
    elements = np.concatenate([array.ravel() for array in answers.source])
    if elements.dtype.kind == "O":
        elements = elements.astype(str)
    _, counts = np.unique(elements, return_counts=True)
    wrong = int(counts.sum() - counts.max())
    allowed = _may_differ(elements.size, budget)
    if wrong > allowed:
        return None
    return (
        f"its commonest element, given to everything, would be wrong {wrong} times in "
        f"{elements.size}, {_in_budget(allowed, budget)}"
    )


def held_decision(decision: DecisionParity, budget: Allowance) -> DecisionParity:
    """A decision by how often it is taken otherwise; ties within rounding noise are alike."""
    differ = decision.total - decision.agreed - decision.ties
    allowed = _may_differ(decision.total, budget)
    head = f"{decision.kind} of output '{decision.output}'"
    tied = f" beside {decision.ties} ties" if decision.ties else ""
    text = f"{head}: {differ} of {decision.total} differ{tied}, {_in_budget(allowed, budget)}"
    return replace(
        decision,
        detail=None if decision.agreed == decision.total else text,
        problem=text if differ > allowed else None,
    )


def for_probes(budget: Allowance) -> Allowance:
    """The budget of one answer at another shape: twice the error, and twice the share."""
    return Allowance(
        max(budget.min_snr_db - _FACTOR_DB, 1.0),
        max(1 - PROBE_FACTOR * (1 - budget.min_agreement), 0.0),
    )


def _may_differ(total: int, budget: Allowance) -> int:
    """How many of some decisions may differ: the share, but one of few, and never all of them.

    A share of 10 says little: one that differs is 10 %, and may be the narrowest of all.
    """
    if budget.min_agreement >= 1:
        return 0
    if budget.min_agreement <= 0:
        return total
    share = int(total * (1 - budget.min_agreement) + _ROUNDING)
    return max(0, min(max(1, share), total - 1))


def _in_budget(allowed: int, budget: Allowance) -> str:
    return f"the budget asks for {100 * budget.min_agreement:g} %: at most {allowed}"


def _of_limit(found: float, limit: float) -> float:
    if limit > 0:
        return found / limit
    return 0.0 if found == 0 else math.inf


def _powers(answers: Answers) -> tuple[float, float]:
    """Sum of the squares of the reference, and of the error."""
    signal = noise = 0.0
    for _, some, reference in pieces(answers.actual, answers.wanted):
        wanted = as_float64(reference)
        error = as_float64(some) - wanted
        signal += float(np.dot(wanted, wanted))
        noise += float(np.dot(error, error))
    return signal, noise


def _too_noisy(result: OutputParity, budget: Allowance) -> str:
    snr = "none" if result.snr_db is None else f"{result.snr_db:.3g} dB"
    worst = result.worst
    most = ""
    if worst is not None:
        most = (
            f"; furthest off at {list(worst.index)} of data set {worst.data_set}: "
            f"expected {worst.expected:.9g}, actual {worst.actual:.9g}"
        )
    return (
        f"signal-to-noise ratio {snr}, the budget asks for {budget.min_snr_db:g} dB "
        f"(RMSE {result.rmse:.3g}, at most {result.limit:.3g}){most}"
    )


def _kept_in(ties: Ties | None) -> Ties | None:
    """Without rows set aside: a mean over all rows bears a few that are ties."""
    return None if ties is None else replace(ties, aside=np.zeros_like(ties.aside), too_many=None)


def _rows(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The rows of all data sets, ``[rows, elements]``, cut to the narrowest; a scalar is a row."""
    deep = [array if array.ndim else array.reshape(1) for array in arrays]
    parts = [array for array in deep if array.size and array.ndim == deep[0].ndim]
    widths = [min(sizes) for sizes in zip(*(a.shape[1:] for a in parts), strict=True)]
    crop = (slice(None), *(slice(0, width) for width in widths))
    return np.concatenate([a[crop].reshape(len(a), -1) for a in parts])
