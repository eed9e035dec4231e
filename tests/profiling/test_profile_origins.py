from __future__ import annotations

import onnxruntime  # noqa: TID253 - its optimized graphs are what is traced
import pytest
from onnx import load  # noqa: TID253 - as above
from profile_cases import convolutional, heavy, model, nested, node, saved

from conformance.profiling.aggregate import NodeKey
from conformance.profiling.events import NodeId
from conformance.profiling.origins import Origins
from conformance.profiling.result import Traced
from conformance.runtime import create_session


def optimized(tmp_path, made):
    """What this ONNX Runtime makes of a model."""
    out = tmp_path / "optimized.onnx"
    create_session(saved(tmp_path, made), "cpu", optimized=out)
    return load(out)


def traced(tmp_path, made):
    """Every node that ONNX Runtime runs, with where it comes from, by its outputs."""
    after = optimized(tmp_path, made)
    origins = Origins(made, after)
    return {
        ran.op_type: origins.of(NodeKey(NodeId(ran.name, ran.op_type, -1), ""))
        for ran in after.graph.node
    }


def test_every_rewritten_node_is_traced_to_its_parts(tmp_path):
    """A Conv that became one with a Relu has both nodes, and what their modules have in common."""
    found = traced(tmp_path, convolutional())
    assert found["Gemm"].nodes == ("linear", "bias")
    assert (found["Gemm"].traced, found["Gemm"].module) == (Traced.OUTPUTS, "head: product, bias")
    conv = next(origin for op, origin in found.items() if "Conv" in op)
    assert conv.nodes == ("conv", "act")
    assert conv.module == "stem: conv, act"
    assert conv.source == "net.py:7"
    assert not any(origin.traced is Traced.UNKNOWN for origin in found.values())


def test_an_untouched_node_is_itself(tmp_path):
    """Its own module and line, by its own name."""
    origin = traced(tmp_path, heavy())["MatMul"]
    assert (origin.traced, origin.nodes, origin.module) == (Traced.SAME, ("product",), "block.ffn")


def test_a_node_inside_a_loop_has_its_own_module_or_that_of_the_loop(tmp_path):
    """Nodes of the same name in a Loop and in the branches of an If are told apart."""
    made = nested()
    origins = Origins(made, optimized(tmp_path, made))
    loop, choice = NodeId("loop", "Loop", 0), NodeId("choice", "If", 3)
    product = origins.of(NodeKey(NodeId("inner", "MatMul", 0), "", (loop,)))
    relu = origins.of(NodeKey(NodeId("inner", "Relu", 0), "", (choice,)))
    unnamed = origins.of(NodeKey(NodeId("Identity_1", "Identity", 1), "", (loop,)))
    assert (product.module, product.traced) == ("cell", Traced.SAME)
    assert (relu.module, relu.nodes) == ("gate", ("inner",))
    assert (unnamed.module, unnamed.nodes) == ("rnn", ("Identity of 'c1'",))


def test_unnamed_nodes_are_known_by_their_number(tmp_path):
    """Constants have no number of their own: what comes behind them is still found."""
    made = model(
        [
            node("Constant", [], ["k"], value_floats=[1.0, 2.0]),
            node("Sin", ["x"], ["s"], "first"),
            node("Sin", ["s"], ["t"], "second"),
            node("Mul", ["t", "k"], ["y"], "third"),
        ],
        [2],
    )
    origins = Origins(made, optimized(tmp_path, made))
    modules = [
        origins.of(NodeKey(NodeId(f"{op}_{index}", op, index), "")).module
        for index, op in enumerate(("Sin", "Sin", "Mul"))
    ]
    assert modules == ["first", "second", "third"]


def test_what_cannot_be_traced_is_unknown():
    """Without the optimized graph, or with a node of nobody's name, nothing is made up."""
    made = convolutional()
    stranger = NodeKey(NodeId("fused_by_somebody", "FusedThing", 99), "")
    for after in (None, made):
        origin = Origins(made, after).of(stranger)
        assert (origin.traced, origin.nodes, origin.module) == (Traced.UNKNOWN, (), None)


@pytest.mark.parametrize(
    ("modules", "told"),
    [
        (["encoder.layer.0.query", "encoder.layer.0.key"], "encoder.layer.0: query, key"),
        (["block.out", "block", "block.out.norm"], "block: out"),
        (["conv", "act"], "conv, act"),
        (["a", "b", "c", "d", "e"], "a, b, c, 2 more"),
        (["layer.1", "layer.10"], "layer: 1, 10"),
    ],
)
def test_several_modules_are_told_by_what_they_share(modules, told):
    """The common module where there is one, else their names, and how many there are more."""
    chain = ["x", *(f"t{n}" for n in range(len(modules) - 1)), "y"]
    before = model(
        [node("Sin", [a], [b], m) for a, b, m in zip(chain, chain[1:], modules, strict=False)],
        [2],
    )
    after = model([node("AllSines", ["x"], ["y"], name="fused")], [2])
    origin = Origins(before, after).of(NodeKey(NodeId("fused", "AllSines", 7), ""))
    assert origin.module == told


def test_the_sessions_graph_is_the_one_that_is_traced(tmp_path):
    """Asking for the optimized graph changes nothing of it: the same nodes are profiled."""
    made = convolutional()
    names = {ran.name for ran in optimized(tmp_path, made).graph.node}
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(tmp_path / "p")
    session = onnxruntime.InferenceSession(
        str(tmp_path / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    import json
    from pathlib import Path

    import numpy as np

    session.run(None, {"x": np.zeros((1, 3, 16, 16), "f4")})
    events = json.loads(Path(session.end_profiling()).read_text())
    ran = {e["name"].removesuffix("_kernel_time") for e in events if e["cat"] == "Node"}
    assert ran == names
