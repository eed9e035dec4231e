"""The source's rounding noise of outputs with few elements, estimated over further input sets.

The maximum of few rounding errors is now and then far below what it usually is; a limit that
rests on such a lucky maximum accuses honest conversions. ``docs/tolerance.md`` has the figures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from conformance.evidence import Noise
from conformance.tensors import Arrays

#: Outputs with fewer elements than this over all data sets get a further estimate. From some
#: 16 independent roundings on, the maximum is steady; elements of one row are not independent
#: (a score vector of 10 classes rounds with its row), so an output is small up to 16 x 16.
SMALL = 256


def small_outputs(fp64: Sequence[Arrays]) -> tuple[str, ...]:
    """Float outputs with so few elements that their largest rounding error may be luckily small.

    Args:
        fp64: the source's float64 answers to each data set, by output name.

    Returns:
        Names in the order of the first data set; outputs without elements are not among them.
    """
    sizes = {
        name: sum(answers[name].size for answers in fp64 if name in answers)
        for name, array in (fp64[0] if fp64 else {}).items()
        if array.dtype.kind == "f"
    }
    return tuple(name for name, size in sizes.items() if 0 < size < SMALL)


def further_noise(
    fp32: Sequence[Arrays], fp64: Sequence[Arrays], names: Sequence[str]
) -> dict[str, Noise]:
    """Typical largest rounding error of one input set: the median of the sets' maxima.

    The median, because one set may sit on a discontinuity (a tree's split, an argmax within
    the model), where the difference is no rounding.

    Args:
        fp32: the source's own answers to each further input set.
        fp64: its float64 answers to the same sets.
        names: the outputs to estimate.

    Returns:
        Output name to noise. A set that lacks the output, is not finite, has no elements or
        another shape in float64 is skipped; an output without any other set is not in it.
    """
    found = {}
    for name in names:
        maxima = [
            largest
            for answer, exact in zip(fp32, fp64, strict=True)
            if (largest := _largest_error(answer.get(name), exact.get(name))) is not None
        ]
        if maxima:
            found[name] = Noise(float(np.median(maxima)), len(maxima))
    return found


def _largest_error(answer: np.ndarray | None, exact: np.ndarray | None) -> float | None:
    if answer is None or exact is None or answer.shape != exact.shape or not answer.size:
        return None
    if not (np.isfinite(answer).all() and np.isfinite(exact).all()):
        return None
    return float(np.max(np.abs(answer.astype(np.float64) - exact)))
