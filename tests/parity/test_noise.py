from __future__ import annotations

import numpy as np

from conformance.evidence import Noise
from conformance.parity.noise import SMALL, further_noise, small_outputs


def test_small_are_float_outputs_with_few_elements_over_all_data_sets():
    """Elements are counted over all data sets; labels and empty outputs need no estimate."""
    wide = SMALL // 2
    sets = [
        {
            "score": np.zeros((n, 1)),
            "wide": np.zeros((wide, 1)),
            "label": np.zeros(n, "i8"),
            "empty": np.zeros((0, n)),
        }
        for n in (5, 1)
    ]
    assert small_outputs(sets) == ("score",)
    assert small_outputs(sets[:1]) == ("score", "wide")
    assert small_outputs([]) == ()


def test_further_noise_is_the_median_of_what_each_set_shows():
    """One set on a discontinuity moves the maximum, and does not move the median."""
    exact = [{"y": np.array([1.0, 2.0])} for _ in range(5)]
    errors = [1e-7, 3e-7, 2e-7, 0.5, 2.5e-7]
    answers = [{"y": a["y"] + np.array([0, e])} for a, e in zip(exact, errors, strict=True)]
    found = further_noise(answers, exact, ["y"])["y"]
    assert found.input_sets == 5
    np.testing.assert_allclose(found.max_abs, 2.5e-7, rtol=1e-6)


def test_sets_that_say_nothing_are_skipped():
    """NaN, another shape and a missing output say nothing; without any set there is no noise."""
    good = {"y": np.array([1.0])}
    answers = [{"y": np.array([1.25])}, {"y": np.array([np.nan])}, {"y": np.ones(2)}, {}]
    assert further_noise(answers, [good] * 4, ["y", "z"]) == {"y": Noise(0.25, 1)}


def test_a_lucky_maximum_no_longer_accuses_an_honest_conversion():
    """Of scalars with honest noise, far fewer are refused once nine further sets are asked."""
    rng = np.random.default_rng(1)
    refused = {False: 0, True: 0}
    for _ in range(2000):
        own, onnx = np.abs(rng.normal(size=(2, 1)))
        exact = [{"y": np.zeros(1)}] * 9
        more = further_noise([{"y": rng.normal(size=1)} for _ in exact], exact, ["y"])["y"]
        refused[False] += int(onnx[0] > 3 * own[0])
        refused[True] += int(onnx[0] > 3 * max(own[0], more.max_abs))
    assert refused[False] > 300
    assert refused[True] < refused[False] / 3
