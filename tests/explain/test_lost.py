from __future__ import annotations

import numpy as np
import pytest
from explain_cases import model_of
from onnx import helper  # noqa: TID253 - graphs are made here

from conformance.explain.lost import first_lost_module
from conformance.graph.evaluate import evaluate

X = np.random.default_rng(5).normal(size=(3, 4)).astype("f4")
W = np.random.default_rng(6).normal(size=(4, 4)).astype("f4")


def run(model, feeds):
    return evaluate(model, feeds, float64=True, budget_s=10)


def node(op, inputs, output, scope):
    """A node as torch's dynamo exporter writes it; ``scope`` is a qualified module name."""
    made = helper.make_node(op, inputs, [output], name=f"node_{output}")
    parts = scope.split(".") if scope else []
    names = ["", *(".".join(parts[: i + 1]) for i in range(len(parts))), output]
    made.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=repr(names))
    return made


def lost(nodes, activations, weights, **more):
    model = model_of(nodes, weights)
    return first_lost_module(activations, model, {"x": X}, run, bound=1e-4, **more)


NODES = [
    node("MatMul", ["x", "w"], "a", "encoder.linear"),
    node("Tanh", ["a"], "b", "encoder.act"),
    node("Neg", ["b"], "c", "encoder"),
    node("MatMul", ["c", "w"], "y", "head"),
]


def source(w=W, act=np.tanh, sign=-1.0):
    """What the modules of the source compute, in the order in which they finish."""
    a = X @ w
    b = act(a)
    c = sign * b
    return {"encoder.linear": a, "encoder.act": b, "encoder": c, "head": c @ W}


def test_nothing_is_lost_in_a_faithful_graph():
    """Every module's answer is somewhere in the graph."""
    assert lost(NODES, source(), {"w": W}) is None


@pytest.mark.parametrize(
    ("answers", "module", "nodes", "tensor"),
    [
        (source(w=W * 1.01), "encoder.linear", (0,), "a"),
        (source(act=np.sin), "encoder.act", (1,), "b"),
        (source(sign=-1.01), "encoder", (2,), "c"),
    ],
    ids=["a leaf", "a leaf after a right one", "what a parent does itself"],
)
def test_the_first_module_whose_answer_is_nowhere_is_named(answers, module, nodes, tensor):
    """The fault is in its nodes, not in those of the modules that were reproduced before it."""
    found = lost(NODES, answers, {"w": W})
    assert (found.name, found.nodes, found.tensor) == (module, nodes, tensor)
    assert found.inside
    assert found.error > 0


def test_module_that_was_folded_into_the_next_is_not_lost():
    """Where a later module that depends on it is right, a missing intermediate is no fault."""
    answers = {"linear": X @ W, "norm": (X @ W) * 3.0, "head": np.tanh(X @ W * 3.0)}
    nodes = [
        node("MatMul", ["x", "w"], "a", "linear"),  # with the norm's scale in its weights
        node("Identity", ["a"], "b", "norm"),
        node("Tanh", ["b"], "y", "head"),
    ]
    assert lost(nodes, answers, {"w": W * 3}) is None
    answers["head"] = np.sin(X @ W * 3.0)
    assert lost(nodes, answers, {"w": W * 3}).name == "head"


def test_reproduced_module_hides_nothing_that_goes_around_it():
    """A normalization undoes an error of scale, the residual beside it does not."""
    unit = {"s": np.ones(4, np.float32), "b": np.zeros(4, np.float32)}

    def normal(a):
        return (a - a.mean(-1, keepdims=True)) / np.sqrt(a.var(-1, keepdims=True) + 1e-9)

    nodes = [
        node("MatMul", ["x", "w"], "a", "embed"),
        node("LayerNormalization", ["a", "s", "b"], "n", "norm"),
        node("Add", ["a", "n"], "y", "block"),
    ]
    nodes[1].attribute.append(helper.make_attribute("epsilon", 1e-9))
    a = X @ W
    answers = {"embed": a, "norm": normal(a), "block": a + normal(a)}
    assert lost(nodes, answers, {"w": W, **unit}) is None
    found = lost(nodes, answers, {"w": W * 1.5, **unit})
    assert (found.name, found.nodes) == ("embed", (0,))


def test_error_between_two_modules_is_told_from_one_inside():
    """When what feeds a module is wrong already, its nodes are not the only suspects."""
    a = X @ W
    answers = {"linear": a, "head": np.tanh(2 * a)}
    nodes = [
        node("MatMul", ["x", "w"], "a", "linear"),
        node("Mul", ["a", "three"], "b", ""),  # the source multiplies by two, outside of modules
        node("Tanh", ["b"], "y", "head"),
    ]
    found = lost(nodes, answers, {"w": W, "three": np.array(3, np.float32)})
    assert (found.name, found.nodes, found.inside) == ("head", (1, 2), False)


def test_what_stays_inside_a_module_is_not_its_answer():
    """A wrong bias is found although the source's is zero, as the product before it is not."""
    nodes = [
        node("MatMul", ["x", "w"], "a", "linear"),
        node("Add", ["a", "b"], "c", "linear"),
        node("Tanh", ["c"], "y", "head"),
    ]
    answers = {"linear": X @ W, "head": np.tanh(X @ W)}
    found = lost(nodes, answers, {"w": W, "b": np.full(4, 0.1, np.float32)})
    assert (found.name, found.tensor, found.nodes) == ("linear", "c", (0, 1))


def test_module_whose_first_answer_nobody_uses_is_not_lost():
    """Of a tuple, what is used has another size; what was kept is found inside of the module."""
    nodes = [
        node("MatMul", ["x", "w"], "scores", "router"),
        node("ReduceMax", ["scores", "axis"], "best", "router"),
        node("Mul", ["best", "two"], "y", "head"),
    ]
    weights = {"w": W, "axis": np.array([1]), "two": np.array(2, np.float32)}
    scores = X @ W
    answers = {"router": scores, "head": 3 * scores.max(1, keepdims=True)}
    assert lost(nodes, answers, weights).name == "head"


def test_answer_in_another_shape_is_recognised():
    """A module that returns a view of what the graph computes is reproduced."""
    nodes = [node("MatMul", ["x", "w"], "y", "linear")]
    assert lost(nodes, {"linear": (X @ W).reshape(2, 6)}, {"w": W}) is None


def test_module_without_nodes_is_passed_over():
    """Dropout leaves nothing in the graph, which says nothing against the conversion."""
    assert lost(NODES, {"dropout": X * 7, **source()}, {"w": W}) is None


def test_second_call_of_a_module_is_the_modules():
    """Torch names it 'act@1'; the activation that was kept is that of the last call."""
    nodes = [
        node("Tanh", ["x"], "a", "act"),
        node("Tanh", ["a"], "y", "act@1"),
    ]
    assert lost(nodes, {"act": np.tanh(np.tanh(X))}, {}) is None
    assert lost(nodes, {"act": np.sin(np.sin(X))}, {}).name == "act"
