"""Which error of an output is accepted, and by which rule.

Where the source ran in float64, the source's own rounding noise sets the scale::

    noise = max |source fp32 - source fp64|          pooled over the data sets,
                                                     and no less than is typical of further sets
    floor = floor_ulps * eps(dtype) * max |source fp64|
    limit = k * noise + floor                        one number per output

An honest fp32 implementation makes errors of the same order as the source's own fp32
implementation, in whichever order it sums; ``k`` covers the spread between two such
implementations, and the floor covers outputs whose few elements happened to round well.
Elsewhere the limit is declared: ``atol + rtol * |reference|`` per element, with an ``rtol`` of
at least the dtype's unit in the last place where the entry gives none. Outputs that are not
floats must be equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conformance.entry import Tolerance
from conformance.evidence import Noise
from conformance.tensors import float_info, is_bfloat16

#: Used where an entry declares none and the source cannot run in float64.
DEFAULT_RTOL = 1e-3
DEFAULT_ATOL = 1e-5
#: What ONNX's own test runner accepts: for models of which no entry and no source is known.
ONNX_RTOL = 1e-3
ONNX_ATOL = 1e-7


@dataclass(frozen=True, slots=True)
class Limit:
    """The accepted error of one output, in the output's own unit."""

    rule: str
    rule_reason: str | None
    #: Largest accepted absolute error: a scalar, or an array like the pooled reference.
    accepted: NDArray[np.float64]
    noise: float | None


def rounding_noise(
    source_fp32: NDArray[np.float64],
    source_fp64: NDArray[np.float64],
    further: Noise | None = None,
) -> float:
    """How far the source is from its own exact answer, in the output's unit.

    Args:
        source_fp32: the source's answers, pooled, all finite.
        source_fp64: the same in float64.
        further: what is typical of further input sets, where they were drawn.
    """
    return no_less_than(float(np.max(np.abs(source_fp32 - source_fp64))), further)


def no_less_than(own: float, further: Noise | None) -> float:
    """An output's own rounding noise, but no less than is typical of further input sets."""
    return own if further is None else max(own, further.max_abs)


def limit_for(
    tolerance: Tolerance,
    reference: NDArray[np.float64],
    noise: float | None,
    dtype: np.dtype,
    fp64_unavailable: str | None,
) -> Limit:
    """The limit of one float output.

    Args:
        tolerance: the entry's tolerance.
        reference: the output's elements over all data sets, flat: float64 where the source
            could, else the source's own fp32 answers.
        noise: the source's rounding noise when ``reference`` is fp64, else None.
        dtype: the output's dtype in the ONNX model.
        fp64_unavailable: why there is no fp64 reference.
    """
    if tolerance.declared or noise is None:
        # two right answers that are rounded to few bits may be neighbours
        default_rtol = max(DEFAULT_RTOL, float(float_info(dtype).eps))
        rtol = default_rtol if tolerance.rtol is None else tolerance.rtol
        atol = DEFAULT_ATOL if tolerance.atol is None else tolerance.atol
        if tolerance.declared:
            rtol, atol = tolerance.rtol or 0.0, tolerance.atol or 0.0
        reason = tolerance.reason if tolerance.declared else fp64_unavailable
        return Limit("declared", reason, atol + rtol * np.abs(reference), None)
    return limit_by_noise(tolerance, float(np.max(np.abs(reference))), noise, dtype)


def limit_by_noise(tolerance: Tolerance, scale: float, noise: float, dtype: np.dtype) -> Limit:
    """The limit of one float output with a float64 reference, one for all its elements.

    Args:
        tolerance: the entry's tolerance; declares none of its own.
        scale: largest magnitude of the reference.
        noise: the source's rounding noise.
        dtype: the output's dtype in the ONNX model.
    """
    floor = tolerance.floor_ulps * _floor_unit(dtype) * scale
    return Limit("fp64-referenced", None, np.array(tolerance.k * noise + floor), noise)


def _floor_unit(dtype: np.dtype) -> float:
    """What ``floor_ulps`` counts, of an output's largest magnitude.

    That is the dtype's unit in the last place at 1; of bfloat16 an eighth of it. Eight of its
    own, 6 % of everything, would pass a model that is wrong; one is more than any honest one
    needed (``docs/tolerance.md``).
    """
    eps = float(float_info(dtype).eps)
    return eps / 8 if is_bfloat16(dtype) else eps
