"""The yardstick."""

from __future__ import annotations

import numpy as np

from conformance.latency.yardstick import yardstick, yardstick_name


def test_it_does_the_same_work_every_time():
    """The same result from every call and every instance, and one that is not trivial."""
    work = yardstick()
    first = np.array(work())
    assert first.shape == (64, 64)
    assert first.std() > 0.1
    np.testing.assert_array_equal(first, work())
    np.testing.assert_array_equal(first, yardstick()())


def test_its_name_tells_what_its_speed_depends_on():
    """Another NumPy or BLAS is another yardstick."""
    assert f"numpy {np.__version__}, " in yardstick_name()
