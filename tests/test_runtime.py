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


@pytest.fixture
def product(tmp_path):
    """A matrix product whose weights ONNX Runtime packs, as external data."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = np.random.default_rng(0).normal(size=(256, 256)).astype("f4")
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 256]) for n in "xy")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    graph = helper.make_graph(nodes, "g", [x], [y], [numpy_helper.from_array(weight, "w")])
    opsets = [helper.make_opsetid("", 18)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    onnx.save(made, tmp_path / "product.onnx", save_as_external_data=True, location="w.bin")
    return tmp_path / "product.onnx"


def test_weights_are_packed_unless_that_is_switched_off(product, monkeypatch):
    """The switch reaches ONNX Runtime, and only a session that asks for it has it."""
    import onnxruntime

    made = []

    class Watched(onnxruntime.SessionOptions):
        def __init__(self):
            super().__init__()
            made.append(self)

    monkeypatch.setattr(onnxruntime, "SessionOptions", Watched)
    for prepack in (True, False):
        runtime.create_session(product, "cpu", prepack=prepack)
    runtime.run_profiled(product, "cpu", [], prepack=False)
    runtime.run_profiled(product, "cpu", [])
    packed, unpacked, profiled_unpacked, profiled = made
    told = {
        "session.disable_prepacking": "1",
        "optimization.constant_folding_max_output_size_in_bytes": str(16 << 20),
    }
    for key, value in told.items():
        assert unpacked.get_session_config_entry(key) == value
        assert profiled_unpacked.get_session_config_entry(key) == value
        for usual in (packed, profiled):
            with pytest.raises(RuntimeError, match=key):
                usual.get_session_config_entry(key)


def test_answers_without_packing_are_the_same_but_for_rounding(product):
    """Other kernels add in another order; nothing else may differ."""
    feeds = {"x": np.random.default_rng(1).normal(size=(3, 256)).astype("f4")}
    packed, unpacked = (
        runtime.run(runtime.create_session(product, "cpu", prepack=prepack), feeds)["y"]
        for prepack in (True, False)
    )
    np.testing.assert_allclose(packed, unpacked, rtol=0, atol=1e-4)


def test_a_large_weight_is_read_transposed_instead_of_being_transposed_ahead(tmp_path):
    """The head of a language model: one product that reads it so, and the same answers."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = np.random.default_rng(0).normal(size=(4200, 1024)).astype("f4")
    assert weight.nbytes > 16 << 20
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1024])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4200])
    nodes = [
        helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "t"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", [x], [y], [numpy_helper.from_array(weight, "w")])
    opsets = [helper.make_opsetid("", 18)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    onnx.save(made, tmp_path / "head.onnx")
    feeds = {"x": np.random.default_rng(1).normal(size=(3, 1024)).astype("f4")}
    kernels, answers = [], []
    for prepack in (True, False):
        run = tmp_path / f"run-{prepack}.onnx"
        runtime.create_session(tmp_path / "head.onnx", "cpu", prepack=prepack, optimized=run)
        kernels.append([node.op_type for node in onnx.load(run).graph.node])
        session = runtime.create_session(tmp_path / "head.onnx", "cpu", prepack=prepack)
        answers.append(runtime.run(session, feeds)["y"])
    assert kernels == [["MatMul"], ["FusedMatMul"]]
    np.testing.assert_allclose(*answers, rtol=0, atol=1e-3)


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
