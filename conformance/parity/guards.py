"""Guards against comparisons that could not have failed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Where the data sets overlap in fewer elements than this, agreement may be chance.
_FEW_ELEMENTS = 8


def non_finite(
    reference: NDArray[np.float64], actual: NDArray[np.float64]
) -> tuple[str | None, str | None]:
    """What NaN and infinity mean for an output: (problem, reason why it is vacuous).

    A value that is finite on one side only is a difference. NaN or infinity on both sides
    says nothing about the conversion: NaN equals nothing.
    """
    only_actual = np.isfinite(reference) & ~np.isfinite(actual)
    only_reference = ~np.isfinite(reference) & np.isfinite(actual)
    both = int(np.count_nonzero(~np.isfinite(reference) & ~np.isfinite(actual)))
    if only_actual.any():
        count = int(np.count_nonzero(only_actual))
        return (
            f"{count} of {actual.size} elements are NaN or infinite, the source's are finite",
            None,
        )
    if only_reference.any():
        count = int(np.count_nonzero(only_reference))
        return (
            f"{count} of {actual.size} elements are finite, the source's are NaN or infinite",
            None,
        )
    return None, f"{both} of {actual.size} elements are NaN or infinite on both sides"


def forgiving(reference: NDArray[np.float64], accepted: NDArray[np.float64]) -> str | None:
    """Why a limit would let any small answer pass, or None when it would not.

    The judge is the answer of all zeros: when that is accepted everywhere, the output's scale
    is within its own limit.

    Args:
        reference: what is expected, all finite.
        accepted: the largest accepted error of each element.
    """
    if (np.abs(reference) <= accepted).all():
        scale, limit = float(np.max(np.abs(reference))), float(np.max(accepted))
        return (
            f"its largest magnitude {scale:.3g} is within the limit {limit:.3g}: zeros would pass"
        )
    return None


def unresponsive(reference: Sequence[np.ndarray], limit: float) -> str | None:
    """Why an output does not react to its inputs, or None when it does.

    Args:
        reference: the source's answers, one array per data set, of equal rank.
        limit: the largest accepted error; a reaction within it could not be told from noise.
    """
    sets = _spread([array[None] for array in _cropped(reference)])
    size = int(np.prod([min(a.shape[i] for a in reference) for i in range(reference[0].ndim)]))
    if sets is not None and sets > limit:
        return None
    if (sets is None or size < _FEW_ELEMENTS) and reference[0].ndim:
        # too little overlap to judge by: let the rows of every data set count
        rows = _spread([a.reshape(a.shape[0], -1) for a in _cropped(reference, keep_first=True)])
        if rows is not None and rows > limit:
            return None
    if limit:
        spread = 0.0 if sets is None else sets
        return f"it moves by {spread:.3g} over all inputs, within the accepted error {limit:.3g}"
    return "it is the same for all inputs"


def _cropped(arrays: Sequence[np.ndarray], *, keep_first: bool = False) -> list[np.ndarray]:
    """The part that all arrays share, from the origin; ``keep_first`` leaves axis 0 whole."""
    shape = [min(a.shape[i] for a in arrays) for i in range(arrays[0].ndim)]
    crop = tuple(slice(0, n) for n in shape)
    if keep_first:
        crop = (slice(None), *crop[1:])
    return [array[crop] for array in arrays]


def _spread(stacks: Sequence[np.ndarray]) -> float | None:
    """Largest difference of any element along axis 0 of the stacked arrays; None if empty.

    Values without a distance (strings) count as infinitely far apart when they differ.
    """
    stacked = np.concatenate(stacks)
    if stacked.shape[0] <= 1 or stacked.size == 0:
        return None
    if stacked.dtype.kind in "OUS":
        return float("inf") if (stacked != stacked[:1]).any() else 0.0
    numbers = stacked.astype(np.float64)
    return float(np.max(numbers.max(axis=0) - numbers.min(axis=0)))
