"""How far two answers of the explained output are apart, in its unit and in its limit's."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Yardstick:
    """The accepted error of one output."""

    #: Largest accepted error of each element: per data set, shaped like the output.
    accepted: list[NDArray[np.float64]]

    def share(self, actual: np.ndarray, wanted: np.ndarray, data_set: int) -> float:
        """Difference over what is accepted, of the worst element; above 1 is too much.

        Infinite where the shapes differ or an element is not finite on one side only.
        """
        accepted = self.accepted[data_set]
        if actual.shape != wanted.shape or actual.shape != accepted.shape:
            return math.inf
        error = _errors(actual, wanted)
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.max(np.where(error == 0, 0.0, error / accepted), initial=0.0))


def distance(actual: np.ndarray, wanted: np.ndarray) -> float:
    """Largest difference of two arrays, 1 for strings that differ; infinite like a share."""
    if actual.shape != wanted.shape:
        return math.inf
    return float(np.max(_errors(actual, wanted), initial=0.0))


def _errors(actual: np.ndarray, wanted: np.ndarray) -> NDArray[np.float64]:
    if actual.dtype.kind in "OUS" or wanted.dtype.kind in "OUS":
        return np.asarray(actual != wanted).astype(np.float64)
    got, want = actual.astype(np.float64), wanted.astype(np.float64)
    with np.errstate(invalid="ignore"):
        error: NDArray[np.float64] = np.abs(got - want)
    # the same infinity, or NaN on both sides, is no difference between two executions
    alike = (got == want) | (np.isnan(got) & np.isnan(want))
    return np.where(alike, 0.0, np.where(np.isnan(error), math.inf, error))
