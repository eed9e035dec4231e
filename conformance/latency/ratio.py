"""Ratios of durations that were timed in alternation, with their intervals.

The logarithm of the ratio of the two blocks of a round is one observation; the ratio told is
the median of the observations, its interval a percentile bootstrap of that median (Efron and
Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from conformance.evidence import Ratio

if TYPE_CHECKING:
    from conformance.latency.protocol import Samples

CONFIDENCE = 0.95
_RESAMPLES = 2000
#: Standard deviation of a normal distribution over its median absolute deviation.
_MAD_TO_SIGMA = 1.4826
#: Standard error of a median over that of a mean, for a normal distribution: sqrt(pi / 2).
_MEDIAN_TO_MEAN = math.sqrt(math.pi / 2)


def log_ratios(numerator: Samples, denominator: Samples) -> np.ndarray:
    """Natural logarithm of the ratio of each round's two blocks: float64 of shape (rounds,)."""
    return np.asarray(np.log(numerator.per_round) - np.log(denominator.per_round))


def standard_error(observations: np.ndarray) -> float:
    """Quick standard error of the median, from the median absolute deviation.

    Args:
        observations: float64 of shape (rounds,).
    """
    spread = float(np.median(np.abs(observations - np.median(observations))))
    return _MEDIAN_TO_MEAN * _MAD_TO_SIGMA * spread / math.sqrt(len(observations))


def ratio_of(observations: np.ndarray, seed: int = 0) -> Ratio:
    """The ratio that observed logarithms tell, with its 95% interval.

    Args:
        observations: float64 of shape (rounds,), from :func:`log_ratios`.
        seed: of the bootstrap.
    """
    middle = float(np.median(observations))
    rng = np.random.default_rng(seed)
    resampled = rng.choice(observations, (_RESAMPLES, len(observations)))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.median(resampled, axis=1), (tail, 1 - tail))
    return Ratio(math.exp(middle), math.exp(low), math.exp(high), len(observations))


def pooled(looks: Sequence[np.ndarray], seed: int = 0) -> Ratio:
    """The ratio that several looks tell, each of a pair of sessions of its own.

    Where tensors and code happen to lie in memory makes one session of a model faster than
    the next one of the same model, and no number of rounds averages that out. So the
    observations are the medians of the looks: the interval spans what differs between them.

    Args:
        looks: for each pair of sessions its observations, float64 of shape (rounds,).
        seed: of the bootstrap.
    """
    if len(looks) == 1:
        return ratio_of(looks[0], seed)
    own = ratio_of(np.array([np.median(look) for look in looks]), seed)
    return Ratio(own.value, own.low, own.high, sum(map(len, looks)))
