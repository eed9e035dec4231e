from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.trend.steps import _best_fit, _criterion, _potts, detect_steps

NOISES = {
    "gaussian": lambda rng, n: rng.normal(size=n),
    "laplace": lambda rng, n: rng.laplace(size=n),
    "uniform": lambda rng, n: rng.uniform(-1, 1, n),
    "skewed": lambda rng, n: rng.lognormal(0, 0.5, n),
    "with outliers": lambda rng, n: (
        rng.normal(size=n) + rng.exponential(10, n) * (rng.random(n) < 0.05)
    ),
    "correlated": lambda rng, n: correlated(rng, n, 0.4),
}


def correlated(rng, n, coefficient):
    noise = rng.normal(size=n)
    for i in range(1, n):
        noise[i] = coefficient * noise[i - 1] + np.sqrt(1 - coefficient**2) * noise[i]
    return noise


def with_steps(rng, levels, points, sigma=1.0):
    return np.repeat(np.asarray(levels, float), points) + rng.normal(0, sigma, points * len(levels))


def starts(values, weights=None):
    return [step.first for step in detect_steps(values, weights)]


def test_levels_places_and_errors_of_clean_steps_are_exact():
    """Without noise nothing about a step is left to chance."""
    up, top, down = detect_steps([1.0] * 5 + [3.0] * 4 + [2.0] * 6)
    assert (up.value, up.first, up.last, up.error) == (1.0, 0, 4, 0.0)
    assert (top.value, top.first, top.last, top.error) == (3.0, 5, 8, 0.0)
    assert (down.value, down.first, down.last, down.error) == (2.0, 9, 14, 0.0)


@pytest.mark.parametrize("sigma", [0.01, 0.1, 0.5])
def test_three_levels_are_found_through_noise(sigma):
    """Each step is found at its place, give or take a point, and each level within the noise."""
    rng = np.random.default_rng(3)
    steps = detect_steps(with_steps(rng, [10, 13, 11], 25, sigma))
    assert [step.value for step in steps] == pytest.approx([10, 13, 11], abs=sigma)
    assert [step.first for step in steps] == pytest.approx([0, 25, 50], abs=1)
    for step in steps:
        assert step.error == pytest.approx(sigma * np.sqrt(2 / np.pi), rel=0.4)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("points", [4, 8, 15, 50])
def test_noise_alone_rarely_looks_like_a_step(noise, points):
    """Of 150 series without a step, 3 at most show one, whatever the noise and the length."""
    rng = np.random.default_rng(points)
    alarms = sum(len(detect_steps(100 + NOISES[noise](rng, points))) > 1 for _ in range(150))
    assert alarms <= 3


@pytest.mark.parametrize(
    ("before", "after", "height", "rate"), [(10, 3, 10, 0.9), (30, 2, 10, 0.9), (30, 10, 5, 0.9)]
)
def test_true_steps_are_found(before, after, height, rate):
    """A step of so many standard deviations is found so soon after it, and at its place."""
    rng = np.random.default_rng(4)
    found = 0
    for _ in range(100):
        series = rng.normal(size=before + after) + height * (np.arange(before + after) >= before)
        steps = starts(series)
        found += len(steps) == 2 and abs(steps[1] - before) <= 1
    assert found >= 100 * rate


def test_steps_near_both_ends_are_found():
    """Two points are enough for a level at the beginning or the end."""
    assert starts([9.0, 9.1] + [1.0, 1.1, 0.9] * 5 + [9.1, 9.0]) == [0, 2, 17]


def test_a_new_level_is_believed_when_a_second_point_confirms_it():
    """The last point alone may be an outlier: the night after it is known."""
    rng = np.random.default_rng(5)
    night = list(100 + rng.normal(size=20))
    assert starts([*night, 130.0]) == [0]
    assert starts([*night, 130.0, 131.0]) == [0, 20]


