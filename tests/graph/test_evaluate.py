from __future__ import annotations

import threading
import time

import numpy as np
import onnx  # noqa: TID253 - graphs are made here
import pytest
from graph_cases import branching, chain, model_of, with_function
from onnx import TensorProto, helper  # noqa: TID253 - graphs are made here

from conformance.graph.deadline import OutOfTime, deadline
from conformance.graph.evaluate import Evaluator, NotAffordable, evaluate
from conformance.graph.float64 import in_float64

FLOAT = TensorProto.FLOAT
X = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)


def exactly(model, feeds):
    return evaluate(model, feeds, float64=True, budget_s=10)


def unary(op, rank=1, **attributes):
    node = helper.make_node(op, ["x"], ["y"], **attributes)
    return model_of([node], {"x": (FLOAT, rank)}, {"y": (FLOAT, rank)})


def test_float64_is_what_the_graph_means_without_rounding():
    """A chain of float32 operators is computed to float64's own precision."""
    model = chain()
    w, b = (onnx.numpy_helper.to_array(t).astype(np.float64) for t in model.graph.initializer)
    x = X.astype(np.float64)
    wanted = np.tanh(np.maximum(x @ w + b, 0)) * x
    answer = exactly(model, {"x": X})["y"]
    assert answer.dtype == np.float64
    assert np.max(np.abs(answer - wanted)) < 1e-15
    # the same graph in float32 is visibly further away
    rounded = evaluate(model, {"x": X}, float64=False, budget_s=10)["y"]
    assert rounded.dtype == np.float32
    assert np.max(np.abs(rounded - wanted)) > 1e-9


def test_constants_in_subgraphs_and_functions_widen_exactly():
    """A float32 constant keeps its float32 value: 0.1 stays float32(0.1) in float64."""
    line = np.array([1.0, 2.0], np.float32)
    shifted = exactly(with_function(), {"x": line})["y"]
    assert shifted.dtype == np.float64
    np.testing.assert_array_equal(shifted, line.astype(np.float64) + np.float64(np.float32(0.1)))
    branched = exactly(branching(), {"x": line})
    np.testing.assert_array_equal(branched["y"], 3.0 * line)
    assert branched["y"].dtype == np.float64


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("Cast", ["x"], ["y"], to=FLOAT)],
        [
            helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
            helper.make_node("Cast", ["h"], ["y"], to=FLOAT),
        ],
        [
            helper.make_node("Shape", ["x"], ["s"]),
            helper.make_node("ConstantOfShape", ["s"], ["z"]),
            helper.make_node("Add", ["z", "x"], ["y"]),
        ],
        [
            helper.make_node("Constant", [], ["z"], value_floats=[0.0, 0.0]),
            helper.make_node("CastLike", ["x", "z"], ["y"]),
        ],
    ],
    ids=["cast", "cast through float16", "constant of shape", "cast like"],
)
def test_no_cast_rounds_in_float64(nodes):
    """What the graph casts to a narrow float stays float64, with all of its digits."""
    model = model_of(nodes, {"x": (FLOAT, 1)}, {"y": (FLOAT, 1)})
    x = np.array([1 / 3, 2 / 3])  # not representable in float32
    np.testing.assert_array_equal(exactly(model, {"x": x})["y"], x)


