"""Where a noisy series changes its level: a piecewise constant fit with a penalty per step.

The series is taken for constant levels plus noise of unknown size, and fitted by

    minimize over the levels x:  gamma * (number of steps) + sum_i w_i |y_i - x_i|

(the L1 Potts functional: F. Friedrich et al., "Complexity penalized M-estimation: fast
computation", J. Comput. Graph. Stat. 17, 2008). Absolute errors, because a level is then a
weighted median, which few bad points cannot move. It is what airspeed velocity (asv) fits, see
https://asv.readthedocs.io ("Step detection"); how this differs from it is told in
docs/decisions/0010.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Points that make a level: one point alone may always be an outlier.
MIN_POINTS = 2
#: A step must lower the logarithm of the summed errors by PENALTY * ln(n) / (n - SHORT): the
#: Schwarz criterion of Y.-C. Yao, Stat. Probab. Lett. 6, 1988, made stricter for short series,
#: which chance fits more easily. Both numbers are those that keep false alarms to about one
#: series in a hundred at every length (docs/trend.md has the measured rates).
PENALTY = 3.0
SHORT = 3
#: The largest correlation of successive points that may explain away a step. Unlimited, a random
#: walk would explain every step: it is one large move and nothing else.
MAX_CORRELATION = 0.5
#: A point is an outlier when it leaves the range of its neighbours by this many standard
#: deviations of the noise.
OUTLIER_DEVIATIONS = 5.0
#: Errors below this share of the series' range are not told from rounding.
_RESOLUTION = 1e-3
#: Standard deviation of Gaussian noise over the median absolute difference of two of its points.
_SIGMA_OF_DIFFERENCE = 1 / (0.6744897501960817 * math.sqrt(2))

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of the series at one level."""

    #: Weighted median of its points, in the unit of the series.
    value: float
    #: Index of its first and of its last point in the series; missing points and outliers
    #: between two levels belong to none.
    first: int
    last: int
    #: Weighted mean absolute distance of its points from the level, in the unit of the series.
    error: float


@dataclass(frozen=True, slots=True)
class _Fit:
    """Segments by their exclusive right ends, and the sum of their weighted errors."""

    ends: tuple[int, ...]
    cost: float


def detect_steps(
    values: Sequence[float | None], weights: Sequence[float | None] | None = None
) -> tuple[Step, ...]:
    """Divide a series into stretches of constant level, in order; one step means no change.

    The answer scales and shifts with the values, does not depend on the scale of the weights
    and, but for ties, not on the direction of time.

    Args:
        values: the series; ``None`` and what is not finite are missing.
        weights: how far each point is to be trusted, such as the inverse width of its
            confidence interval. ``None`` and what is not finite count as the median weight; a
            point whose weight is not positive is missing.

    Returns:
        the steps; none for a series without points. A level has at least :data:`MIN_POINTS`
        points, so a series of fewer than twice as many has one.

    Raises:
        ValueError: when there is not one weight per value.
    """
    where, y, w = _present(values, weights)
    kept = ~_outliers(y)
    where, y, w = where[kept], y[kept], w[kept]
    if not len(y):
        return ()
    # only differences matter from here on, and small numbers keep their digits
    center, scale = np.median(y), np.ptp(y) or 1.0
    best = _best_fit((y - center) / scale, w / np.median(w))
    steps = []
    for start, end in _segments(best.ends):
        level = _weighted_median(y[start:end], w[start:end])
        error = np.average(np.abs(y[start:end] - level), weights=w[start:end])
        steps.append(Step(level, int(where[start]), int(where[end - 1]), float(error)))
    return tuple(steps)


def _present(
    values: Sequence[float | None], weights: Sequence[float | None] | None
) -> tuple[NDArray[np.intp], _Floats, _Floats]:
    """Indices, values and weights of the points that are there."""
    y = np.array(values, dtype=np.float64)  # None becomes NaN
    w = np.ones_like(y) if weights is None else np.array(weights, dtype=np.float64)
    if y.shape != w.shape:
        raise ValueError(f"{len(y)} values, {len(w)} weights: there must be one weight per value")
    known = np.isfinite(w)
    there = np.isfinite(y) & ~(known & (w <= 0))
    usual = np.median(w[there & known]) if (there & known).any() else 1.0
    return np.flatnonzero(there), y[there], np.where(known, w, usual)[there]


def _outliers(y: _Floats) -> NDArray[np.bool_]:
    """Which points stand alone: outside the range of the two points on either side.

    The last point of a series may be an outlier or the first of a new level; until another
    point agrees with it, it is taken for the former.
    """
    if len(y) <= 2 * MIN_POINTS:
        return np.zeros(len(y), dtype=np.bool_)
    sigma = _SIGMA_OF_DIFFERENCE * float(np.median(np.abs(np.diff(y))))
    around = np.lib.stride_tricks.sliding_window_view(np.pad(y, 2, constant_values=np.nan), 5)
    neighbours = around[:, [0, 1, 3, 4]]
    margin = OUTLIER_DEVIATIONS * sigma
    low, high = np.nanmin(neighbours, axis=1), np.nanmax(neighbours, axis=1)
    found: NDArray[np.bool_] = (y < low - margin) | (y > high + margin)
    return found


def _best_fit(y: _Floats, w: _Floats) -> _Fit:
    """The fit with the least criterion among those of all penalties gamma."""
    return min(_fits(y, w), key=lambda fit: _criterion(y, w, fit.ends))


