from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from zoo_cases import HERE, located

from conformance.evidence import Explanation
from conformance.execution.progress import Progress
from conformance.explain.lossy import explain_lossy, in_db, node_losses
from conformance.model import from_json, to_json
from conformance.variants import missing_for
from conformance.varying import vary


def graph(*nodes):
    from onnx import TensorProto, helper

    made = [helper.make_node(op, inputs, [output], output) for op, inputs, output in nodes]
    value = helper.make_tensor_value_info
    outputs = [value(nodes[-1][2], TensorProto.FLOAT, None)]
    inputs = [value("x", TensorProto.FLOAT, None)]
    return helper.make_model(helper.make_graph(made, "g", inputs, outputs))


def test_the_node_that_adds_most_noise_comes_first():
    """Noise that a node was given is not its own; a sum that drowns it adds none."""
    model = graph(
        ("Relu", ["x"], "a"), ("Neg", ["a"], "b"), ("Abs", ["b"], "c"), ("Add", ["c", "x"], "d")
    )
    noise = {"a": 1e-6, "b": 1e-2, "c": 1.1e-2, "d": 1e-3}
    losses = node_losses(model, noise, dict.fromkeys(noise, 0.5))
    assert [loss.tensor for loss in losses] == ["b", "c", "a", "d"]
    assert losses[0].told == "node 'b' (Neg): 60.0 dB in, 20.0 dB out"
    assert losses[-1].added < 0


def test_a_tensor_that_is_not_known_passes_on_what_it_is_made_of():
    """Names that a tool does away with leave no gap."""
    model = graph(("Relu", ["x"], "a"), ("Neg", ["a"], "b"), ("Abs", ["b"], "c"))
    losses = node_losses(model, {"a": 1e-2, "c": 1.5e-2}, {"a": 0.1, "c": 0.1})
    assert [(loss.tensor, loss.noise_in) for loss in losses] == [("a", 0.0), ("c", 1e-2)]


@pytest.mark.parametrize(
    ("noise", "told"), [(0.0, "no noise"), (1e-3, "30.0 dB"), (math.inf, "no signal")]
)
def test_a_share_of_noise_is_told_in_decibels(noise, told):
    """Nothing to divide by is told in words."""
    assert in_db(noise) == told


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    from conformance.pipeline import convert

    folder = tmp_path_factory.mktemp("lossy") / "base"
    folder.mkdir()
    payload = {
        "case": to_json(CASE),
        "zoo_dir": str(HERE),
        "cache_dir": str(folder.parent),
        "offline": True,
        "seed": 0,
        "out": str(folder),
    }
    convert(payload, Progress(folder.parent / "progress.json", "base"))
    return folder


CASE = located("miniature_variants:Layered", task="image-classification").case


def explained(base, tmp_path, variant, budget=None, spoil=None):
    """What is said of a variant, its model spoilt by ``spoil`` on the way."""
    from conformance.variants.derive import MAKERS
    from conformance.variants.files import load, save

    if missing := missing_for(variant):
        pytest.skip(missing)
    budgets = {variant: {"min_snr_db": budget, "reason": "a test"}} if budget else {}
    case = located(
        "miniature_variants:Layered",
        task="image-classification",
        variants=["fp32", variant],
        budgets=budgets,
    ).case
    made = tmp_path / variant
    made.mkdir()
    honest = MAKERS[variant]

    def maker(given, out):
        how = honest(given, out)
        if spoil is not None:
            model = load(out)
            spoil(model)
            save(model, out)
        return how

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MAKERS, variant, maker)
        payload = {
            "case": to_json(replace(case, variant=variant)),
            "base": str(base),
            "lasting": True,
            "out": str(made),
            "zoo_dir": str(HERE),
            "seed": 0,
        }
        progress = Progress(tmp_path / "progress.json", variant)
        vary(payload, progress)
    asked = {
        "bundle": str(made),
        "base": str(base),
        "provider": "cpu",
        "entry": to_json(case.entry),
    }
    return from_json(Explanation, explain_lossy(asked, progress)["explanation"])


@pytest.mark.parametrize("variant", ["fp16", "int8-dynamic", "int8-static", "int4"])
def test_every_lossy_variant_is_explained_against_its_base(base, tmp_path, variant):
    """Where the budget is broken: the output, its ratio, and a node of the base."""
    found = explained(base, tmp_path, variant, budget=90)
    assert found.guilty == "quantization"
    assert found.output == "logits"
    assert "most is lost at node '" in found.summary
    assert found.divergence.between == ("fp32", variant)
    source, fp32, lossy = found.steps
    assert max(source.error, fp32.error) < lossy.error
    assert any("float tensors were compared" in note for note in found.notes)


def test_the_layer_that_was_spoilt_is_named(base, tmp_path):
    """Of two quantized layers, the one whose weights are gone loses the most."""

    def zero_second(model):
        from onnx import numpy_helper

        for tensor in model.graph.initializer:
            if tensor.name == "w2_quantized":
                array = numpy_helper.to_array(tensor)
                tensor.CopyFrom(numpy_helper.from_array(np.zeros_like(array), tensor.name))

    found = explained(base, tmp_path, "int8-dynamic", spoil=zero_second)
    assert found.guilty == "quantization"
    assert found.divergence.node == "second"
    assert found.divergence.originates
    assert "node 'second' (MatMul)" in found.summary
    assert found.summary.endswith("0.0 dB out")


def test_a_variant_within_its_budget_is_nobodys_fault(base, tmp_path):
    """Where it loses most is told all the same."""
    found = explained(base, tmp_path, "int8-dynamic")
    assert found.guilty is None
    assert found.summary.startswith("no step brings in more than the budget accepts")
    assert found.divergence is not None