def test_rewritten_model_is_valid_and_the_original_unchanged():
    """Rewriting gives a model that the checker accepts, and leaves its argument alone."""
    for model in (chain(), branching(), with_function()):
        before = model.SerializeToString()
        onnx.checker.check_model(in_float64(model), full_check=True)
        assert model.SerializeToString() == before


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (helper.make_node("Frobnicate", ["x"], ["y"], domain="com.example"), "no operator of ONNX"),
        (
            helper.make_node(
                "LabelEncoder",
                ["x"],
                ["y"],
                domain="ai.onnx.ml",
                keys_floats=[1.0],
                values_floats=[2.0],
            ),
            "float32 by its definition",
        ),
        (helper.make_node("DynamicQuantizeLinear", ["x"], ["y"]), "no float64 form"),
    ],
)
def test_what_has_no_float64_meaning_is_refused_with_its_reason(node, reason):
    """An operator that would round in secret is named instead."""
    model = model_of([node], {"x": (FLOAT, 1)}, {"y": (FLOAT, 1)})
    model.opset_import.extend(
        [helper.make_opsetid("com.example", 1), helper.make_opsetid("ai.onnx.ml", 3)]
    )
    with pytest.raises(NotAffordable, match=reason):
        exactly(model, {"x": np.array([1.0], np.float32)})


def test_evaluation_ends_with_its_budget():
    """A long evaluation is interrupted in the middle of a node, and says at which it stood."""
    big = np.zeros((8, 3, 224, 224), np.float32)
    model = unary("AveragePool", rank=4, kernel_shape=[7, 7])
    started = time.monotonic()
    with pytest.raises(NotAffordable, match=r"more than 0\.2 s.*node 1 of 1 \(AveragePool\)"):
        evaluate(model, {"x": big}, float64=True, budget_s=0.2)
    assert time.monotonic() - started < 20  # the pooling itself takes minutes


def test_thread_looks_at_the_time_between_nodes():
    """Outside the main thread no timer can interrupt, but the next node is not begun."""
    found = []

    def work():
        try:
            evaluate(chain(), {"x": X}, float64=True, budget_s=0.0)
        except NotAffordable as error:
            found.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert "node 1 of 5" in found[0]


def test_deadline_leaves_an_outer_one_running():
    """A deadline within a deadline does not switch the outer one off."""

    def wait():
        with deadline(30):
            pass
        time.sleep(60)

    with pytest.raises(OutOfTime), deadline(0.2):
        wait()


def test_evaluator_answers_again_and_again():
    """Tensors that were let go in one evaluation are there again in the next."""
    evaluator = Evaluator(chain(), float64=True)
    first, second = (evaluator({"x": X}, 10)["y"] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_elements_are_gathered_by_indices_smaller_than_the_data():
    """GatherElements takes indices of other sizes than the data, as ONNX allows."""
    node = helper.make_node("GatherElements", ["x", "i"], ["y"], axis=-1)
    model = model_of([node], {"x": (FLOAT, 2), "i": (TensorProto.INT64, 2)}, {"y": (FLOAT, 2)})
    answer = exactly(model, {"x": X, "i": np.array([[3, -4]])})["y"]
    np.testing.assert_array_equal(answer, [[X[0, 3], X[0, 0]]])


def test_recurrent_layer_that_the_reference_misreads_is_refused():
    """The reference ignores sequence lengths; its answer would be wrong without a word."""
    node = helper.make_node("GRU", ["x", "w", "r", "", "n"], ["y"], hidden_size=1)
    model = model_of(
        [node],
        {"x": (FLOAT, 3), "n": (TensorProto.INT32, 1)},
        {"y": (FLOAT, 4)},
        {"w": np.ones((1, 3, 1), np.float32), "r": np.ones((1, 3, 1), np.float32)},
    )
    with pytest.raises(NotAffordable, match="reads past its sequence lengths"):
        exactly(model, {"x": np.ones((2, 1, 1), np.float32), "n": np.array([1], np.int32)})


def test_convolution_that_would_fill_the_memory_is_refused():
    """The reference lays out every window of an image; too many of them are refused unseen."""
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="conv")
    model = model_of(
        [node], {"x": (FLOAT, 4)}, {"y": (FLOAT, 4)}, {"w": np.ones((1, 1, 99, 99), np.float32)}
    )
    with pytest.raises(NotAffordable, match=r"Conv 'conv' would lay out 4\.8 GiB"):
        exactly(model, {"x": np.zeros((1, 1, 256, 256), np.float32)})
