from __future__ import annotations

import pytest
from variant_cases import make_variant

from conformance.bundle import MODEL
from conformance.variants.change import changes
from conformance.variants.files import load


@pytest.mark.parametrize("variant", ["fp16", "bf16", "int8-dynamic", "int8-static", "int4"])
def test_a_model_beside_itself_has_changed_nothing(base, variant):
    """What a tool says it did is no evidence; the graph is."""
    found = changes(variant, base / MODEL, base / MODEL)
    assert found.own_nodes == {}
    assert found.nodes == found.base_nodes == 7


def test_what_stayed_in_float32_is_counted(base):
    """Of a model that was not quantized, both weights are."""
    assert changes("int8-dynamic", base / MODEL, base / MODEL).kept_fp32 == {"MatMul": 2}
    kept = changes("fp16", base / MODEL, base / MODEL).kept_fp32
    assert kept == {"Add": 2, "Identity": 1, "MatMul": 2, "Relu": 1}


def test_bfloat16_computes_what_float32_does(base, tmp_path):
    """By ONNX's own reference evaluator: the answers agree to bfloat16's eight bits."""
    import numpy as np
    from onnx.reference import ReferenceEvaluator

    made = make_variant("bf16", base, tmp_path / "made")
    x = np.random.default_rng(0).normal(size=(5, 32)).astype("f4")
    wanted, _ = ReferenceEvaluator(load(base / MODEL)).run(None, {"x": x})
    got, _ = ReferenceEvaluator(load(made / MODEL)).run(None, {"x": x})
    assert got.dtype == np.float32
    error = float(np.abs(got - wanted).max() / np.abs(wanted).max())
    assert 1e-5 < error < 0.03
