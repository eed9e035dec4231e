from __future__ import annotations

import numpy as np
import pytest

from conformance.parity.metrics import argmax_agreement, figures, ulp_of

REFERENCE = np.array([1.0, -2.0, 0.0, 4.0])
ACTUAL = np.array([1.0, -2.2, 0.1, 4.0])
FLOAT32, FLOAT64 = np.dtype("float32"), np.dtype("float64")


def figures_of(actual, reference, dtype=FLOAT64):
    return figures([actual], [reference], dtype)


def test_max_rel_ignores_zeros_of_the_reference():
    """Relative error is taken where the reference is not zero."""
    assert figures_of(ACTUAL, REFERENCE).max_rel == pytest.approx(0.1)
    assert figures_of(np.ones(2), np.zeros(2)).max_rel is None


def test_rmse_is_the_root_of_the_mean_square():
    """RMSE of errors 0, 0.2, 0.1, 0 is sqrt(0.05 / 4)."""
    assert figures_of(ACTUAL, REFERENCE).rmse == pytest.approx(np.sqrt(0.05 / 4))


def test_cosine_is_one_for_parallel_and_minus_one_for_opposite():
    """The cosine looks at direction only; a zero vector has none."""
    assert figures_of(2 * REFERENCE, REFERENCE).cosine == pytest.approx(1)
    assert figures_of(-REFERENCE, REFERENCE).cosine == pytest.approx(-1)
    assert figures_of(np.zeros(4), REFERENCE).cosine is None


def test_snr_is_in_decibel():
    """An error of a hundredth of the signal's energy is 20 dB; no error is infinite."""
    assert figures_of(REFERENCE * 1.1, REFERENCE).snr_db == pytest.approx(20)
    assert figures_of(REFERENCE, REFERENCE).snr_db is None


def test_ulps_count_steps_of_the_outputs_own_dtype():
    """One float32 step away is one ulp in float32, and 2^29 in float64."""
    reference = np.array([1.0])
    actual = np.array([float(np.nextafter(np.float32(1), np.float32(2)))])
    assert figures_of(actual, reference, FLOAT32).ulp_max == 1
    assert figures_of(actual, reference, FLOAT64).ulp_max == 2**29


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_unit_in_the_last_place_is_numpys_spacing(dtype):
    """At powers of two, between them, at zero, and among subnormal numbers."""
    known = np.finfo(dtype)
    values = np.array(
        [0, 1, -1, 1.5, known.max / 4, known.tiny, known.tiny / 2, known.smallest_subnormal], dtype
    )
    assert np.array_equal(ulp_of(values, np.dtype(dtype)), np.spacing(np.abs(values)))


def test_figures_are_those_of_all_elements_of_all_arrays():
    """More elements than are gone through at once, in two arrays, give what one formula gives."""
    rng = np.random.default_rng(0)
    reference = rng.standard_normal(50_001)
    actual = (reference + 1e-6 * rng.standard_normal(50_001)).astype(np.float32)
    found = figures(
        [actual[:20_000], actual[20_000:]], [reference[:20_000], reference[20_000:]], FLOAT32
    )
    error = np.abs(actual - reference)
    in_ulps = error / np.spacing(np.abs(reference).astype(np.float32))
    assert found.max_rel == np.max(error / np.abs(reference))
    assert found.rmse == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-12)
    quantiles = (found.ulp_p50, found.ulp_p99, found.ulp_max)
    assert quantiles == pytest.approx(np.quantile(in_ulps, (0.5, 0.99, 1.0)), rel=1e-12)


def test_argmax_agreement_counts_rows():
    """One of two rows chooses another class; a single column is no choice."""
    reference = np.array([[0.1, 0.9], [0.8, 0.2]])
    actual = np.array([[0.2, 0.8], [0.4, 0.6]])
    assert argmax_agreement(actual, reference) == 0.5
    assert argmax_agreement(actual[:, :1], reference[:, :1]) is None
