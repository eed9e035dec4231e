from __future__ import annotations

import numpy as np
from parity_cases import answers, judged

from conformance.bundle import DataSet
from conformance.entry import Tolerance
from conformance.parity.compare import compare
from conformance.parity.guards import forgiving, noisy
from conformance.parity.reaction import moving, unresponsive
from conformance.parity.terms import Terms

RNG = np.random.default_rng(2)
#: Two sets of six rows that react, and one that does not.
REACTS = [RNG.normal(size=(6, 3)) for _ in range(2)]
STILL = [np.tile([[1.0, 2.0, 3.0]], (6, 1)) for _ in range(2)]


def limits(arrays, limit=1e-6):
    return [np.broadcast_to(limit, a.shape) for a in arrays]


def still(arrays, limit=1e-6, **more):
    return unresponsive(answers(arrays, **more), limits(arrays, limit))


# -- scale -------------------------------------------------------------------------------


def test_a_limit_that_zeros_would_pass_is_forgiving():
    """The scale of the output must stand out of the limit somewhere."""
    reference = np.array([0.5, -0.1])
    assert "zeros would pass" in forgiving([reference], [np.array([0.6, 0.6])])
    assert forgiving([reference], [np.array([0.4, 0.6])]) is None


def test_noise_that_is_no_rounding_is_told():
    """A float64 copy that is another model makes a limit that accepts other models."""
    output = answers(REACTS)
    assert "another model" in noisy(output, 0.01)
    assert noisy(output, 1e-5) is None


def test_a_reference_that_is_another_model_is_vacuous():
    """What passes only because fp32 and fp64 are two models proves nothing, and says so."""
    sets = [DataSet({"x": a}, {"y": a.astype("f4")}, {"y": 1.01 * a}) for a in REACTS]
    wrong = [{"y": (1.02 * a).astype("f4")} for a in REACTS]
    (output,) = compare(sets, wrong, Terms(Tolerance())).outputs
    assert output.problem is None
    assert "its float64 copy is another model" in output.vacuous


def test_a_source_that_overflows_in_its_own_precision_has_no_answer():
    """Infinite in fp32 and finite in fp64: no noise, so nothing may pass by it."""
    large = [a.copy() for a in REACTS]
    large[0][0, 0] = 1e39
    finite = [a.copy() for a in REACTS]
    with np.errstate(over="ignore"):
        report = judged({"y": large}, {"y": finite})
        both = judged({"y": large})
    assert "1 of 36 elements are finite, the source's are NaN" in report.outputs[0].problem
    assert "on both sides" in both.outputs[0].vacuous


# -- reaction ----------------------------------------------------------------------------


def test_labels_that_coincide_in_the_overlap_are_judged_by_their_rows():
    """Data sets may share their first labels by chance; other rows differ."""
    assert (
        unresponsive(answers([np.array([1, 2]), np.array([1]), np.array([1, 2, 0])]), None) is None
    )
    assert unresponsive(answers([np.array([1, 1]), np.array([1])]), None) is not None


def test_labels_are_no_chance_where_no_input_has_such_rows():
    """Rows count only where they answer rows of an input: others differ by position alone."""
    labels = [np.array([1, 2]), np.array([1, 2])]
    inputs = [{"x": np.zeros((5, 3))}] * 2
    assert unresponsive(answers(labels, inputs=inputs), None) == "it is the same for all inputs"


def test_a_short_output_that_knows_only_its_position_does_not_react():
    """Positions repeat from set to set, in few elements too: that is no chance."""
    positions = [np.arange(n) for n in (6, 11, 3)]
    assert unresponsive(answers(positions), None) == "it is the same for all inputs"
    assert still([p.astype("f8") for p in positions]) is not None


def test_strings_and_booleans_react_when_they_differ():
    """Strings have no distance, but they differ or they do not."""
    strings = np.array(["a"], object), np.array(["b"], object)
    for one, other in (strings, (np.array([True]), np.array([False]))):
        assert unresponsive(answers([one, other]), None) is None
        assert unresponsive(answers([one, one]), None) == "it is the same for all inputs"


def test_integers_beyond_double_precision_react():
    """Two large integers that are one double differ all the same."""
    large = [np.array([2**60]), np.array([2**60 + 1])]
    assert unresponsive(answers(large), None) is None


def test_values_that_depend_on_position_only_do_not_count_as_a_reaction():
    """A large output that differs along its rows, but never between inputs, is constant."""
    position = np.arange(20.0).reshape(10, 2)
    assert still([position, position]) is not None
    assert still([position, position[::-1]]) is None


def test_a_reaction_within_the_limit_is_no_reaction():
    """What the tolerance would forgive cannot prove anything."""
    assert "moves by 1e-07" in still([np.ones((3, 4)), np.ones((3, 4)) + 1e-7])


