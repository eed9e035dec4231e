from __future__ import annotations

import numpy as np
import pytest

from conformance import runtime
from conformance.errors import ProviderAbsent, SessionError


@pytest.fixture
def model(tmp_path):
    from onnx import TensorProto, helper, save

    nodes = [
        helper.make_node("MatMul", ["x", "x"], ["m"], name="mul"),
        helper.make_node("Erf", ["m"], ["y"], name="erf"),
    ]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", "n"]) for n in "xy")
    opsets = [helper.make_opsetid("", 18)]
    made = helper.make_model(
        helper.make_graph(nodes, "g", [x], [y]), opset_imports=opsets, ir_version=9
    )
    save(made, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def test_answers_and_placement_come_from_one_run(model):
    """Each answer by output name; every node that ran, under the provider that ran it."""
    feeds = [{"x": np.eye(n, dtype="f4")} for n in (2, 3)]
    _, answers, placement = runtime.run_profiled(model, "cpu", feeds)
    assert [a["y"].shape for a in answers] == [(2, 2), (3, 3)]
    assert placement == {"CPUExecutionProvider": 2}


def test_a_provider_that_is_not_there_is_named_with_those_that_are(model):
    """Never a silent fall-back to the CPU."""
    with pytest.raises(
        ProviderAbsent, match=r"no TensorrtExecutionProvider .*CPUExecutionProvider"
    ):
        runtime.create_session(model, "tensorrt")


def test_a_file_that_is_no_model_is_refused(tmp_path):
    """The message is ONNX Runtime's own first line."""
    (tmp_path / "model.onnx").write_text("<html>")
    with pytest.raises(SessionError, match="ONNX Runtime refuses the model"):
        runtime.create_session(tmp_path / "model.onnx", "cpu")


def test_a_run_that_fails_is_a_session_error(model):
    """Shapes the graph cannot take are reported, not raised as ONNX Runtime's classes."""
    session = runtime.create_session(model, "cpu")
    with pytest.raises(SessionError, match="cannot run the model"):
        runtime.run(session, {"x": np.ones((2, 3), "f4")})