@pytest.mark.parametrize("where", [0, 1, 7, 29, 38, 39])
def test_one_outlier_makes_no_step_and_hides_none(where):
    """A single point a thousand deviations off changes neither the steps nor their levels."""
    rng = np.random.default_rng(6)
    series = with_steps(rng, [10, 20], 20)
    clean = detect_steps(series)
    series[where] += 1000
    spoilt = detect_steps(series)
    assert len(clean) == len(spoilt) == 2
    assert [s.value for s in spoilt] == pytest.approx([s.value for s in clean], abs=0.3)
    assert all(where not in (step.first, step.last) for step in spoilt)


def test_missing_points_are_left_out_and_indices_stay_those_of_the_series():
    """None, NaN, infinity and points without weight are no evidence, wherever they stand."""
    nan, inf = float("nan"), float("inf")
    values = [nan, 1.0, None, 1.0, 1.0, 99.0, 1.0, inf, 3.0, 3.0, nan, 3.0, 3.0, None]
    weights = [1.0, 1.0, 1.0, None, nan, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    steps = detect_steps(values, weights)
    assert [(s.first, s.last, s.value) for s in steps] == [(1, 6, 1.0), (8, 12, 3.0)]


@pytest.mark.parametrize("values", [[], [None], [float("nan")] * 5])
def test_a_series_without_points_has_no_steps(values):
    """Nothing is known, so nothing is claimed."""
    assert detect_steps(values) == ()


@pytest.mark.parametrize("values", [[5.0], [5.0, 9.0], [5.0, 9.0, 9.0]])
def test_too_few_points_are_one_level(values):
    """Below two points a level there is no telling a step from noise."""
    (step,) = detect_steps(values)
    assert (step.first, step.last) == (0, len(values) - 1)
    assert step.value == np.median(values)


@pytest.mark.parametrize("level", [0.0, 5.0, 1e12])
def test_a_constant_series_is_one_level(level):
    """Equal points have no error to gain by a step."""
    (step,) = detect_steps([level] * 50)
    assert (step.value, step.error) == (level, 0.0)


def test_uncertain_points_weigh_less():
    """A stretch that is high but known to be unreliable is no step; equally trusted, it is."""
    rng = np.random.default_rng(7)
    series = 10 + rng.normal(0, 0.3, 30)
    series[12:16] += 4
    doubted = np.ones(30)
    doubted[12:16] = 0.02
    assert starts(series) == [0, 12, 16]
    assert starts(series, list(doubted)) == [0]


def test_nights_that_resemble_each_other_are_no_steps():
    """Noise that wanders, a correlation of 0.7, is told from a level that changed."""
    rng = np.random.default_rng(10)
    alarms = sum(len(detect_steps(100 + correlated(rng, 60, 0.7))) > 1 for _ in range(100))
    assert alarms <= 3


def test_a_drift_below_the_noise_is_no_step():
    """What moves less over its whole length than single points do is not reported."""
    rng = np.random.default_rng(8)
    alarms = 0
    for _ in range(100):
        alarms += len(detect_steps(np.linspace(0, 1, 30) + rng.normal(size=30))) > 1
    assert alarms <= 5


def test_a_strong_drift_is_steps_of_one_direction():
    """A drift is no step; as there must be steps, all lead the way it goes."""
    rng = np.random.default_rng(9)
    steps = detect_steps(np.linspace(0, 30, 60) + rng.normal(size=60))
    levels = [step.value for step in steps]
    assert len(levels) > 2
    assert levels == sorted(levels)


def test_weights_must_match_the_values():
    """A forgotten weight would shift all that follow it."""
    with pytest.raises(ValueError, match="3 values, 2 weights"):
        detect_steps([1.0, 2.0, 3.0], [1.0, 1.0])


@st.composite
def noisy_steps(draw):
    """Values and weights of a random series, with up to three steps."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels = draw(st.lists(st.floats(-20, 20), min_size=1, max_size=4))
    points = draw(st.integers(1, 12))
    return with_steps(rng, levels, points), rng.uniform(0.5, 2, points * len(levels))


@settings(max_examples=60, deadline=None)
@given(noisy_steps(), st.floats(1e-6, 1e9), st.floats(1e-3, 1e3))
def test_the_unit_of_the_series_does_not_matter(series, factor, trust):
    """Nanoseconds and milliseconds have the same steps, and so have weights of any scale."""
    values, weights = series
    one, other = detect_steps(values, weights), detect_steps(factor * values, trust * weights)
    assert [(s.first, s.last) for s in one] == [(s.first, s.last) for s in other]
    for here, there in zip(one, other, strict=True):
        assert there.value == pytest.approx(factor * here.value, rel=1e-9)
        assert there.error == pytest.approx(factor * here.error, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(noisy_steps(), st.floats(-1e4, 1e4))
def test_the_zero_of_the_series_does_not_matter(series, offset):
    """Steps are differences: what all points have in common adds nothing."""
    values, weights = series
    one, other = detect_steps(values, weights), detect_steps(values + offset, weights)
    assert [(s.first, s.last) for s in one] == [(s.first, s.last) for s in other]
    assert [s.value for s in other] == pytest.approx([s.value + offset for s in one], abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(noisy_steps())
def test_the_direction_of_time_does_not_matter(series):
    """A fall is a rise read backwards."""
    values, weights = series
    last = len(values) - 1
    one, other = detect_steps(values, weights), detect_steps(values[::-1], weights[::-1])
    mirrored = [(last - s.last, last - s.first, s.value) for s in reversed(other)]
    assert [(s.first, s.last) for s in one] == [m[:2] for m in mirrored]
    assert [s.value for s in one] == pytest.approx([m[2] for m in mirrored])


@settings(max_examples=60, deadline=None)
@given(noisy_steps())
def test_levels_are_in_order_apart_and_of_two_points_at_least(series):
    """Steps never overlap, and none rests on a single point of a series that is long enough."""
    values, weights = series
    steps = detect_steps(values, weights)
    for step in steps:
        assert step.last > step.first or len(steps) == 1
        assert values.min() <= step.value <= values.max()
    for old, new in pairwise(steps):
        assert old.last < new.first


def cost(values, ends):
    return sum(
        np.abs(values[a:b] - np.median(values[a:b])).sum()
        for a, b in zip((0, *ends[:-1]), ends, strict=True)
    )


@pytest.mark.parametrize("seed", range(5))
def test_no_penalty_gives_a_better_fit(seed):
    """Of the fits of all penalties the one with the least criterion is taken."""
    rng = np.random.default_rng(seed)
    values = with_steps(rng, rng.permutation(8) * 2.0, 8)
    values /= np.ptp(values)
    weights = np.ones(len(values))
    others = {_potts(values, weights, gamma).ends for gamma in np.geomspace(1e-3, 10, 80)}
    least = min(_criterion(values, weights, ends) for ends in others)
    chosen = _best_fit(values, weights).ends
    assert _criterion(values, weights, chosen) <= least + 1e-9


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4, 9), st.floats(0.05, 5))
def test_the_fit_is_the_best_there_is(seed, points, gamma):
    """No division into levels of two points or more costs less: all of them are tried."""
    values = np.random.default_rng(seed).normal(size=points)
    divisions = (
        (*inner, points)
        for count in range(points // 2)
        for inner in combinations(range(2, points - 1), count)
    )
    proper = (d for d in divisions if min(np.diff((0, *d))) >= 2)
    best = min(gamma * len(d) + cost(values, d) for d in proper)
    found = _potts(values, np.ones(points), gamma)
    assert min(np.diff((0, *found.ends))) >= 2
    assert found.cost == pytest.approx(cost(values, found.ends))
    assert gamma * len(found.ends) + found.cost == pytest.approx(best)
