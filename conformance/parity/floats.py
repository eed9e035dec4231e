"""Compare an output of floats: by its error, held against a limit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from conformance.evidence import OutputParity
from conformance.parity import guards, metrics
from conformance.parity.answers import Answers, Finding, Float64Array, Mask, as_float64, pool
from conformance.parity.reaction import unresponsive
from conformance.parity.terms import Terms
from conformance.parity.ties import ties_among, undecided
from conformance.parity.tolerance import Limit, limit_for, rounding_noise


def compare_floats(answers: Answers, terms: Terms) -> Finding:
    """Compare an output whose dtypes and shapes agree and that has elements.

    Raises:
        ValueError: when margins do not fit the output.
    """
    reference, got, source = pool(answers.wanted), pool(answers.actual), pool(answers.source)
    # a source that overflows in its own precision has no answer, whatever float64 says
    finite_source = np.isfinite(reference) & np.isfinite(source)
    finite_got = np.isfinite(got)
    if not (finite_source & finite_got).all():
        problem, vacuous = guards.non_finite(finite_source, finite_got)
        at = int(np.argmax(finite_source != finite_got) if problem else np.argmin(finite_got))
        result = answers.result("declared" if answers.fp64 is None else "fp64-referenced")
        worst = answers.worst(at)
        return Finding(answers, replace(result, worst=worst, problem=problem, vacuous=vacuous))
    limit = _limit(answers, terms, reference, source)
    accepted = np.broadcast_to(limit.accepted, reference.shape)
    error = np.abs(got - reference)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(error == 0, 0.0, error / accepted)
    refused = ~(ratios <= 1)
    ties = ties_among(answers, answers.rows_with(refused) if refused.any() else _none(answers))
    compared = None
    if ties.aside.any():
        compared = ~answers.elements_of(ties.aside)
        ratios = np.where(compared, ratios, 0.0)
    at = int(np.argmax(ratios))
    result = replace(
        _measured(answers, got, reference, compared),
        rule=limit.rule,
        rule_reason=limit.rule_reason,
        noise=limit.noise,
        limit=float(accepted[at]),
        ratio=float(ratios[at]),
        worst=answers.worst(at),
        noise_sets=_noise_sets(answers, terms) if limit.noise is not None else None,
        set_aside=int(np.count_nonzero(ties.aside)),
    )
    if limit.noise and result.max_abs is not None:
        result = replace(result, noise_ratio=result.max_abs / limit.noise)
    if not float(ratios[at]) <= 1:
        result = replace(result, problem=_problem(result, float(error[at]), ties.too_many))
    by_set = _by_data_set(accepted, answers)
    judged = _judged(answers, result, by_set, terms.constant.get(answers.name))
    return Finding(answers, judged, by_set, ties)


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
    vacuous = unresponsive(answers, accepted) or guards.forgiving(
        pool(answers.wanted), pool(accepted)
    )
    if vacuous is None and result.noise:
        vacuous = guards.noisy(answers, result.noise)
    return replace(result, vacuous=vacuous)


def _measured(
    answers: Answers, got: Float64Array, reference: Float64Array, compared: Mask | None
) -> OutputParity:
    """How far the compared elements are from the reference."""
    if compared is not None:
        got, reference = got[compared], reference[compared]
    in_ulps = metrics.ulps(got, reference, answers.actual[0].dtype)
    return replace(
        answers.result(),
        max_abs=float(np.max(np.abs(got - reference))),
        max_rel=metrics.max_rel(got, reference),
        rmse=metrics.rmse(got, reference),
        cosine=metrics.cosine(got, reference),
        snr_db=metrics.snr_db(got, reference),
        ulp_p50=float(np.quantile(in_ulps, 0.5)),
        ulp_p99=float(np.quantile(in_ulps, 0.99)),
        ulp_max=float(np.max(in_ulps)),
        argmax_agreement=_mean(
            metrics.argmax_agreement(as_float64(a), as_float64(w))
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