def test_what_is_accepted_of_an_element_counts_for_that_element():
    """A declared limit that is wide at a large element does not hide a small one's reaction."""
    sets = [np.array([[1e6, 1.0]]), np.array([[1e6, 2.0]])]
    narrow = [1e-3 * np.abs(a) for a in sets]
    assert unresponsive(answers(sets), narrow) is None
    assert unresponsive(answers(sets), [np.full((1, 2), 1e3)] * 2) is not None


def test_one_moving_element_is_a_reaction():
    """Of many elements that stand still, one that moves can tell two answers apart."""
    other = [a.copy() for a in STILL]
    other[1][5, 2] += 1
    assert still(other) is None


def test_an_output_that_knows_only_the_shape_of_its_inputs_is_vacuous():
    """Every set gets another answer and every row of it the same one, whatever it asks."""
    sizes = [np.full((n, 2), float(n)) for n in (4, 3)]
    assert "shape of the inputs alone" in still(sizes)
    mixed = [sizes[0], RNG.normal(size=(3, 2))]
    assert still(mixed) is None
    equal_rows = [{"x": np.ones((n, 2))} for n in (4, 3)]
    assert still(sizes, inputs=equal_rows) is None


def test_data_sets_of_all_shapes_can_be_judged():
    """Empty sets among others, one set, one row, scalars and other ranks break nothing."""
    empty = np.zeros((0, 3))
    assert still([empty, *REACTS]) is None
    assert still([REACTS[0], empty]) is None
    assert still([np.zeros((4, 0)), REACTS[0]]) is None
    assert still([REACTS[0]]) is None
    assert still([REACTS[0][:1]]) is not None
    assert still([np.array(1.0), np.array(2.0)]) is None
    assert still([np.array(1.0), np.array(1.0)]) is not None
    assert still([REACTS[0], REACTS[0][..., None]]) is None
    assert still([STILL[0], STILL[0][..., None]]) is not None


def test_a_declared_tolerance_wider_than_the_reaction_is_vacuous():
    """Whatever it answers would pass: the entry's tolerance forgives every reaction."""
    wide = Tolerance(atol=100.0, reason="who knows")
    (output,) = judged({"y": REACTS}, tolerance=wide).outputs
    assert output.problem is None
    assert "within the accepted error 100" in output.vacuous
    infinite = Tolerance(k=float("inf"), reason="who knows")
    (output,) = judged({"y": REACTS}, {"y": STILL}, tolerance=infinite).outputs
    assert output.problem or output.vacuous


# -- constants ---------------------------------------------------------------------------


def test_a_declared_constant_is_exempt_and_shows_its_reason():
    """The guards accept it, beside an output that reacts; a wrong constant still fails."""
    report = judged({"y": REACTS, "c": STILL}, constant={"c": "class prior"})
    assert not report.all_problems
    assert not report.vacuous_outputs
    assert report.outputs[1].constant == "class prior"
    wrong = judged(
        {"y": REACTS, "c": STILL},
        {"y": REACTS, "c": [a + 1 for a in STILL]},
        constant={"c": "prior"},
    )
    assert "its limit" in wrong.outputs[1].problem


def test_a_constant_of_zeros_or_labels_may_be_declared():
    """Zeros would pass for zeros, and one label is all there is: both by design."""
    zeros, labels = [np.zeros((6, 2))] * 2, [np.full(6, 7)] * 2
    report = judged(
        {"y": REACTS, "z": zeros, "n": labels}, constant={"z": "unused", "n": "version"}
    )
    assert not report.all_problems
    assert not report.vacuous_outputs


def test_a_declared_constant_that_moves_is_a_problem():
    """The declaration is strict: what moves by more than its limit must not be exempt."""
    (output,) = judged({"y": REACTS}, constant={"y": "a prior"}).outputs
    assert "declared constant (a prior), but it moves by" in output.problem
    assert "remove it from 'constant_outputs'" in output.problem
    labels = judged({"y": [np.array([1, 2, 3])]}, constant={"y": "version"}).outputs[0]
    assert "declared constant (version), but it moves over all inputs" in labels.problem


def test_a_constant_may_depend_on_the_shape_of_its_inputs():
    """Anchors of an image size are constant by design: sets of equal shape count."""
    anchors = [np.arange(12.0).reshape(1, -1) / n for n in (1, 2, 2)]
    inputs = [{"x": RNG.normal(size=(3, n, n))} for n in (1, 2, 2)]
    output = answers(anchors, inputs=inputs)
    assert moving(output, limits(anchors)) is None
    anchors[2] = anchors[2] + 1
    assert moving(answers(anchors, inputs=inputs), limits(anchors)) is not None


def test_a_constant_of_another_name_is_a_problem():
    """A declaration that matches nothing is an error, not a silence."""
    report = judged({"y": REACTS}, constant={"logit": "typing error"})
    assert "'constant_outputs' names 'logit', which is no output" in report.problems[0]


def test_a_model_whose_outputs_are_all_constant_is_vacuous():
    """If nothing may react, nothing was checked."""
    report = judged({"c": STILL}, constant={"c": "prior"})
    assert report.vacuous_outputs == (
        "output 'c': every output is declared constant: nothing reacts to the inputs",
    )
