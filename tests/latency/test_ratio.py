"""Ratios and their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.latency.protocol import Samples
from conformance.latency.ratio import log_ratios, pooled, ratio_of, standard_error


def drifting(factor: float, noise: float, seed: int, rounds: int = 30) -> np.ndarray:
    """Observations of two calls on a machine whose speed doubles and halves meanwhile."""
    rng = np.random.default_rng(seed)
    speed = 10**6 * np.exp(np.sin(np.linspace(0, 7, rounds)))
    own = [(int(s * factor * rng.lognormal(0, noise)),) for s in speed]
    other = [(int(s * rng.lognormal(0, noise)),) for s in speed]
    return log_ratios(Samples(tuple(own)), Samples(tuple(other)))


def test_drift_of_the_machine_cancels():
    """A tenth more is a tenth more while the machine becomes twice as slow."""
    ratio = ratio_of(drifting(1.1, 0.005, seed=0))
    assert ratio.value == pytest.approx(1.1, rel=0.01)
    assert ratio.low < 1.1 < ratio.high
    assert ratio.high - ratio.low < 0.02
    assert ratio.rounds == 30


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    """Of 200 honest comparisons at 95%, few more than ten may be wrong."""
    found = [ratio_of(drifting(1.0, 0.03, seed)) for seed in range(200)]
    assert sum(not r.low <= 1 <= r.high for r in found) <= 22


def test_without_any_spread_the_interval_is_the_value():
    """Nothing to resample, nothing to divide by."""
    ratio = ratio_of(np.full(9, np.log(2.0)))
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((2.0, 2.0, 2.0))


def test_the_interval_is_scipys_percentile_bootstrap():
    """Within what 2000 resamples leave to chance, for few and for many rounds."""
    stats = pytest.importorskip("scipy.stats")
    for rounds in (9, 60):
        observations = np.random.default_rng(rounds).normal(0.1, 0.02, rounds)
        theirs = stats.bootstrap(
            (observations,), np.median, method="percentile", n_resamples=20_000, rng=1
        ).confidence_interval
        ours = ratio_of(observations)
        width = theirs.high - theirs.low
        assert np.log(ours.low) == pytest.approx(theirs.low, abs=0.1 * width)
        assert np.log(ours.high) == pytest.approx(theirs.high, abs=0.1 * width)


def test_the_quick_error_is_that_of_a_median():
    """It is close to the spread of medians over many samples, which is what it estimates."""
    rng = np.random.default_rng(0)
    draws = rng.normal(0, 1, (400, 40))
    told = np.median([standard_error(draw) for draw in draws])
    assert told == pytest.approx(np.std(np.median(draws, axis=1)), rel=0.15)


def test_sessions_that_differ_widen_the_interval_of_a_pool():
    """Many rounds in one session say nothing of the next session."""
    luck = (0.0, 0.08, -0.02, 0.03, 0.06, -0.04, 0.01)
    looks = [drifting(1.0, 0.002, seed) + own for seed, own in enumerate(luck)]
    assert ratio_of(looks[1]).low > 1.05
    pool = pooled(looks)
    assert pool.low < 1.0 < pool.high
    assert pool.rounds == 7 * 30


def test_a_pool_of_one_look_is_that_look():
    """Nothing had to be confirmed."""
    look = drifting(1.1, 0.01, seed=3)
    assert pooled([look]) == ratio_of(look)
