"""Compare everything a model answered with everything its source answered.

All outputs, by name, order, dtype and shape, on every data set. NaN equals nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from conformance.bundle import DataSet
from conformance.entry import Tolerance
from conformance.model import OutputParity, ParityReport, Worst
from conformance.parity import guards, metrics
from conformance.parity.tolerance import limit_for
from conformance.tensors import Arrays


def compare(
    data_sets: Sequence[DataSet],
    actual: Sequence[Arrays],
    tolerance: Tolerance,
    fp64_unavailable: str | None,
) -> ParityReport:
    """Compare the answers to each data set with what the source answered.

    Args:
        data_sets: inputs and the source's outputs, in the order in which they were run.
        actual: output name to array for each data set, in the model's own order.
        tolerance: the entry's tolerance.
        fp64_unavailable: why the data sets carry no fp64 reference, if they don't.

    Raises:
        ValueError: when there are no data sets, or not one answer per data set.
    """
    if not data_sets or len(data_sets) != len(actual):
        raise ValueError(f"{len(actual)} answers for {len(data_sets)} data sets")
    expected_names, actual_names = list(data_sets[0].outputs), list(actual[0])
    problems = _name_problems(expected_names, actual_names)
    outputs = tuple(
        _compare_output(
            name,
            [data_set.outputs[name] for data_set in data_sets],
            [d.outputs_fp64[name] if d.outputs_fp64 else None for d in data_sets],
            [answer[name] for answer in actual],
            tolerance,
            fp64_unavailable,
        )
        for name in expected_names
        if name in actual_names
    )
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


def _compare_output(
    name: str,
    source: list[np.ndarray],
    reference: list[np.ndarray | None],
    actual: list[np.ndarray],
    tolerance: Tolerance,
    fp64_unavailable: str | None,
) -> OutputParity:
    dtype = actual[0].dtype
    plain = {"name": name, "dtype": _dtype_name(dtype), "shape": actual[0].shape}
    for number, (want, got) in enumerate(zip(source, actual, strict=True)):
        if _dtype_name(want.dtype) != _dtype_name(got.dtype):
            problem = f"dtype is {_dtype_name(got.dtype)}, the source's is {_dtype_name(want.dtype)}"
        elif want.shape != got.shape:
            problem = f"shape is {got.shape}, the source's is {want.shape} (data set {number})"
        else:
            continue
        return OutputParity(**plain, rule="exact", rule_reason=None, problem=problem)  # type: ignore[arg-type]
    if sum(want.size for want in source) == 0:
        vacuous = "it has no elements on any data set"
        return OutputParity(**plain, rule="exact", rule_reason=None, vacuous=vacuous)  # type: ignore[arg-type]
    if dtype.kind == "f" or _dtype_name(dtype) == "bfloat16":
        fp64 = [r for r in reference if r is not None]
        complete = len(fp64) == len(source)
        return _compare_floats(
            name, source, fp64 if complete else None, actual, tolerance, fp64_unavailable
        )
    return _compare_exactly(name, source, actual)


def _compare_floats(
    name: str,
    source: list[np.ndarray],
    fp64: list[np.ndarray] | None,
    actual: list[np.ndarray],
    tolerance: Tolerance,
    fp64_unavailable: str | None,
) -> OutputParity:
    dtype = actual[0].dtype
    wanted = source if fp64 is None else fp64
    reference, got = _pool(wanted), _pool(actual)
    plain = {"name": name, "dtype": _dtype_name(dtype), "shape": actual[0].shape}
    finite_reference, finite_got = np.isfinite(reference), np.isfinite(got)
    if not (finite_reference & finite_got).all():
        problem, vacuous = guards.non_finite(reference, got)
        at = int(np.argmax(finite_reference != finite_got) if problem else np.argmin(finite_got))
        worst = _locate(at, wanted, actual)
        return OutputParity(
            **plain,  # type: ignore[arg-type]
            rule="declared" if fp64 is None else "fp64-referenced",
            rule_reason=fp64_unavailable,
            worst=worst,
            problem=problem,
            vacuous=vacuous,
        )
    limit = limit_for(
        tolerance, reference, None if fp64 is None else _pool(source), dtype, fp64_unavailable
    )
    error = np.abs(got - reference)
    accepted = np.broadcast_to(limit.accepted, error.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(error == 0, 0.0, error / accepted)
    at = int(np.argmax(ratios))
    worst = _locate(at, wanted, actual)
    ratio, noise = float(ratios[at]), limit.noise
    problem = None
    if ratio > 1:
        problem = (
            f"error {error[at]:.3g} at {list(worst.index)} of data set {worst.data_set} is "
            f"{ratio:.3g}x its limit {accepted[at]:.3g}: "
            f"expected {worst.expected!r}, actual {worst.actual!r}"
        )
    in_ulps = metrics.ulps(got, reference, dtype)
    agreements = [metrics.argmax_agreement(_float64(a), _float64(w)) for a, w in zip(actual, wanted, strict=True)]
    agreed = [a for a in agreements if a is not None]
    return OutputParity(
        **plain,  # type: ignore[arg-type]
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
        argmax_agreement=float(np.mean(agreed)) if agreed else None,
        noise=noise,
        limit=float(accepted[at]),
        ratio=ratio,
        noise_ratio=float(np.max(error)) / noise if noise else None,
        worst=worst,
        problem=problem,
        vacuous=guards.unresponsive([_float64(w) for w in wanted], float(accepted.max())),
    )


def _compare_exactly(
    name: str, source: list[np.ndarray], actual: list[np.ndarray]
) -> OutputParity:
    dtype = actual[0].dtype
    want = np.concatenate([w.astype(object).ravel() for w in source])
    got = np.concatenate([a.astype(object).ravel() for a in actual])
    differs = want != got
    count = int(np.count_nonzero(differs))
    worst = _locate(int(np.argmax(differs)), source, actual)
    problem = None
    if count:
        problem = (
            f"{count} of {len(want)} elements differ, the first at {list(worst.index)} of data "
            f"set {worst.data_set}: expected {worst.expected!r}, actual {worst.actual!r}"
        )
    numeric = dtype.kind in "iub"
    return OutputParity(
        name=name,
        dtype=_dtype_name(dtype),
        shape=actual[0].shape,
        rule="exact",
        rule_reason=None,
        max_abs=float(np.max(np.abs(want.astype(float) - got.astype(float)))) if numeric else None,
        limit=0.0,
        ratio=float("inf") if count else 0.0,
        worst=worst if count else None,
        problem=problem,
        vacuous=guards.unresponsive(source, 0.0),
    )


def _pool(arrays: list[np.ndarray]) -> NDArray[np.float64]:
    return np.concatenate([_float64(array).ravel() for array in arrays])


def _float64(array: np.ndarray) -> NDArray[np.float64]:
    return array.astype(np.float64)


def _dtype_name(dtype: np.dtype) -> str:
    return "string" if dtype.kind in "OUS" else dtype.name


def _locate(at: int, wanted: list[np.ndarray], actual: list[np.ndarray]) -> Worst:
    """The element at position ``at`` of the pooled arrays."""
    data_set = 0
    while at >= wanted[data_set].size:
        at -= wanted[data_set].size
        data_set += 1
    index = np.unravel_index(at, wanted[data_set].shape)
    expected, got = wanted[data_set][index], actual[data_set][index]
    return Worst(
        tuple(int(i) for i in index),
        expected.item() if hasattr(expected, "item") else expected,
        got.item() if hasattr(got, "item") else got,
        data_set,
    )
