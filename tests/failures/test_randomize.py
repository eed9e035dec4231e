"""Random weights: what they keep of the real ones, and what is left alone."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx  # noqa: TID253 - light enough for a test
import onnxruntime  # noqa: TID253 - as above
import pytest
from onnx import TensorProto, helper, numpy_helper  # noqa: TID253 - as above

from conformance.failures.randomize import draw, randomize_weights

FLOAT = helper.make_tensor_value_info("x", TensorProto.FLOAT, None)
RESULT = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)


def save(path, nodes, weights, **more):
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "g", [FLOAT], [RESULT], tensors)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), str(path), **more)


def weights_of(path):
    return {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ml_dtypes.bfloat16])
def test_shape_dtype_mean_and_spread_are_kept(tmp_path, dtype):
    """Values are others, and look the same from afar; the same seed gives the same ones."""
    rng = np.random.default_rng(3)
    weight = rng.normal(2, 0.5, size=(40, 50)).astype(dtype)
    save(tmp_path / "a.onnx", [helper.make_node("Identity", ["x"], ["y"])], {"w": weight})
    for name, seed in (("b", 1), ("c", 1), ("d", 2)):
        randomize_weights(tmp_path / "a.onnx", tmp_path / f"{name}.onnx", seed)
    made, again, other = (weights_of(tmp_path / f"{name}.onnx")["w"] for name in "bcd")
    assert (made.dtype, made.shape) == (weight.dtype, weight.shape)
    assert np.array_equal(made, again)
    assert not np.array_equal(made, other)
    wide, given = made.astype("f8"), weight.astype("f8")
    assert abs(np.corrcoef(wide.ravel(), given.ravel())[0, 1]) < 0.1
    assert wide.mean() == pytest.approx(given.mean(), abs=0.02)
    assert wide.std() == pytest.approx(given.std(), rel=0.05)
    assert given.min() <= wide.min() <= wide.max() <= given.max()


def test_weights_drawn_from_the_same_seed_are_not_drawn_again(tmp_path):
    """Weights that NumPy drew with seed 0 do not come back when seed 0 is asked for."""
    weight = np.random.default_rng(0).normal(size=5000).astype("f4")
    save(tmp_path / "a.onnx", [helper.make_node("Add", ["x", "w"], ["y"])], {"w": weight})
    randomize_weights(tmp_path / "a.onnx", tmp_path / "b.onnx", 0)
    made = weights_of(tmp_path / "b.onnx")["w"]
    assert abs(np.corrcoef(made, weight)[0, 1]) < 0.1


def test_what_is_no_weight_stays(tmp_path):
    """Shapes, indices, quantized values, scalars and sizes are as they were, and are counted."""
    rng = np.random.default_rng(3)
    weights = {
        "w": rng.normal(size=(4, 4)).astype("f4"),
        "shape": np.array([2, 2]),
        "quantized": rng.integers(-9, 9, size=16).astype("i1"),
        "epsilon": np.array(1e-5, "f4"),
        "ones": np.ones(8, "f4"),
        "scales": np.array([1, 1, 2, 2], "f4"),
    }
    nodes = [
        helper.make_node("Resize", ["x", "", "scales"], ["r"]),
        helper.make_node("Identity", ["r"], ["y"]),
    ]
    save(tmp_path / "a.onnx", nodes, weights)
    found = randomize_weights(tmp_path / "a.onnx", tmp_path / "b.onnx", 0)
    assert (found.replaced, found.kept, found.not_floats) == (1, 3, ("shape", "quantized"))
    made = weights_of(tmp_path / "b.onnx")
    for name, array in weights.items():
        assert np.array_equal(made[name], array) == (name != "w")


def test_constants_and_subgraphs_hold_weights_too(tmp_path):
    """Constant nodes, branches and the attributes of trees are replaced like initializers."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=8).astype("f4")

    def branch(name):
        constant = helper.make_node(
            "Constant", [], [name], value=numpy_helper.from_array(values, name)
        )
        result = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        return helper.make_graph([constant], name, [], [result])

    nodes = [
        helper.make_node("Constant", [], ["t"], value=numpy_helper.from_array(np.array(True))),
        helper.make_node("If", ["t"], ["c"], then_branch=branch("p"), else_branch=branch("q")),
        helper.make_node(
            "Scaler", ["x"], ["s"], domain="ai.onnx.ml", offset=values.tolist(), scale=[1.0] * 8
        ),
        helper.make_node("Add", ["c", "s"], ["y"]),
    ]
    save(tmp_path / "a.onnx", nodes, {})
    found = randomize_weights(tmp_path / "a.onnx", tmp_path / "b.onnx", 0)
    assert (found.replaced, found.kept, found.not_floats) == (3, 1, ("t",))
    x = np.zeros((1, 8), "f4")
    before, after = (
        onnxruntime.InferenceSession(tmp_path / f"{name}.onnx").run(None, {"x": x})[0]
        for name in "ab"
    )
    assert np.abs(before - after).max() > 0.1


def test_weights_beside_the_file_come_into_it(tmp_path):
    """A model with external data is read whole; the copy needs no file of the original."""
    weight = np.random.default_rng(3).normal(size=(64, 64)).astype("f4")
    save(
        tmp_path / "a.onnx",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        {"w": weight},
        save_as_external_data=True,
        location="a.data",
        size_threshold=0,
    )
    assert (tmp_path / "a.data").is_file()
    randomize_weights(tmp_path / "a.onnx", tmp_path / "b.onnx", 0)
    (tmp_path / "a.data").unlink()
    made = weights_of(tmp_path / "b.onnx")["w"]
    assert made.std() == pytest.approx(weight.std(), rel=0.05)


def test_infinities_are_switches():
    """Minus infinity in a mask stays in its place; a tensor of nothing else is left alone."""
    rng = np.random.default_rng(0)
    mask = np.array([0.5, -np.inf, 0.7, 0.1], "f4")
    drawn = draw(mask, rng)
    assert drawn is not None
    assert list(np.isfinite(drawn)) == [True, False, True, True]
    assert draw(np.array([-np.inf, 1.0], "f4"), rng) is None
