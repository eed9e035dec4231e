from __future__ import annotations

import numpy as np

from conformance.parity.guards import forgiving, unresponsive


def test_a_limit_that_zeros_would_pass_is_forgiving():
    """The scale of the output must stand out of the limit somewhere."""
    reference = np.array([0.5, -0.1])
    assert "zeros would pass" in forgiving(reference, np.array([0.6, 0.6]))
    assert forgiving(reference, np.array([0.4, 0.6])) is None


def test_labels_that_coincide_in_the_overlap_are_judged_by_their_rows():
    """Three data sets may share their first label by chance; other rows differ."""
    labels = [np.array([1, 2, 3]), np.array([1]), np.array([1, 0])]
    assert unresponsive(labels, 0.0) is None


def test_strings_react_when_they_differ():
    """Strings have no distance, but they differ or they do not."""
    assert unresponsive([np.array(["a"], object), np.array(["b"], object)], 0.0) is None
    same = [np.array(["a"], object), np.array(["a"], object)]
    assert unresponsive(same, 0.0) == "it is the same for all inputs"


def test_values_that_depend_on_position_only_do_not_count_as_a_reaction():
    """A large output that differs along its rows, but never between inputs, is constant."""
    position = np.arange(20.0).reshape(10, 2)
    assert unresponsive([position, position], 1e-6) is not None
    assert unresponsive([position, position + 1], 1e-6) is None


def test_a_reaction_within_the_limit_is_no_reaction():
    """What the tolerance would forgive cannot prove anything."""
    base = np.ones((3, 4))
    assert unresponsive([base, base + 1e-7], 1e-6) is not None
