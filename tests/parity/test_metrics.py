from __future__ import annotations

import numpy as np
import pytest

from conformance.parity import metrics

REFERENCE = np.array([1.0, -2.0, 0.0, 4.0])
ACTUAL = np.array([1.0, -2.2, 0.1, 4.0])


def test_max_rel_ignores_zeros_of_the_reference():
    """Relative error is taken where the reference is not zero."""
    assert metrics.max_rel(ACTUAL, REFERENCE) == pytest.approx(0.1)
    assert metrics.max_rel(np.ones(2), np.zeros(2)) is None


def test_rmse_is_the_root_of_the_mean_square():
    """RMSE of errors 0, 0.2, 0.1, 0 is sqrt(0.05 / 4)."""
    assert metrics.rmse(ACTUAL, REFERENCE) == pytest.approx(np.sqrt(0.05 / 4))


def test_cosine_is_one_for_parallel_and_minus_one_for_opposite():
    """The cosine looks at direction only; a zero vector has none."""
    assert metrics.cosine(2 * REFERENCE, REFERENCE) == pytest.approx(1)
    assert metrics.cosine(-REFERENCE, REFERENCE) == pytest.approx(-1)
    assert metrics.cosine(np.zeros(4), REFERENCE) is None


def test_snr_is_in_decibel():
    """An error of a hundredth of the signal's energy is 20 dB; no error is infinite."""
    assert metrics.snr_db(REFERENCE * 1.1, REFERENCE) == pytest.approx(20)
    assert metrics.snr_db(REFERENCE, REFERENCE) is None


def test_ulps_count_steps_of_the_outputs_own_dtype():
    """One float32 step away is one ulp in float32, and 2^29 in float64."""
    reference = np.array([1.0])
    actual = np.array([float(np.nextafter(np.float32(1), np.float32(2)))])
    assert metrics.ulps(actual, reference, np.dtype("float32"))[0] == 1
    assert metrics.ulps(actual, reference, np.dtype("float64"))[0] == 2**29


def test_argmax_agreement_counts_rows():
    """One of two rows chooses another class; a single column is no choice."""
    reference = np.array([[0.1, 0.9], [0.8, 0.2]])
    actual = np.array([[0.2, 0.8], [0.4, 0.6]])
    assert metrics.argmax_agreement(actual, reference) == 0.5
    assert metrics.argmax_agreement(actual[:, :1], reference[:, :1]) is None
