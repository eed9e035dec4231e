from __future__ import annotations

import math

import numpy as np
import onnx  # noqa: TID253 - light enough for a test
import pytest
from explain_cases import (
    XS,
    bundle_of,
    careless_fusion,
    careless_kernel,
    dense_model,
    dense_source,
    entry_of,
    explained,
    honest,
    model_of,
    wrong_constant,
)
from onnx import helper  # noqa: TID253 - as above

from conformance import runtime
from conformance.evidence import Guilty
from conformance.tensors import read_tensors

STEPS = ["source fp32", "ONNX in float64", "ONNX Runtime, optimizations off", "ONNX Runtime"]


def replayed(folder, *, optimize):
    """Largest error of a reduced model against what it expects."""
    session = runtime.create_session(folder / "model.onnx", "cpu", optimize=optimize)
    expected = read_tensors(folder / "test_data_set_0", "output")
    answers = runtime.run(session, read_tensors(folder / "test_data_set_0", "input"))
    return max(float(np.max(np.abs(answers[name] - array))) for name, array in expected.items())


def test_nobody_is_accused_where_nothing_is_wrong(tmp_path):
    """An honest conversion has every step measured and no one guilty."""
    found = explained(honest(tmp_path / "bundle"), tmp_path / "out")
    assert found.guilty is None
    assert [step.name for step in found.steps] == STEPS
    assert all(step.error <= found.limit for step in found.steps)
    # nothing rounds in float64, so a faithful conversion is exact there
    assert found.steps[1].error < 1e-15
    assert found.steps[0].delta is None
    assert found.divergence is None
    assert found.reduced is None
    assert "no step brings in more" in found.summary


def test_wrong_constant_is_the_converters(tmp_path):
    """Another bias than the source's shows in float64, and the later steps add nothing."""
    found = explained(wrong_constant(tmp_path / "bundle"), tmp_path / "out")
    assert found.guilty is Guilty.CONVERTER
    assert found.steps[1].error > 1000 * found.limit
    assert all(step.delta <= found.limit for step in found.steps[2:])
    assert found.summary.startswith("converter: in float64 the ONNX graph is already 0.0")
    assert "the source's modules were not asked, so the module is not known" in found.notes


def test_kernel_that_loses_digits_is_found_and_cut_out(tmp_path):
    """ONNX Runtime's Elu is named, and the reduced model shows its error by itself."""
    found = explained(careless_kernel(tmp_path / "bundle"), tmp_path / "out")
    assert found.guilty is Guilty.KERNEL
    assert (found.divergence.node, found.divergence.position) == ("elu", 1)
    assert found.divergence.originates
    assert found.divergence.between == ("ONNX in float64", "ONNX Runtime, optimizations off")
    assert found.reduced.nodes == 1
    error = replayed(tmp_path / "out" / found.reduced.path, optimize=False)
    assert error == pytest.approx(found.reduced.error, rel=0.01)
    assert error > found.limit


def test_fusion_that_loses_digits_is_found_with_its_whole_pattern(tmp_path):
    """The convolution and the scale that were fused are cut out; neither errs alone."""
    found = explained(careless_fusion(tmp_path / "bundle"), tmp_path / "out")
    assert found.guilty is Guilty.OPTIMIZATION
    assert found.divergence.node == "scale"
    assert not found.divergence.originates
    assert found.reduced.nodes == 2
    folder = tmp_path / "out" / found.reduced.path
    assert [n.name for n in onnx.load(folder / "model.onnx").graph.node] == ["conv", "scale"]
    assert replayed(folder, optimize=True) == pytest.approx(found.reduced.error)
    assert replayed(folder, optimize=False) == 0
    assert "it shows only when the 2 nodes up to 'scale' run together" in found.notes
    assert "which alone does not bring it in" in found.summary


def test_without_float64_the_source_stands_for_the_exact_answer(tmp_path):
    """The first step has no error then, and says why; the fault is found all the same."""
    model = dense_model(np.zeros(4, np.float32))
    bundle = bundle_of(tmp_path / "bundle", model, dense_source, XS, float64=False)
    found = explained(bundle, tmp_path / "out")
    assert found.guilty is Guilty.CONVERTER
    assert found.steps[0].error is None
    assert found.steps[0].note == "stands for the exact answer: it is written in assembly"


def test_graph_of_unknown_operators_is_checked_node_by_node(tmp_path):
    """What the reference cannot evaluate does not hide a converter's fault elsewhere."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("BiasGelu", ["product", "b"], ["y"], domain="com.microsoft"),
    ]

    def source(x):
        erf = np.vectorize(math.erf, otypes=[float])
        product = x @ np.eye(4, dtype=x.dtype)
        return {"y": product * 0.5 * (1 + erf(product / np.sqrt(2))).astype(x.dtype)}

    weights = {"w": 1.01 * np.eye(4, dtype=np.float32), "b": np.zeros(4, np.float32)}
    model = model_of(nodes, weights)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    found = explained(bundle_of(tmp_path / "bundle", model, source, XS), tmp_path / "out")
    assert found.guilty is Guilty.CONVERTER
    assert any("1 of 2 nodes answer" in note for note in found.notes)
    assert any(note.endswith("may be to blame: 1 BiasGelu") for note in found.notes)
    assert "ONNX Runtime without optimizations is already" in found.summary


def test_output_of_another_shape_is_beyond_comparison(tmp_path):
    """A transposed output has no error to measure; the step that transposes it is named."""
    model = dense_model()
    model.graph.node[-1].output[0] = "before"
    model.graph.node.append(helper.make_node("Transpose", ["before"], ["y"], perm=[1, 0]))
    found = explained(bundle_of(tmp_path / "bundle", model, dense_source, XS), tmp_path / "out")
    assert found.guilty is Guilty.CONVERTER
    assert found.steps[1].error is None
    assert "another shape" in found.steps[1].note
    assert "beyond comparison" in found.summary


def test_output_that_is_missing_is_the_converters(tmp_path):
    """Where the graph has none of the source's outputs, there is nothing to follow."""

    def source(x):
        return {"logits": dense_source(x)["y"]}

    found = explained(bundle_of(tmp_path / "bundle", dense_model(), source, XS), tmp_path / "out")
    assert found.guilty is Guilty.CONVERTER
    assert "output 'logits' is missing" in found.summary


