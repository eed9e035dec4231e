"""Figures of how far an array is from its reference, for people to read: none of them decides.

All come from one way through the arrays, in pieces that stay within the processor's caches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conformance.parity.errors import pieces
from conformance.tensors import float_info

Float64Array = NDArray[np.float64]

_UNSIGNED = {16: np.uint16, 32: np.uint32, 64: np.uint64}


@dataclass(frozen=True, slots=True)
class Figures:
    """How far arrays are from their reference, over all elements."""

    #: Largest ``|actual - reference| / |reference|`` where the reference is not zero; None
    #: where it always is.
    max_rel: float | None
    #: Root of the mean squared error, in the output's own unit.
    rmse: float
    #: Cosine of the angle between the two, taken as vectors; None for a zero vector.
    cosine: float | None
    #: ``10 log10(sum ref^2 / sum err^2)`` in dB; None when infinite.
    snr_db: float | None
    #: Quantiles 0.5 and 0.99 of the error in units in the last place, and its maximum.
    ulp_p50: float
    ulp_p99: float
    ulp_max: float


def figures(
    actual: Sequence[np.ndarray], reference: Sequence[np.ndarray], dtype: np.dtype
) -> Figures:
    """All figures of some arrays against their references.

    Args:
        actual: arrays of finite floats, with at least one element among them.
        reference: as many, of the same shapes, finite.
        dtype: whose units in the last place are meant.
    """
    in_ulps = np.empty(sum(array.size for array in actual))
    noise = signal = power = product = 0.0
    max_rel = -1.0
    for start, some, reference_piece in pieces(actual, reference):
        got = some.astype(np.float64, copy=False)
        wanted = reference_piece.astype(np.float64, copy=False)
        error = got - wanted
        noise += float(np.dot(error, error))
        signal += float(np.dot(wanted, wanted))
        power += float(np.dot(got, got))
        product += float(np.dot(got, wanted))
        np.abs(error, out=error)
        # next to a reference of zero, any error is too many ulps, and no relative one
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            in_ulps[start : start + error.size] = error / ulp_of(reference_piece, dtype)
            relative = np.divide(error, np.abs(wanted), out=error)
        if not wanted.all():
            relative = relative[wanted != 0]
        max_rel = max(max_rel, float(relative.max(initial=-1.0)))
    norms = math.sqrt(signal) * math.sqrt(power)
    ulp_max = float(in_ulps.max())
    ulp_p50, ulp_p99 = np.quantile(in_ulps, (0.5, 0.99), overwrite_input=True)
    return Figures(
        max_rel=None if max_rel < 0 else max_rel,
        rmse=math.sqrt(noise / in_ulps.size),
        cosine=None if norms == 0 else product / norms,
        snr_db=None if noise == 0 or signal == 0 else 10 * math.log10(signal / noise),
        ulp_p50=float(ulp_p50),
        ulp_p99=float(ulp_p99),
        ulp_max=ulp_max,
    )


def ulp_of(reference: np.ndarray, dtype: np.dtype) -> Float64Array:
    """The unit in the last place of ``dtype`` at each element, rounded to it.

    It is ``numpy.spacing`` of the magnitude, read from the exponent's bits instead of computed
    (IEEE 754: ``2^exponent * eps``); below the smallest normal number it is the spacing of the
    subnormals.
    """
    known = float_info(dtype)
    unsigned = _UNSIGNED[known.bits]
    exponent = unsigned(((1 << known.iexp) - 1) << known.nmant)
    rounded = np.ascontiguousarray(reference, dtype=dtype).view(unsigned)
    power = (rounded & exponent).view(dtype).astype(np.float64)
    unit: Float64Array = np.maximum(power * float(known.eps), float(known.smallest_subnormal))
    return unit


def argmax_agreement(actual: np.ndarray, reference: np.ndarray) -> float | None:
    """Share of rows whose largest element along the last axis is the same one.

    None where there is no choice to agree on: scalars and last axes shorter than 2.
    """
    if reference.ndim == 0 or reference.shape[-1] <= 1 or reference.size == 0:
        return None
    return float(np.mean(actual.argmax(axis=-1) == reference.argmax(axis=-1)))
