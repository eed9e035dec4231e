"""Largest errors of large arrays, without arrays of their size on the way.

Arrays are gone through in pieces that stay within the processor's caches: over millions of
elements, a temporary array costs more than the arithmetic on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Elements of a piece: 128 KiB in float64.
_PIECE = 1 << 14


@dataclass(frozen=True, slots=True)
class Largest:
    """The largest error, not finite as soon as an element of either side is not."""

    error: float
    #: Its first position in the concatenation of all arrays, each in C order.
    at: int


def pieces(
    actual: Sequence[np.ndarray], reference: Sequence[np.ndarray]
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Position, elements and reference of one piece after another, flat.

    Args:
        actual: arrays of any shapes.
        reference: as many, of the same shapes.
    """
    start = 0
    for one, other in zip(actual, reference, strict=True):
        flat, wanted = one.reshape(-1), other.reshape(-1)
        for begin in range(0, flat.size, _PIECE):
            yield start + begin, flat[begin : begin + _PIECE], wanted[begin : begin + _PIECE]
        start += flat.size


def largest_error(actual: Sequence[np.ndarray], reference: Sequence[np.ndarray]) -> Largest:
    """Largest ``|actual - reference|``, computed in float64.

    Args:
        actual: arrays of floats, with at least one element among them.
        reference: as many, of the same shapes.
    """
    buffer: NDArray[np.float64] = np.empty(_PIECE)
    largest, at = -1.0, 0
    for start, got, wanted in pieces(actual, reference):
        error = buffer[: got.size]
        # infinity on both sides is NaN, which is what it proves
        with np.errstate(invalid="ignore"):
            np.subtract(got, wanted, out=error, dtype=np.float64)
        np.abs(error, out=error)
        found = float(error.max())
        if not found <= largest:
            largest, at = found, start + int(error.argmax())
            if not np.isfinite(found):
                break
    return Largest(largest, at)


def largest_magnitude(arrays: Sequence[np.ndarray]) -> float:
    """Largest absolute value; 0 where there are no elements."""
    return max(
        (max(abs(float(array.min())), abs(float(array.max()))) for array in arrays if array.size),
        default=0.0,
    )