def _criterion(y: _Floats, w: _Floats, ends: tuple[int, ...]) -> float:
    """What a fit costs: its segments, and the logarithm of the error that it leaves."""
    error = _RESOLUTION * len(y) + _correlated_error(y, w, ends)
    return _penalty(len(y)) * len(ends) + math.log(error)


def _penalty(n: int) -> float:
    """By how much a step must lower the logarithm of the error."""
    return PENALTY * math.log(n) / max(n - SHORT, 1)


def _fits(y: _Floats, w: _Floats) -> Iterator[_Fit]:
    """The fits that solve the problem for some gamma, from one segment to many.

    All of them are found by asking at the gamma at which two known ones cost the same, until
    none is new between them (K. Haynes, I. Eckley, P. Fearnhead, "Computationally efficient
    changepoint detection for a range of penalties", J. Comput. Graph. Stat. 26, 2017).
    """
    flat = _Fit((len(y),), _absolute_error(y, w))
    yield flat
    if len(y) < 2 * MIN_POINTS or flat.cost == 0:
        return
    finest = _finest(y, w)
    open_ = [(flat, finest)]
    yield finest
    while open_:
        coarse, fine = open_.pop()
        if len(fine.ends) <= len(coarse.ends) + 1:
            continue
        between = _potts(y, w, (coarse.cost - fine.cost) / (len(fine.ends) - len(coarse.ends)))
        if len(coarse.ends) < len(between.ends) < len(fine.ends):
            yield between
            open_ += [(coarse, between), (between, fine)]


def _finest(y: _Floats, w: _Floats) -> _Fit:
    """A fit with at least as many segments as the best one.

    By the criterion, but for the correlation, the best fit also solves the problem for a gamma
    of at least the penalty times its own cost, and a fit for a smaller gamma costs no more. So
    gamma may rise to the penalty times the cost of a fit that is too fine, again and again.
    """
    penalty = _penalty(len(y))
    gamma = 0.0
    while True:
        fit = _potts(y, w, gamma)
        if penalty * fit.cost <= gamma * (1 + 1e-9):
            return fit
        gamma = penalty * fit.cost


def _potts(y: _Floats, w: _Floats, gamma: float) -> _Fit:
    """Solve the problem for one gamma, exactly, in time proportional to n * distinct values.

    A weighted median is one of the values, so the levels are sought among them: dynamic
    programming over time with the level as state (M. Storath, A. Weinmann, M. Unser,
    "Jump-penalized least absolute values estimation of scalar or circle-valued signals",
    Information and Inference 6, 2017), here with at least two points per level.
    """
    n = len(y)
    levels = np.unique(y)
    # young: least cost of y[:t + 1] with a level that began at t; old: one that began before
    young = w[0] * np.abs(y[0] - levels)
    old = np.full(len(levels), np.inf)
    just_begun = np.empty((n, len(levels)), dtype=np.bool_)
    best_level = np.empty(n, dtype=np.intp)
    for t in range(1, n):
        error = w[t] * np.abs(y[t] - levels)
        before = old[best_level[t - 1]] if t > 1 else np.inf
        np.less(young, old, out=just_begun[t])
        old = np.minimum(young, old)
        old += error
        young = error + (before + gamma)
        best_level[t] = old.argmin()
    ends: list[int] = []
    end = n
    while end > 0:
        ends.append(end)
        level = best_level[end - 1]
        start = end - 2
        while not just_begun[start + 1, level]:
            start -= 1
        end = start
    ends.reverse()
    cost = sum(_absolute_error(y[a:b], w[a:b]) for a, b in _segments(tuple(ends)))
    return _Fit(tuple(ends), cost)


def _correlated_error(y: _Floats, w: _Floats, ends: tuple[int, ...]) -> float:
    """The sum of weighted errors that remains when each point may follow the one before.

    With e the deviations from the levels: the least ``w_1 |e_1| + sum_i w_i |e_i - r e_(i-1)|``
    for r from 0 to :data:`MAX_CORRELATION`, the mean of both directions of time. The least is
    at a weighted median of the ratios ``e_i / e_(i-1)``, or where r ends.
    """
    e = np.concatenate([y[a:b] - _weighted_median(y[a:b], w[a:b]) for a, b in _segments(ends)])
    return (_follows(e, w) + _follows(e[::-1], w[::-1])) / 2


def _follows(e: _Floats, w: _Floats) -> float:
    now, before = e[1:], e[:-1]
    moved = before != 0
    r = 0.0
    if moved.any():
        ratios = now[moved] / before[moved]
        r = _weighted_median(ratios, w[1:][moved] * np.abs(before[moved]))
        r = min(max(r, 0.0), MAX_CORRELATION)
    return float(w[0] * abs(e[0]) + np.sum(w[1:] * np.abs(now - r * before)))


def _absolute_error(y: _Floats, w: _Floats) -> float:
    return float(np.sum(w * np.abs(y - _weighted_median(y, w))))


def _weighted_median(y: _Floats, w: _Floats) -> float:
    """The value with half of the weight on either side; the mean of two where both are."""
    order = np.argsort(y, kind="stable")
    upto = np.cumsum(w[order])
    half = upto[-1] / 2
    low, high = np.searchsorted(upto, half), np.searchsorted(upto, half, side="right")
    return float(y[order[low]] + y[order[min(high, len(y) - 1)]]) / 2


def _segments(ends: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    return zip((0, *ends[:-1]), ends, strict=True)
