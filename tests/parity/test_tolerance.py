from __future__ import annotations

import numpy as np
import pytest

from conformance.entry import Tolerance
from conformance.evidence import Noise
from conformance.parity.tolerance import limit_for, rounding_noise

FLOAT32 = np.dtype("float32")
REFERENCE = np.array([1.0, -8.0])


def test_limit_is_k_times_the_sources_noise_plus_a_floor():
    """With fp64 at hand, limit = k * noise + floor_ulps * eps * max|fp64|."""
    limit = limit_for(Tolerance(), REFERENCE, 2e-6, FLOAT32, None)
    assert limit.rule == "fp64-referenced"
    assert limit.noise == 2e-6
    assert float(limit.accepted) == pytest.approx(3 * 2e-6 + 8 * 2**-23 * 8)


def test_a_luckily_small_noise_is_raised_to_what_is_typical():
    """The noise is the larger one of the data sets' own and that of further sets, never less."""
    fp32 = REFERENCE + np.array([1e-6, -2e-6])
    assert rounding_noise(fp32, REFERENCE) == pytest.approx(2e-6)
    assert rounding_noise(fp32, REFERENCE, Noise(5e-6, 9)) == 5e-6
    assert rounding_noise(fp32, REFERENCE, Noise(1e-7, 9)) == pytest.approx(2e-6)


def test_without_fp64_the_limit_is_declared_and_says_why():
    """No fp64 reference: atol + rtol * |reference| per element, with the reason."""
    limit = limit_for(
        Tolerance(), REFERENCE, None, FLOAT32, "a tf.function is fp32 by its signature"
    )
    assert limit.rule == "declared"
    assert limit.rule_reason == "a tf.function is fp32 by its signature"
    assert limit.accepted == pytest.approx([1e-5 + 1e-3, 1e-5 + 8e-3])


def test_a_declared_tolerance_replaces_the_rule_even_with_fp64():
    """An entry's rtol counts alone: what it does not declare is zero."""
    declared = Tolerance(rtol=0.5, reason="a lookup table of two entries")
    limit = limit_for(declared, REFERENCE, 0.0, FLOAT32, None)
    assert limit.rule == "declared"
    assert limit.rule_reason == "a lookup table of two entries"
    assert limit.accepted == pytest.approx([0.5, 4.0])
