from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime  # noqa: TID253 - models are run here
import pytest
from mutation_cases import B1, W1, model_of, perceptron, pooling
from onnx import TensorProto, helper  # noqa: TID253 - models are made here

from conformance.mutation.operators import OPERATORS, draw
from conformance.mutation.subject import Subject

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
X = np.random.default_rng(3).normal(size=(5, 4)).astype("f4")
X4 = np.random.default_rng(3).normal(size=(2, 1, 6, 8)).astype("f4")


def one_node(op, *, extra=None, shape=(5, 4), out=(5, 4), inputs=("x",), domain="", **attributes):
    node = helper.make_node(op, [*inputs, *(extra or {})], ["y"], "n", domain=domain, **attributes)
    specs = {name: (FLOAT, list(shape)) for name in inputs}
    return model_of([node], specs, {"y": (FLOAT, list(out))}, extra or {})


def sites(model, operator):
    subject = Subject(model, Path())
    found = next(o for o in OPERATORS if o.name == operator).sites(subject)
    return {site.target: site for site in found}


def answer(model, **inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, inputs)


CHANGES = [
    ("perturb weight", perceptron(), {"x": X}, "'w1' [4, 6], half of it scaled by 1.5"),
    ("perturb weight", perceptron(), {"x": X}, "'w1' [4, 6] with two rows exchanged"),
    ("perturb weight", perceptron(), {"x": X}, "'b1' [6] with the sign of its largest element"),
    ("zero bias", perceptron(), {"x": X}, "'b1' [6]"),
    ("change constant", one_node("Mul", extra={"k": np.array(0.5, "f4")}), {"x": X}, "'k'"),
    ("flip attribute", one_node("Gemm", extra={"w": np.eye(4, k=1, dtype="f4")}), {"x": X},
     "Gemm 'n': transB 0 -> 1"),
    ("flip attribute", one_node("LeakyRelu", alpha=0.1), {"x": X}, "LeakyRelu 'n': alpha"),
    ("flip attribute", one_node("Gelu", shape=(5, 4)), {"x": X}, "Gelu 'n': approximate none"),
    ("change axis", one_node("Softmax", axis=-1), {"x": X}, "Softmax 'n': axis -1 -> -2"),
    ("change axis", one_node("CumSum", extra={"axis": np.array(1)}), {"x": X}, "axes of CumSum"),
    ("shift window", one_node("MaxPool", shape=(2, 1, 6, 8), out=(2, 1, 6, 8),
                              kernel_shape=[3, 3], pads=[1, 1, 1, 1]), {"x": X4},
     "MaxPool 'n': pads [1, 1, 1, 1] -> [2, 1, 0, 1]"),
    ("drop node", perceptron(), {"x": X}, "Relu 'relu' passes on 'b'"),
    ("replace operator", one_node("Max", inputs=("x", "z")), {"x": X, "z": X[::-1]}, "Max 'n' ->"),
    ("swap operands", one_node("Sub", inputs=("x", "z")), {"x": X, "z": X[::-1]}, "inputs 0 and 1"),
    ("perturb coefficients", one_node("Scaler", domain="ai.onnx.ml", scale=[2.0], offset=[1.0]),
     {"x": X}, "scale of Scaler"),
    ("zero intercepts", one_node("Scaler", domain="ai.onnx.ml", scale=[2.0], offset=[1.0]),
     {"x": X}, "offset of Scaler"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("operator", "model", "inputs", "target"), CHANGES, ids=[f"{c[0]}: {c[3]}" for c in CHANGES]
)
def test_an_operator_changes_the_answers_of_a_copy(operator, model, inputs, target):
    """The mutant answers otherwise, and the original is left as it was."""
    if any(node.op_type == "Gelu" for node in model.graph.node):
        model.opset_import[0].version = 20
    before = model.SerializeToString()
    site = next(site for name, site in sites(model, operator).items() if name.startswith(target))
    mutant = site.apply(model)
    assert not np.allclose(answer(mutant, **inputs)[0], answer(model, **inputs)[0], rtol=1e-4)
    assert model.SerializeToString() == before


def test_swapped_outputs_carry_each_others_values():
    """Names and order stay; the values are exchanged, inside uses too."""
    nodes = [
        helper.make_node("Neg", ["x"], ["first"], "n1"),
        helper.make_node("Abs", ["first"], ["second"], "n2"),
        helper.make_node("Shape", ["x"], ["third"], "n3"),
    ]
    outputs = {"first": (FLOAT, [5, 4]), "second": (FLOAT, [5, 4]), "third": (INT64, [2])}
    model = model_of(nodes, {"x": (FLOAT, [5, 4])}, outputs, {})
    found = sites(model, "swap outputs")
    assert list(found) == ["'first' and 'second'"]
    mutant = found["'first' and 'second'"].apply(model)
    assert [o.name for o in mutant.graph.output] == ["first", "second", "third"]
    np.testing.assert_array_equal(answer(mutant, x=X)[0], np.abs(X))
    np.testing.assert_array_equal(answer(mutant, x=X)[1], -X)


def test_a_mask_is_skipped_everywhere_and_at_each_use():
    """Every use of the mask becomes ones of its shape; inputs that are no masks are zeros."""
    model = pooling()
    assert list(sites(model, "skip mask")) == ["input 'attention_mask' as 1s"]
    assert list(sites(model, "ignore input")) == ["input 'ids' as 0s"]
    mutant = sites(model, "skip mask")["input 'attention_mask' as 1s"].apply(model)
    ids, half = np.arange(8).reshape(2, 4), np.array([[1, 1, 0, 0]] * 2)
    whole = answer(model, ids=ids, attention_mask=np.ones_like(half))[0]
    np.testing.assert_array_equal(answer(mutant, ids=ids, attention_mask=half)[0], whole)


def test_a_table_that_is_looked_up_is_shifted():
    """Exchanging two of a thousand rows would test luck; shifting them all shows anywhere."""
    model = pooling()
    targets = list(sites(model, "perturb weight"))
    assert "'table' [11, 5] with its rows shifted by one" in targets
    assert not any("exchanged" in target for target in targets)


@pytest.mark.parametrize(
    ("operator", "model"),
    [
        ("zero bias", one_node("Add", extra={"b": np.zeros(4, "f4")})),
        ("drop node", one_node("Add", extra={"b": np.zeros(4, "f4")})),
        ("replace operator", one_node("Mul", extra={"k": np.ones(4, "f4")})),
        ("drop node", one_node("Add", extra={"epsilon": np.array([1e-6], "f4")})),
    ],
)
def test_what_changes_nothing_is_no_mutant(operator, model):
    """Zeroed zeros, a dropped addition of zeros and a forgotten epsilon are not counted."""
    found = sites(model, operator)
    assert found
    assert all(site.apply(model) is None for site in found.values())


def test_the_fill_of_a_mask_becomes_harmless():
    """The most negative float, scaled by 1.5, would be the same mask: it becomes zero."""
    model = one_node("Add", extra={"fill": np.array(-3.4e38, "f4")})
    mutant = sites(model, "change constant")["'fill' changed"].apply(model)
    np.testing.assert_array_equal(answer(mutant, x=X)[0], X)


def test_the_branches_of_if_are_changed_and_those_of_loop_are_not():
    """A changed condition of a loop need never come true."""

    def body(op):
        inner = helper.make_node(op, ["x"], ["out"], f"inner_{op}")
        return helper.make_graph(
            [inner], op, [], [helper.make_tensor_value_info("out", FLOAT, [5, 4])]
        )

    condition = helper.make_node("If", ["c"], ["y"], "n", then_branch=body("Relu"),
                                 else_branch=body("Tanh"))  # fmt: skip
    inputs = {"x": (FLOAT, [5, 4]), "c": (TensorProto.BOOL, [])}
    model = model_of([condition], inputs, {"y": (FLOAT, [5, 4])}, {})
    dropped = sites(model, "drop node")
    assert set(dropped) == {"Relu 'inner_Relu' passes on 'x'", "Tanh 'inner_Tanh' passes on 'x'"}
    mutant = dropped["Relu 'inner_Relu' passes on 'x'"].apply(model)
    np.testing.assert_array_equal(answer(mutant, x=X, c=np.array(True))[0], X)
    model.graph.node[0].op_type = "Loop"
    assert not sites(model, "drop node")


def tree():
    """``x[0] <= 0`` then ``x[1] <= 1``: leaves 10, 20, 30."""
    return one_node(
        "TreeEnsembleRegressor",
        domain="ai.onnx.ml",
        shape=(3, 4),
        out=(3, 1),
        n_targets=1,
        nodes_treeids=[0] * 5,
        nodes_nodeids=[0, 1, 2, 3, 4],
        nodes_featureids=[0, 1, 0, 0, 0],
        nodes_modes=["BRANCH_LEQ", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF"],
        nodes_values=[0.0, 1.0, 0.0, 0.0, 0.0],
        nodes_truenodeids=[1, 3, 0, 0, 0],
        nodes_falsenodeids=[2, 4, 0, 0, 0],
        target_treeids=[0, 0, 0],
        target_nodeids=[2, 3, 4],
        target_ids=[0, 0, 0],
        target_weights=[10.0, 20.0, 30.0],
    )


def test_a_tree_is_changed_at_its_upper_splits():
    """Thresholds move, branches and leaves are exchanged, and rows end in other leaves."""
    x = np.array([[-1, 0, 0, 0], [-1, 2, 0, 0], [0.5, 0, 0, 0]], "f4")
    model = tree()
    np.testing.assert_array_equal(answer(model, x=x)[0].ravel(), [20, 30, 10])
    moved = sites(model, "move threshold")
    root = next(t for t in moved if t.startswith("split 0 of tree 0 (depth 0)"))
    np.testing.assert_array_equal(answer(moved[root].apply(model), x=x)[0].ravel(), [20, 30, 20])
    turned = sites(model, "exchange branches")
    assert len(turned) == 2
    lower = next(t for t in turned if t.startswith("split 1 of tree 0 (depth 1)"))
    np.testing.assert_array_equal(answer(turned[lower].apply(model), x=x)[0].ravel(), [30, 20, 10])
    (leaves,) = sites(model, "reorder leaves").values()
    np.testing.assert_array_equal(answer(leaves.apply(model), x=x)[0].ravel(), [20, 10, 30])


def test_every_site_is_drawn_once():
    """The draw is a permutation of all sites, operators taking turns."""
    subject = Subject(perceptron(), Path())
    drawn = [(operator.name, site.target) for operator, site in draw(subject, 0)]
    everything = {(o.name, site.target) for o in OPERATORS for site in o.sites(subject)}
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == everything
    operators = len({name for name, _ in drawn})
    assert len({name for name, _ in drawn[:operators]}) == operators


def test_weights_of_the_right_shape_are_left():
    """A perturbed weight keeps its name, dtype and shape."""
    site = sites(perceptron(), "perturb weight")["'w1' [4, 6] with two rows exchanged"]
    tensor = next(t for t in site.apply(perceptron()).graph.initializer if t.name == "w1")
    assert (tuple(tensor.dims), tensor.data_type) == (W1.shape, FLOAT)
    assert B1.any()
