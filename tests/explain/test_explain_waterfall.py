from __future__ import annotations

import numpy as np
import pytest
from explain_cases import (
    XS,
    bundle_of,
    dense_model,
    dense_source,
    model_of,
)
from onnx import TensorProto, helper  # noqa: TID253 - graphs are made here

from conformance.entry import Tolerance
from conformance.evidence import Guilty, OutputParity
from conformance.explain.executions import Clock, Execution
from conformance.explain.question import Question, question, worst_output
from conformance.explain.waterfall import SOURCE, Answered, decompose, ways
from conformance.explain.yardstick import Yardstick, distance
from conformance.parity.terms import Terms

EXACT = [np.zeros(2), np.zeros(2)]
ASKED = Question("y", EXACT, None, Yardstick([np.ones(2), np.ones(2)]), 1.0)


def nobody(model):
    raise AssertionError("decomposing runs nothing")


def way(name, blames, off, *, data_set=1):
    """A way that is off by so much on one data set."""
    answers = [array.copy() for array in EXACT]
    answers[data_set][0] = off
    return Answered(name, blames, answers, Execution(name, nobody))


def fall(*offsets):
    names = (Guilty.CONVERTER, Guilty.KERNEL, Guilty.OPTIMIZATION, Guilty.PROVIDER)
    found = [way(str(b), b, off) for b, off in zip(names, offsets, strict=False)]
    return decompose([Answered(SOURCE, None, EXACT), *found], ASKED)


@pytest.mark.parametrize(
    ("offsets", "guilty"),
    [
        ((0.1, 0.4, 0.8, 0.9), None),
        ((5.0, 5.1, 5.2, 5.3), Guilty.CONVERTER),
        ((0.1, 5.0, 5.0, 5.0), Guilty.KERNEL),
        ((0.1, 0.2, 5.0, 5.0), Guilty.OPTIMIZATION),
        ((0.1, 0.2, 0.3, 5.0), Guilty.PROVIDER),
        ((2.0, 2.0, 9.0, 9.0), Guilty.OPTIMIZATION),  # the larger of two
        ((0.1, 5.0, 0.1, 0.1), Guilty.KERNEL),  # which the next step happens to undo
    ],
)
def test_guilty_is_who_adds_more_than_is_accepted(offsets, guilty):
    """Not who is off, which all are after the first, but at which step it begins."""
    found = fall(*offsets)
    assert found.guilty is guilty
    if guilty is not None:
        assert found.data_set == 1


def test_guilty_step_names_the_executions_around_it():
    """The trusted side is the step before; a converter's is the source, which cannot be cut."""
    assert [e.name for e in fall(0.1, 0.2, 5.0).between] == ["kernel", "graph optimization"]
    assert fall(5.0, 5.0).between is None


def test_second_offender_is_noted():
    """Another step beyond the limit is told too, with its share."""
    assert fall(2.0, 2.0, 9.0).notes == ("converter also brings in 2x the limit",)


def test_deltas_are_from_step_to_step_and_errors_from_the_exact_answer():
    """Each step has both figures; a step that was not computed has none, nor a delta after it."""
    steps = fall(0.5, 0.75).steps
    assert [step.error for step in steps] == [0.0, 0.5, 0.75]
    assert [step.delta for step in steps] == [None, 0.5, 0.25]
    missing = Answered("ONNX in float64", Guilty.CONVERTER, None, None, "too slow")
    kernel = way("kernel", Guilty.KERNEL, 0.5)
    found = decompose([Answered(SOURCE, None, EXACT), missing, kernel], ASKED)
    assert (found.steps[1].error, found.steps[1].note) == (None, "too slow")
    assert found.steps[2].delta is None


def test_kernel_and_converter_cannot_be_told_apart_without_a_reference():
    """The step after a missing evaluation is guilty of both, and that is said."""
    missing = Answered("ONNX in float64", Guilty.CONVERTER, None, None, "too slow")
    kernel = way("kernel", Guilty.KERNEL, 5.0)
    found = decompose([Answered(SOURCE, None, EXACT), missing, kernel], ASKED)
    assert found.undecided
    assert found.between is None
    assert not fall(0.0, 5.0).undecided


def test_step_that_float64_takes_otherwise_accuses_nobody(tmp_path):
    """Constants rounded to float32 put float64 on the other side of a cast; float32 decides."""
    nodes = [
        helper.make_node("Mul", ["x", "tenth"], ["scaled"]),
        helper.make_node("Cast", ["scaled"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Cast", ["whole"], ["y"], to=TensorProto.FLOAT),
    ]
    # float32(0.7) is below 0.7: ten times it is 7 when float32 rounds, below 7 when nothing does
    model = model_of(nodes, {"tenth": np.array(0.7, np.float32)})

    def source(x):
        return {"y": np.trunc(x * x.dtype.type(0.7)).astype(x.dtype)}

    x = np.full((1, 4), 10, np.float32)
    assert source(x)["y"][0, 0] == 7
    bundle = bundle_of(tmp_path / "bundle", model, source, [x])
    sets = list(bundle.data_sets())
    parity = OutputParity("y", "float32", (1, 4), "fp64-referenced", None)
    asked = question(parity, sets, Terms(Tolerance()))
    found = ways(model, asked, sets, "cpu", Clock(60))
    assert [w.name for w in found if w.answers is None] == ["ONNX in float64"]
    assert "ONNX in float32" in [w.name for w in found]
    assert decompose(found, asked).guilty is None


def test_limit_of_a_question_is_that_of_the_comparison(tmp_path):
    """Where the comparison came to a noise, the limit follows from it as it does there."""
    bundle = bundle_of(tmp_path / "bundle", dense_model(), dense_source, XS)
    sets = list(bundle.data_sets())
    parity = OutputParity("y", "float32", (3, 4), "fp64-referenced", None, noise=1.0, limit=3.5)
    asked = question(parity, sets, Terms(Tolerance()))
    assert asked.limit == 3.5
    assert asked.yardstick.accepted[0][0, 0] == pytest.approx(3.0, abs=1e-5)
    assert asked.not_exact is None


def test_worst_output_prefers_failing_floats_to_labels():
    """Labels follow from scores: where both fail, the scores are explained."""
    made = [
        OutputParity("fine", "float32", (1,), "fp64-referenced", None, ratio=0.9),
        OutputParity("label", "int64", (1,), "exact", None, problem="differs"),
        OutputParity("scores", "float32", (1,), "declared", None, ratio=3.0, problem="off"),
    ]
    from conformance.evidence import ParityReport

    assert worst_output(ParityReport(tuple(made), 1)).name == "scores"
    assert worst_output(ParityReport(tuple(made[:2]), 1)).name == "label"
    assert worst_output(ParityReport((), 1)) is None


def test_distance_counts_what_numbers_cannot():
    """Shapes and NaN are infinitely far, equal infinities not at all, strings by one."""
    nan, one = np.array([np.nan]), np.array([1.0])
    assert distance(one, np.array([[1.0]])) == np.inf
    assert distance(nan, one) == np.inf
    assert distance(nan, nan) == 0
    assert distance(np.array([np.inf]), np.array([np.inf])) == 0
    assert distance(np.array(["a"]), np.array(["b"])) == 1
    assert Yardstick([np.zeros(1)]).share(one, one, 0) == 0
    assert Yardstick([np.zeros(1)]).share(one + 1, one, 0) == np.inf
