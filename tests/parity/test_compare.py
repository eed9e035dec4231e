from __future__ import annotations

import numpy as np
import pytest

from conformance.bundle import DataSet
from conformance.entry import Tolerance
from conformance.evidence import Noise
from conformance.parity.compare import compare, judge
from conformance.parity.terms import Terms

RNG = np.random.default_rng(0)
SOURCE = [RNG.normal(size=(n, 5)) for n in (4, 3)]


def data_sets(arrays=SOURCE, name="y", fp64=True):
    return [
        DataSet({}, {name: a.astype("f4")}, {name: a.astype("f8")} if fp64 else None)
        for a in arrays
    ]


def compared(actual, expected=None, tolerance=None):
    report = compare(expected or data_sets(), actual, Terms(tolerance or Tolerance()))
    return report, report.outputs[0] if report.outputs else None


def test_the_sources_own_answers_pass_with_room_to_spare():
    """The source's fp32 answers are within the limit, and every figure is there."""
    report, output = compared([{"y": a.astype("f4")} for a in SOURCE])
    assert not report.all_problems
    assert not report.vacuous_outputs
    assert output.ratio < 1
    assert output.noise_ratio == pytest.approx(1)
    assert output.argmax_agreement == 1
    assert output.snr_db > 100


def test_a_wrong_element_is_named_with_index_values_and_limit():
    """The problem names the worst element, its data set, both values and the limit."""
    actual = [{"y": a.astype("f4")} for a in SOURCE]
    actual[1]["y"][2, 3] += 1e-3
    report, output = compared(actual)
    assert output.worst.index == (2, 3)
    assert output.worst.data_set == 1
    assert output.worst.actual - output.worst.expected == pytest.approx(1e-3, rel=1e-3)
    assert "at [2, 3] of data set 1" in report.all_problems[0]
    assert f"its limit {output.limit:.3g}" in report.all_problems[0]


def test_missing_extra_and_reordered_outputs_are_problems():
    """Outputs are compared by name and order, whatever the values say."""
    y = SOURCE[0].astype("f4")
    expected = [DataSet({}, {"y": y, "z": y}, None)]
    missing, _ = compared([{"y": y}], expected)
    assert missing.problems == ("output 'z' is missing from the ONNX model",)
    extra, _ = compared([{"y": y, "z": y, "w": y}], expected)
    assert "has an output 'w'" in extra.problems[0]
    swapped, _ = compared([{"z": y, "y": y}], expected)
    assert "order" in swapped.problems[0]


def test_a_source_without_outputs_is_a_problem():
    """Nothing equals nothing, which proves nothing."""
    report, _ = compared([{}], [DataSet({}, {}, None)])
    assert report.all_problems == ("the source has no outputs",)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (lambda a: a.astype("f8"), "dtype is float64"),
        (lambda a: a[:1].astype("f4"), "shape is (1, 5)"),
        (lambda a: a[..., None].astype("f4"), "shape is (4, 5, 1)"),
    ],
)
def test_dtype_and_shape_must_be_equal(wrong, problem):
    """A broadcastable shape or a wider dtype is not the same output."""
    _, output = compared([{"y": wrong(a)} for a in SOURCE])
    assert problem in output.problem


def test_nan_on_one_side_fails_and_on_both_sides_is_vacuous():
    """NaN equals nothing: one-sided it is a difference, two-sided it proves nothing."""
    actual = [{"y": a.astype("f4")} for a in SOURCE]
    actual[0]["y"][1, 1] = np.nan
    _, one_sided = compared(actual)
    assert "1 of 35 elements are NaN or infinite" in one_sided.problem
    assert one_sided.worst.index == (1, 1)
    broken = [a.copy() for a in SOURCE]
    broken[0][1, 1] = np.nan
    _, both = compared(actual, data_sets(broken))
    assert both.problem is None
    assert "both sides" in both.vacuous


def test_an_output_without_elements_is_vacuous():
    """An empty output equal to an empty output proves nothing."""
    empty = [np.zeros((0, 5))]
    _, output = compared([{"y": a.astype("f4")} for a in empty], data_sets(empty))
    assert output.vacuous == "it has no elements on any data set"


