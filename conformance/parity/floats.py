"""Compare an output of floats: by its error, held against a limit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from conformance.evidence import OutputParity
from conformance.parity import guards, metrics
from conformance.parity.answers import Answers, Finding, Float64Array, Mask, Ties, pool
from conformance.parity.budget import constant_passes, held_to_budget
from conformance.parity.errors import Largest, largest_error, largest_magnitude
from conformance.parity.reaction import unresponsive
from conformance.parity.terms import Terms
from conformance.parity.ties import ties_among, undecided
from conformance.parity.tolerance import (
    Limit,
    limit_by_noise,
    limit_for,
    no_less_than,
    rounding_noise,
)


def compare_floats(answers: Answers, terms: Terms) -> Finding:
    """Compare an output whose dtypes and shapes agree and that has elements.

    Raises:
        ValueError: when margins do not fit the output.
    """
    finding = judge_floats(answers, terms)
    if finding.accepted is None or finding.ties is None:
        return finding
    result = _measured(finding.result, answers, finding.ties)
    constant = terms.constant.get(answers.name)
    result = _judged(answers, result, finding.accepted, constant)
    if terms.budget is not None and constant is None and result.vacuous is None:
        result = replace(result, vacuous=constant_passes(answers, terms.budget))
    return replace(finding, result=result)


def judge_floats(answers: Answers, terms: Terms) -> Finding:
    """What decides about such an output, and no more: error, limit, and what is wrong with it.

    Raises:
        ValueError: when margins do not fit the output.
    """
    error = largest_error(answers.actual, answers.wanted)
    own = error if answers.fp64 is None else largest_error(answers.source, answers.fp64)
    if not (np.isfinite(error.error) and np.isfinite(own.error)):
        reference, got, source = pool(answers.wanted), pool(answers.actual), pool(answers.source)
        # a source that overflows in its own precision has no answer, whatever float64 says
        finite_source = np.isfinite(reference) & np.isfinite(source)
        finite_got = np.isfinite(got)
        if not (finite_source & finite_got).all():
            return _non_finite(answers, finite_source, finite_got)
    if answers.fp64 is None or answers.margins is not None or terms.tolerance.declared:
        finding = _by_element(answers, terms)
    else:
        finding = _by_one_limit(answers, terms, error, own.error)
    return finding if terms.budget is None else held_to_budget(finding, terms.budget)


def _non_finite(answers: Answers, finite_source: Mask, finite_got: Mask) -> Finding:
    problem, vacuous = guards.non_finite(finite_source, finite_got)
    at = int(np.argmax(finite_source != finite_got) if problem else np.argmin(finite_got))
    result = answers.result("declared" if answers.fp64 is None else "fp64-referenced")
    worst = answers.worst(at)
    return Finding(answers, replace(result, worst=worst, problem=problem, vacuous=vacuous))


def _by_one_limit(answers: Answers, terms: Terms, error: Largest, own: float) -> Finding:
    """Judge by the largest error: all elements have one limit, and no row is a tie."""
    noise = no_less_than(own, terms.noise.get(answers.name))
    scale, dtype = largest_magnitude(answers.wanted), answers.actual[0].dtype
    limit = limit_by_noise(terms.tolerance, scale, noise, dtype)
    ties = ties_among(answers, _none(answers))
    accepted = [np.broadcast_to(limit.accepted, array.shape) for array in answers.source]
    one = float(limit.accepted)
    ratio = error.error / one if one else float("inf")
    if error.error == 0:
        ratio = 0.0
    result = _result(answers, terms, limit, ties)
    result = replace(
        result, max_abs=error.error, limit=one, ratio=ratio, worst=answers.worst(error.at)
    )
    if not ratio <= 1:
        result = replace(result, problem=_problem(result, error.error, None))
    return Finding(answers, result, accepted, ties)


def _by_element(answers: Answers, terms: Terms) -> Finding:
    """Judge each element by a limit of its own; rows that may be ties are set aside."""
    reference, got, source = pool(answers.wanted), pool(answers.actual), pool(answers.source)
    limit = _limit(answers, terms, reference, source)
    accepted = np.broadcast_to(limit.accepted, reference.shape)
    error = np.abs(got - reference)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(error == 0, 0.0, error / accepted)
    refused = ~(ratios <= 1)
    ties = ties_among(answers, answers.rows_with(refused) if refused.any() else _none(answers))
    compared = error
    if ties.aside.any():
        kept = ~answers.elements_of(ties.aside)
        ratios, compared = np.where(kept, ratios, 0.0), error[kept]
    at = int(np.argmax(ratios))
    result = replace(
        _result(answers, terms, limit, ties),
        max_abs=float(np.max(compared)),
        limit=float(accepted[at]),
        ratio=float(ratios[at]),
        worst=answers.worst(at),
    )
    if not float(ratios[at]) <= 1:
        result = replace(result, problem=_problem(result, float(error[at]), ties.too_many))
    return Finding(answers, result, _by_data_set(accepted, answers), ties)


def _result(answers: Answers, terms: Terms, limit: Limit, ties: Ties) -> OutputParity:
    """A result with all that is known before the worst element."""
    return replace(
        answers.result(),
        rule=limit.rule,
        rule_reason=limit.rule_reason,
        noise=limit.noise,
        noise_sets=_noise_sets(answers, terms) if limit.noise is not None else None,
        set_aside=int(np.count_nonzero(ties.aside)),
    )


def _limit(answers: Answers, terms: Terms, reference: Float64Array, source: Float64Array) -> Limit:
    noise = None
    if answers.fp64 is not None:
        # where a split may go either way, the source's two precisions differ by a leaf:
        # that is no rounding, and would accept anything
        rounded = ~answers.elements_of(undecided(answers)) if answers.margins else None
        if rounded is None or not rounded.any():
            rounded = np.ones(len(reference), dtype=bool)
        further = terms.noise.get(answers.name)
        noise = rounding_noise(source[rounded], reference[rounded], further)
    dtype = answers.actual[0].dtype
    return limit_for(terms.tolerance, reference, noise, dtype, answers.why_no_fp64)


def _judged(
    answers: Answers, result: OutputParity, accepted: list[Float64Array], constant: str | None
) -> OutputParity:
    """The result with what the guards say."""
    if constant is not None:
        return guards.held_constant(answers, result, accepted, constant)
    vacuous = unresponsive(answers, accepted) or guards.forgiving(answers.wanted, accepted)
    if vacuous is None and result.noise:
        vacuous = guards.noisy(answers, result.noise)
    return replace(result, vacuous=vacuous)


def _measured(result: OutputParity, answers: Answers, ties: Ties) -> OutputParity:
    """The result with how far the compared elements are from the reference."""
    got, reference = answers.actual, answers.wanted
    if ties.aside.any():
        kept = ~answers.elements_of(ties.aside)
        got, reference = [pool(got)[kept]], [pool(reference)[kept]]
    found = metrics.figures(got, reference, answers.actual[0].dtype)
    noise_ratio = None
    if result.noise and result.max_abs is not None:
        noise_ratio = result.max_abs / result.noise
    return replace(
        result,
        max_rel=found.max_rel,
        rmse=found.rmse,
        cosine=found.cosine,
        snr_db=found.snr_db,
        ulp_p50=found.ulp_p50,
        ulp_p99=found.ulp_p99,
        ulp_max=found.ulp_max,
        noise_ratio=noise_ratio,
        argmax_agreement=_mean(
            metrics.argmax_agreement(a, w)
            for a, w in zip(answers.actual, answers.wanted, strict=True)
        ),
    )


def _problem(result: OutputParity, error: float, too_many: str | None) -> str:
    worst = result.worst
    assert worst is not None  # noqa: S101 - an output with elements has a worst one
    more = f"; {too_many}" if too_many else ""
    return (
        f"error {error:.3g} at {list(worst.index)} of data set {worst.data_set} is "
        f"{result.ratio:.3g}x its limit {result.limit:.3g}: "
        f"expected {worst.expected:.9g}, actual {worst.actual:.9g}{more}"
    )


def _noise_sets(answers: Answers, terms: Terms) -> int:
    further = terms.noise.get(answers.name)
    return len(answers.source) + (further.input_sets if further else 0)


def _by_data_set(accepted: Float64Array, answers: Answers) -> list[Float64Array]:
    ends = np.cumsum([array.size for array in answers.source])[:-1]
    parts = np.split(accepted, ends)
    return [part.reshape(a.shape) for part, a in zip(parts, answers.source, strict=True)]


def _none(answers: Answers) -> Mask:
    return np.zeros(sum(answers.rows), dtype=bool)


def _mean(values: Iterable[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return sum(found) / len(found) if found else None
