"""Compare everything a model answered with everything its source answered.

All outputs, by name, order, dtype and shape, on every data set. NaN equals nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.bundle import DataSet
from conformance.entry import Tolerance
from conformance.evidence import OutputParity, ParityReport, Worst
from conformance.parity import guards, metrics
from conformance.parity.terms import Terms
from conformance.parity.tolerance import limit_for
from conformance.tensors import Arrays


@dataclass(frozen=True, slots=True)
class _Answers:
    """One output on every data set: what the source answered and what the model did."""

    name: str
    source: list[np.ndarray]
    #: The source's answers in float64, for all data sets or not at all.
    fp64: list[np.ndarray] | None
    why_no_fp64: str | None
    actual: list[np.ndarray]

    @property
    def wanted(self) -> list[np.ndarray]:
        """The best reference there is."""
        return self.source if self.fp64 is None else self.fp64

    def result(self, rule: str = "exact") -> OutputParity:
        """A result without figures, to be completed with what is found."""
        first = self.actual[0]
        reason = self.why_no_fp64 if rule == "declared" else None
        return OutputParity(self.name, _dtype_name(first.dtype), first.shape, rule, reason)


def compare(
    data_sets: Sequence[DataSet],
    actual: Sequence[Arrays],
    terms: Terms,
) -> ParityReport:
    """Compare the answers to each data set with what the source answered.

    Args:
        data_sets: inputs and the source's outputs, in the order in which they were run.
        actual: output name to array for each data set, in the model's own order.
        terms: by which they are judged.

    Raises:
        ValueError: when there are no data sets, or not one answer per data set.
    """
    if not data_sets or len(data_sets) != len(actual):
        raise ValueError(f"{len(actual)} answers for {len(data_sets)} data sets")
    expected_names, actual_names = list(data_sets[0].outputs), list(actual[0])
    fp64_sets = [d.outputs_fp64 for d in data_sets if d.outputs_fp64 is not None]
    complete = len(fp64_sets) == len(data_sets)
    outputs = tuple(
        _compare_output(
            _Answers(
                name,
                source=[data_set.outputs[name] for data_set in data_sets],
                fp64=[outputs[name] for outputs in fp64_sets] if complete else None,
                why_no_fp64=terms.fp64_unavailable,
                actual=[answer[name] for answer in actual],
            ),
            terms.tolerance,
        )
        for name in expected_names
        if name in actual_names
    )
    problems = _name_problems(expected_names, actual_names)
    return ParityReport(outputs, len(data_sets), problems)


def _name_problems(expected: list[str], actual: list[str]) -> tuple[str, ...]:
    missing = [name for name in expected if name not in actual]
    extra = [name for name in actual if name not in expected]
    problems = [f"output '{name}' is missing from the ONNX model" for name in missing]
    problems += [f"the ONNX model has an output '{name}' that the source has not" for name in extra]
    if not expected:
        problems.append("the source has no outputs")
    if not problems and expected != actual:
        problems.append(f"outputs are in order {actual}, the source's in order {expected}")
    return tuple(problems)


def _compare_output(answers: _Answers, tolerance: Tolerance) -> OutputParity:
    for number, (want, got) in enumerate(zip(answers.source, answers.actual, strict=True)):
        wanted, found = _dtype_name(want.dtype), _dtype_name(got.dtype)
        if wanted != found:
            return replace(answers.result(), problem=f"dtype is {found}, the source's is {wanted}")
        if want.shape != got.shape:
            problem = f"shape is {got.shape}, the source's is {want.shape} (data set {number})"
            return replace(answers.result(), problem=problem)
    if sum(want.size for want in answers.source) == 0:
        return replace(answers.result(), vacuous="it has no elements on any data set")
    if answers.actual[0].dtype.kind == "f":
        return _compare_floats(answers, tolerance)
    return _compare_exactly(answers)


def _compare_floats(answers: _Answers, tolerance: Tolerance) -> OutputParity:
    dtype = answers.actual[0].dtype
    reference, got = _pool(answers.wanted), _pool(answers.actual)
    finite_reference, finite_got = np.isfinite(reference), np.isfinite(got)
    if not (finite_reference & finite_got).all():
        problem, vacuous = guards.non_finite(reference, got)
        at = int(np.argmax(finite_reference != finite_got) if problem else np.argmin(finite_got))
        result = answers.result("declared" if answers.fp64 is None else "fp64-referenced")
        return replace(result, worst=_locate(at, answers), problem=problem, vacuous=vacuous)
    limit = limit_for(
        tolerance,
        reference,
        None if answers.fp64 is None else _pool(answers.source),
        dtype,
        answers.why_no_fp64,
    )
    error = np.abs(got - reference)
    accepted = np.broadcast_to(limit.accepted, error.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(error == 0, 0.0, error / accepted)
    at = int(np.argmax(ratios))
    worst, ratio = _locate(at, answers), float(ratios[at])
    problem = None
    if ratio > 1:
        problem = (
            f"error {error[at]:.3g} at {list(worst.index)} of data set {worst.data_set} is "
            f"{ratio:.3g}x its limit {accepted[at]:.3g}: "
            f"expected {worst.expected!r}, actual {worst.actual!r}"
        )
    in_ulps = metrics.ulps(got, reference, dtype)
    wanted = [_float64(array) for array in answers.wanted]
    return replace(
        answers.result(),
        rule=limit.rule,
        rule_reason=limit.rule_reason,
        max_abs=float(np.max(error)),
        max_rel=metrics.max_rel(got, reference),
        rmse=metrics.rmse(got, reference),
        cosine=metrics.cosine(got, reference),
        snr_db=metrics.snr_db(got, reference),
        ulp_p50=float(np.quantile(in_ulps, 0.5)),
        ulp_p99=float(np.quantile(in_ulps, 0.99)),
        ulp_max=float(np.max(in_ulps)),
        argmax_agreement=_mean(
            metrics.argmax_agreement(_float64(a), w)
            for a, w in zip(answers.actual, wanted, strict=True)
        ),
        noise=limit.noise,
        limit=float(accepted[at]),
        ratio=ratio,
        noise_ratio=float(np.max(error)) / limit.noise if limit.noise else None,
        worst=worst,
        problem=problem,
        vacuous=guards.unresponsive(wanted, float(accepted.max()))
        or guards.forgiving(reference, accepted),
    )


def _compare_exactly(answers: _Answers) -> OutputParity:
    want = np.concatenate([w.astype(object).ravel() for w in answers.source])
    got = np.concatenate([a.astype(object).ravel() for a in answers.actual])
    differs = want != got
    count = int(np.count_nonzero(differs))
    numeric = answers.actual[0].dtype.kind in "iub"
    result = replace(
        answers.result(),
        max_abs=float(np.max(np.abs(want.astype(float) - got.astype(float)))) if numeric else None,
        limit=0.0,
        ratio=float("inf") if count else 0.0,
        vacuous=guards.unresponsive(answers.source, 0.0),
    )
    if not count:
        return result
    # the first difference: among values without a distance none is the worst
    worst = _locate(int(np.argmax(differs)), answers)
    problem = (
        f"{count} of {len(want)} elements differ, the first at {list(worst.index)} of data "
        f"set {worst.data_set}: expected {worst.expected!r}, actual {worst.actual!r}"
    )
    return replace(result, worst=worst, problem=problem)


def _mean(values: Iterable[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return sum(found) / len(found) if found else None


def _pool(arrays: list[np.ndarray]) -> NDArray[np.float64]:
    return np.concatenate([_float64(array).ravel() for array in arrays])


def _float64(array: np.ndarray) -> NDArray[np.float64]:
    return array.astype(np.float64)


def _dtype_name(dtype: np.dtype) -> str:
    return "string" if dtype.kind in "OUS" else dtype.name


def _locate(at: int, answers: _Answers) -> Worst:
    """The element at position ``at`` of the pooled arrays."""
    wanted = answers.source if answers.actual[0].dtype.kind != "f" else answers.wanted
    data_set = 0
    while at >= wanted[data_set].size:
        at -= wanted[data_set].size
        data_set += 1
    index = tuple(int(i) for i in np.unravel_index(at, wanted[data_set].shape))
    return Worst(
        index,
        _plain(wanted[data_set][index]),
        _plain(answers.actual[data_set][index]),
        data_set,
    )


def _plain(value: Any) -> float | int | str | bool:
    found: float | int | str | bool = value.item() if isinstance(value, np.generic) else value
    return found