def test_failing_output_is_explained_before_others(tmp_path):
    """Of several outputs, the one whose parity fails is followed."""
    model = dense_model()
    model.graph.node.append(helper.make_node("Neg", ["y"], ["z"]))
    model.graph.output.append(helper.make_tensor_value_info("z", 1, None))

    def source(x):
        answer = dense_source(x)["y"]
        return {"y": answer, "z": answer}

    found = explained(bundle_of(tmp_path / "bundle", model, source, XS), tmp_path / "out")
    assert (found.output, found.guilty) == ("z", Guilty.CONVERTER)


def test_labels_are_explained_too(tmp_path):
    """An output without an error is followed by whether its elements are equal."""
    nodes = [helper.make_node("ArgMax", ["x"], ["y"], axis=1, keepdims=0)]
    model = model_of(nodes, {})
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    bundle = bundle_of(tmp_path / "bundle", model, lambda x: {"y": x.argmin(1)}, XS)
    found = explained(bundle, tmp_path / "out", activations=None)
    assert (found.guilty, found.limit) == (Guilty.CONVERTER, 0)


def test_explanation_ends_with_its_budget(tmp_path):
    """Without time there is still an answer, which says what was not done."""
    found = explained(careless_kernel(tmp_path / "bundle"), tmp_path / "out", budget_s=0.0)
    assert found.guilty is None
    assert any("the time for the explanation is over" in note for note in found.notes)


def test_failure_at_another_shape_is_explained_there(tmp_path):
    """A size that was baked in is wrong at other sizes only; those are what is explained."""
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0),
        helper.make_node("Div", ["total", "count"], ["mean"]),
        helper.make_node("Add", ["x", "mean"], ["y"]),
    ]

    def source(x):
        return {"y": x + x.mean()}

    model = model_of(nodes, {"count": np.array(12, np.float32)})
    more = [np.ones((7, 4), np.float32)]
    bundle = bundle_of(tmp_path / "bundle", model, source, XS, probes=more)
    found = explained(bundle, tmp_path / "out")
    assert found.guilty is Guilty.CONVERTER
    assert found.steps[1].error == pytest.approx(28 / 12 - 1)
    assert "another shape than the traced one: axis 'batch' at size 7" in found.notes[0]


def test_declared_tolerance_is_measured_element_by_element(tmp_path):
    """An error that the tolerance accepts at a large element accuses nobody."""
    x = np.array([[1.0, 1.0, 1.0, 1000.0]], np.float32)
    nodes = [helper.make_node("Mul", ["x", "w"], ["y"])]
    model = model_of(nodes, {"w": np.array([1, 1, 1, 1.0001], np.float32)})
    tolerance = {"rtol": 1e-3, "atol": 1e-6, "reason": "for this test"}
    entry = entry_of(tolerance=tolerance)
    bundle = bundle_of(tmp_path / "bundle", model, lambda x: {"y": x}, [x], entry=entry)
    found = explained(bundle, tmp_path / "out")
    assert found.steps[-1].error == pytest.approx(0.1, rel=0.01)
    assert found.guilty is None


def test_activations_name_the_module_that_was_converted_wrongly(tmp_path):
    """With what torch's modules computed, the tampered one is named and cut out, by dynamo."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    from conformance.adapters.pytorch_modules import module_activations

    torch.manual_seed(0)
    module = torch.nn.Sequential()
    module.add_module("encoder", torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.GELU()))
    module.add_module("middle", torch.nn.Linear(6, 6))
    module.add_module("head", torch.nn.Linear(6, 2))
    module.eval()
    path = tmp_path / "exported.onnx"
    torch.onnx.export(
        module,
        (torch.tensor(XS[0]),),
        path,
        input_names=["x"],
        output_names=["y"],
        dynamo=True,
        verbose=False,
        external_data=False,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name == "middle.bias":
            array = onnx.numpy_helper.to_array(tensor) + np.float32(0.1)
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))

    def source(x):
        same = module.double() if x.dtype == np.float64 else module.float()
        with torch.no_grad():
            return {"y": same(torch.tensor(x)).numpy().copy()}

    bundle = bundle_of(tmp_path / "bundle", model, source, XS)
    module.float()
    arrays = {}
    for number, x in enumerate(XS):
        with torch.no_grad():
            given = torch.tensor(x)
            activations = module_activations(module, lambda given=given: module(given))
        assert list(activations) == ["encoder.0", "encoder.1", "encoder", "middle", "head"]
        arrays |= {f"{number}:{name}": array for name, array in activations.items()}
    np.savez(tmp_path / "activations.npz", **arrays)
    found = explained(bundle, tmp_path / "out", activations=str(tmp_path / "activations.npz"))
    assert found.guilty is Guilty.CONVERTER
    assert "module 'middle'" in found.divergence.location
    assert found.divergence.error == pytest.approx(0.1, rel=0.01)
    assert "first lost at" in found.summary
    error = replayed(tmp_path / "out" / found.reduced.path, optimize=True)
    assert error == pytest.approx(0.1, rel=0.01)