def test_an_output_that_ignores_its_inputs_is_vacuous():
    """An output that is the same on every data set would pass whatever the model computes."""
    constant = [np.tile(SOURCE[0][:1], (n, 1)) for n in (4, 3)]
    _, output = compared([{"y": a.astype("f4")} for a in constant], data_sets(constant))
    assert output.problem is None
    assert "within the accepted error" in output.vacuous


def test_integers_and_strings_must_be_equal():
    """Labels are compared exactly; the first difference is named."""
    labels = [np.array(["a", "b", "c"], dtype=object)]
    expected = [DataSet({}, {"y": labels[0]}, None)]
    _, same = compared([{"y": labels[0]}], expected)
    assert same.problem is None
    assert same.rule == "exact"
    _, flipped = compared([{"y": np.array(["a", "c", "c"], dtype=object)}], expected)
    assert "1 of 3 elements differ" in flipped.problem
    assert "expected 'b', actual 'c'" in flipped.problem


def test_every_data_set_needs_an_answer():
    """Answers are never paired by truncation."""
    with pytest.raises(ValueError, match="1 answers for 2 data sets"):
        compare(data_sets(), [{"y": SOURCE[0]}], Terms(Tolerance()))


def test_every_answer_must_have_every_output():
    """An output that is missing from a later answer, or extra there, is told like any other."""
    first, second = ({"y": a.astype("f4")} for a in SOURCE)
    missing, _ = compared([first, {}])
    assert missing.problems == ("output 'y' is missing from the ONNX model",)
    extra, _ = compared([first, {**second, "w": second["y"]}])
    assert "has an output 'w'" in extra.problems[0]


def test_further_noise_widens_the_limit_and_is_counted():
    """The estimate over further sets raises a luckily small noise; the report says how many."""
    actual = [{"y": a.astype("f4")} for a in SOURCE]
    actual[1]["y"][2, 3] += 1e-5
    terms = Terms(Tolerance())
    assert compare(data_sets(), actual, terms).outputs[0].noise_sets == 2
    assert compare(data_sets(), actual, terms).outputs[0].problem is not None
    wider = Terms(Tolerance(), noise={"y": Noise(5e-6, 9)})
    (output,) = compare(data_sets(), actual, wider).outputs
    assert output.problem is None
    assert (output.noise, output.noise_sets) == (5e-6, 11)


def test_without_fp64_there_is_no_noise_to_count():
    """A declared limit rests on no noise, whatever was estimated."""
    actual = [{"y": a.astype("f4")} for a in SOURCE]
    terms = Terms(Tolerance(), "no float64", noise={"y": Noise(5e-6, 9)})
    (output,) = compare(data_sets(fp64=False), actual, terms).outputs
    assert (output.rule, output.noise, output.noise_sets) == ("declared", None, None)


def _without_finite(arrays, at, value):
    return [np.where(np.arange(a.size).reshape(a.shape) == at, value, a) for a in arrays]


@pytest.mark.parametrize("fp64", [True, False], ids=["fp64", "declared"])
@pytest.mark.parametrize(
    "actual",
    [
        [{"y": a.astype("f4")} for a in SOURCE],
        [{"y": (a * (1 + 1e-2)).astype("f4")} for a in SOURCE],
        [{"y": a.astype("f4")} for a in _without_finite(SOURCE, 7, np.nan)],
        [{"y": a.astype("f8")} for a in SOURCE],
        [{"y": a[:, :4].astype("f4")} for a in SOURCE],
        [{"z": a.astype("f4")} for a in SOURCE],
    ],
    ids=["right", "wrong", "NaN", "dtype", "shape", "name"],
)
def test_judging_finds_what_comparing_finds(actual, fp64):
    """Problems, limits, ratios and worst elements are the same; only figures are missing."""
    terms = Terms(Tolerance())
    judged, whole = (f(data_sets(fp64=fp64), actual, terms) for f in (judge, compare))
    assert judged.all_problems == whole.all_problems
    for one, other in zip(judged.outputs, whole.outputs, strict=True):
        for name in ("rule", "max_abs", "noise", "noise_sets", "limit", "ratio"):
            assert getattr(one, name) == getattr(other, name)
        # by their text: NaN equals nothing
        assert str(one.worst) == str(other.worst)
        assert one.rmse is None
