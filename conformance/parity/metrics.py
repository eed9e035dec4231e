"""Figures of how far an array is from its reference: pure functions, NumPy only.

``actual`` and ``reference`` are float64 arrays of equal shape whose elements are all
finite; the callers deal with everything else first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]


def max_rel(actual: Float64Array, reference: Float64Array) -> float | None:
    """Largest ``|actual - reference| / |reference|`` where the reference is not zero."""
    nonzero = reference != 0
    if not nonzero.any():
        return None
    error = np.abs(actual[nonzero] - reference[nonzero])
    return float(np.max(error / np.abs(reference[nonzero])))


def rmse(actual: Float64Array, reference: Float64Array) -> float:
    """Root of the mean squared error, in the output's own unit."""
    return float(np.sqrt(np.mean(np.square(actual - reference))))


def cosine(actual: Float64Array, reference: Float64Array) -> float | None:
    """Cosine of the angle between the two arrays, taken as vectors; None for a zero vector."""
    norms = float(np.linalg.norm(actual) * np.linalg.norm(reference))
    return None if norms == 0 else float(np.vdot(actual, reference)) / norms


def snr_db(actual: Float64Array, reference: Float64Array) -> float | None:
    """Signal-to-noise ratio ``10 log10(sum ref^2 / sum err^2)`` in dB; None when infinite."""
    noise = float(np.sum(np.square(actual - reference)))
    signal = float(np.sum(np.square(reference)))
    if noise == 0 or signal == 0:
        return None
    return float(10 * np.log10(signal / noise))


def ulps(actual: Float64Array, reference: Float64Array, dtype: np.dtype) -> Float64Array:
    """Error of each element in units in the last place of ``dtype`` at the reference.

    The unit is ``numpy.spacing`` of the reference rounded to ``dtype``; below the smallest
    normal number it is the spacing of the subnormals.
    """
    unit = np.spacing(np.abs(reference).astype(dtype)).astype(np.float64)
    error: Float64Array = np.abs(actual - reference) / unit
    return error


def argmax_agreement(actual: Float64Array, reference: Float64Array) -> float | None:
    """Share of rows whose largest element along the last axis is the same one.

    None where there is no choice to agree on: scalars and last axes shorter than 2.
    """
    if reference.ndim == 0 or reference.shape[-1] <= 1 or reference.size == 0:
        return None
    return float(np.mean(actual.argmax(axis=-1) == reference.argmax(axis=-1)))
