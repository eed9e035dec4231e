from __future__ import annotations

import numpy as np
import pytest

from conformance.errors import CheckError
from conformance.onnx_check import check_model

X = {"x": np.ones((4, 3), "f4")}


@pytest.fixture
def model(tmp_path):
    from onnx import TensorProto, helper, save

    def write(*, batch="batch", elem=TensorProto.FLOAT, opset=18, node="Relu"):
        graph = helper.make_graph(
            [helper.make_node(node, ["x"], ["y"])],
            "g",
            [helper.make_tensor_value_info("x", elem, [batch, 3])],
            [helper.make_tensor_value_info("y", elem, [batch, 3])],
        )
        path = tmp_path / "model.onnx"
        save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]), path)
        return path

    return write


def check(path, *, outputs=("y",), inputs=None, opset=18, dynamic=None):
    return check_model(
        path,
        opset=opset,
        inputs=inputs or X,
        outputs=outputs,
        dynamic=dynamic or {"x": {0: "batch"}},
    )


def test_a_model_that_is_what_was_asked_for_passes(model):
    """The count of nodes comes back."""
    assert check(model()) == 1


def test_every_difference_is_named_at_once(model):
    """Opset, output names, dtype and a fixed axis in one message."""
    from onnx import TensorProto

    with pytest.raises(CheckError) as error:
        check(model(batch=4, elem=TensorProto.DOUBLE, opset=17), outputs=("z",))
    text = str(error.value)
    assert "opset 17, asked for was 18" in text
    assert "outputs are ['y'], the source's are ['z']" in text
    assert "input 'x' is float64 in the graph, float32 was given" in text
    assert "axis 0 ('batch') of input 'x' was to be dynamic but is fixed at 4" in text


def test_an_input_the_graph_dropped_is_named(model):
    """An exporter may not drop an input silently."""
    with pytest.raises(CheckError, match=r"graph's inputs are \['x'\]"):
        check(model(), inputs={**X, "mask": X["x"]})


def test_a_use_inside_a_subgraph_is_a_use(tmp_path):
    """An input that only a branch of an If reads does reach the output."""
    from onnx import TensorProto, helper, save

    def branch(name):
        out = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        node = helper.make_node("Identity" if name == "a" else "Neg", ["x"], [name])
        return helper.make_graph([node], name, [], [out])

    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("If", ["c"], ["y"], then_branch=branch("a"), else_branch=branch("b"))],
        "g",
        [value("x", TensorProto.FLOAT, ["batch", 3]), value("c", TensorProto.BOOL, [])],
        [value("y", TensorProto.FLOAT, ["batch", 3])],
    )
    path = tmp_path / "model.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)
    assert check(path, inputs={**X, "c": np.array(True)}) == 1


def test_an_invalid_graph_is_refused_by_the_checker(model, tmp_path):
    """Unknown operators and files that are no model are refused before use."""
    with pytest.raises(CheckError, match=r"onnx\.checker refuses"):
        check(model(node="NoSuchOperator"))
    (tmp_path / "junk.onnx").write_text("<html>")
    with pytest.raises(CheckError, match=r"junk\.onnx is a web page"):
        check(tmp_path / "junk.onnx")
