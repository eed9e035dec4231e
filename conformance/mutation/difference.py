"""How far the answers of two models are apart, held against what a case accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from conformance.bundle import DataSet
from conformance.entry import Tolerance
from conformance.evidence import OutputParity, ParityReport
from conformance.parity.budget import RULE
from conformance.parity.tolerance import limit_for
from conformance.tensors import Arrays, is_float


@dataclass(frozen=True, slots=True)
class Accepted:
    """The accepted error of one output, on whatever inputs it answers."""

    #: Of the output's largest magnitude: noise and its floor grow with the output.
    of_scale: float = 0.0
    absolute: float = 0.0
    #: Of each element's own magnitude.
    of_element: float = 0.0
    #: Whether it is the root mean square over all elements that is accepted, as by a budget.
    of_mean: bool = False

    def errors(self, expected: np.ndarray, scale: float) -> np.ndarray:
        """The accepted error of each element of ``expected``."""
        return np.asarray(
            self.of_scale * scale + self.absolute + self.of_element * np.abs(expected)
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """How far one output of two models is apart, at its worst.

    Infinite where shapes, dtypes, or values without a distance differ.
    """

    output: str
    #: Over the largest magnitude of the expected output.
    relative: float = 0.0
    #: Over the accepted error of the element.
    share: float = 0.0


def accepted_errors(
    report: ParityReport, data_sets: Sequence[DataSet], tolerance: Tolerance
) -> dict[str, Accepted]:
    """What a comparison accepts, by output name.

    Args:
        report: of the comparison of the original.
        data_sets: on which it was made.
        tolerance: by which it was made.
    """
    return {output.name: _accepted(output, data_sets, tolerance) for output in report.outputs}


def _accepted(output: OutputParity, data_sets: Sequence[DataSet], tolerance: Tolerance) -> Accepted:
    arrays = [data_set.outputs[output.name] for data_set in data_sets]
    if any(not is_float(array.dtype) for array in arrays):
        return Accepted()
    if output.rule == "declared":
        at_zero, at_one = limit_for(
            tolerance, np.array([0.0, 1.0]), None, arrays[0].dtype, None
        ).accepted
        return Accepted(absolute=float(at_zero), of_element=float(at_one - at_zero))
    scale = max((float(np.abs(array).max()) for array in arrays if array.size), default=0.0)
    share = output.limit / scale if output.limit and scale else 0.0
    return Accepted(of_scale=share, of_mean=output.rule == RULE)


def largest_difference(
    expected: Arrays, answered: Arrays | None, accepted: Mapping[str, Accepted]
) -> Difference:
    """The difference that counts most; ``answered`` is None where there was no answer."""
    if answered is None:
        return Difference(next(iter(expected)), float("inf"), float("inf"))
    differences = [
        _difference(name, array, answered[name], accepted.get(name, Accepted()))
        for name, array in expected.items()
    ]
    return max(differences, key=lambda difference: (difference.share, difference.relative))


def _difference(
    name: str, expected: np.ndarray, answered: np.ndarray, accepted: Accepted
) -> Difference:
    unlike = expected.shape != answered.shape or expected.dtype != answered.dtype
    if unlike or not is_float(expected.dtype):
        same = not unlike and np.array_equal(expected, answered)
        return Difference(name) if same else Difference(name, float("inf"), float("inf"))
    # NaN on both sides is no difference here: the two models do the same
    same = (expected == answered) | (np.isnan(expected) & np.isnan(answered))
    if same.all():
        return Difference(name)
    want, got = expected[~same].astype(np.float64), answered[~same].astype(np.float64)
    if not (np.isfinite(want) & np.isfinite(got)).all():
        return Difference(name, float("inf"), float("inf"))
    finite = expected[np.isfinite(expected)].astype(np.float64)
    scale = float(np.abs(finite).max())
    error = np.abs(want - got)
    relative = float(error.max() / scale) if scale else float("inf")
    if accepted.of_mean:
        error = np.sqrt(np.sum(np.square(error), keepdims=True) / expected.size)
        want = np.zeros(1)
    with np.errstate(divide="ignore"):
        return Difference(name, relative, float((error / accepted.errors(want, scale)).max()))
