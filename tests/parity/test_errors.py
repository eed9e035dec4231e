from __future__ import annotations

import numpy as np
import pytest

from conformance.parity.errors import largest_error, largest_magnitude

#: More elements than are gone through at once, in arrays of several shapes.
SHAPES = ((3, 20_000), (7,), (0, 4), ())


def arrays(seed):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in SHAPES]


def pooled(found):
    return np.concatenate([np.ravel(array) for array in found])


def test_the_largest_error_is_found_wherever_it_is():
    """Value and position are those of all arrays in one; the first of several equal ones."""
    reference = arrays(0)
    actual = [a.astype(np.float32) for a in reference]
    error = np.abs(pooled(actual).astype(np.float64) - pooled(reference))
    found = largest_error(actual, reference)
    assert (found.error, found.at) == (error.max(), int(error.argmax()))
    assert largest_error([np.zeros(40_000)], [np.ones(40_000)]).at == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("both", [False, True], ids=["one side", "both sides"])
@pytest.mark.parametrize("at", [0, 16_384, 39_999])
def test_no_error_is_finite_once_an_element_is_not(value, both, at):
    """NaN and infinity cannot hide behind larger errors, other pieces, or each other."""
    reference, actual = np.zeros(40_000), np.full(40_000, 1e30, np.float32)
    actual[at] = value
    if both:
        reference[at] = value
    assert not np.isfinite(largest_error([actual], [reference]).error)


def test_an_error_is_that_of_float64():
    """Float32 values are widened first: a reference that only float64 can tell counts."""
    found = largest_error([np.ones(3, np.float32)], [np.array([1.0, 1.0 + 2.0**-40, 1.0])])
    assert (found.error, found.at) == (2.0**-40, 1)


def test_the_largest_magnitude_counts_negative_values():
    """-3 is larger than 2; arrays without elements count nothing."""
    assert largest_magnitude([np.array([2.0]), np.array([-3.0]), np.array([])]) == 3
    assert largest_magnitude([np.array([])]) == 0
