"""What two graphs have in common, whatever the names within them."""

from __future__ import annotations

import numpy as np
import onnx  # noqa: TID253 - graphs are made here
import pytest
from onnx import TensorProto, helper, numpy_helper  # noqa: TID253 - graphs are made here

from conformance.graph.difference import Fate, difference, outline


@pytest.fixture
def graph_of(tmp_path):
    """The outline of nodes ``(op, inputs, outputs, attributes)`` that lead from ``x`` to ``y``."""

    def build(*nodes, weights=None, opset=18, inputs=("x",)):
        made = [
            helper.make_node(op, reads, writes, name=f"n_{writes[0]}", **attributes)
            for op, reads, writes, attributes in nodes
        ]
        tensors = [
            numpy_helper.from_array(np.asarray(v, "f4"), n) for n, v in (weights or {}).items()
        ]
        values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 2]) for n in inputs]
        result = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])
        graph = helper.make_graph(made, "g", values, [result], tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        path = tmp_path / "model.onnx"
        onnx.save(model, str(path))
        return outline(path)

    return build


def chain(weight=(1.0, 2.0), *, axis=1, names=("a", "b", "w")):
    a, b, w = names
    nodes = [
        ("Mul", ["x", w], [a], {}),
        ("Softmax", [a], [b], {"axis": axis}),
        ("Relu", [b], ["y"], {}),
    ]
    return nodes, {w: weight}


def told(old, new):
    return [str(node) for node in difference(old, new).nodes]


def test_the_same_graph_by_other_names_is_the_same(graph_of):
    """Values, weights and nodes may be called anything."""
    nodes, weights = chain()
    others, renamed = chain(names=("p", "q", "r"))
    assert difference(graph_of(*nodes, weights=weights), graph_of(*others, weights=renamed)).same


def test_another_order_of_the_same_nodes_is_the_same(graph_of):
    """Nodes that do not read each other may stand in any order."""
    first = [("Relu", ["x"], ["a"], {}), ("Neg", ["x"], ["b"], {}), ("Add", ["a", "b"], ["y"], {})]
    second = [first[1], first[0], first[2]]
    assert difference(graph_of(*first), graph_of(*second)).same


def test_a_weight_by_another_way_of_storing_is_the_same(graph_of, tmp_path):
    """Raw bytes or a list of numbers: the elements count."""
    nodes, weights = chain()
    old = graph_of(*nodes, weights=weights)
    model = onnx.load(str(tmp_path / "model.onnx"))
    model.graph.initializer[0].CopyFrom(helper.make_tensor("w", TensorProto.FLOAT, [2], [1.0, 2.0]))
    onnx.save(model, str(tmp_path / "model.onnx"))
    assert difference(old, outline(tmp_path / "model.onnx")).same


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"axis": 0}, ["Softmax changed: attribute axis"]),
        ({"weight": (1.0, 2.5)}, ["Mul changed: constant 1"]),
        ({"weight": (1.0,)}, ["Mul changed: constant 1"]),
    ],
)
def test_what_changed_in_a_node_is_told_once(graph_of, changed, expected):
    """Attribute or constant; the nodes behind it are not told of."""
    nodes, weights = chain()
    others, new_weights = chain(**changed)
    found = told(graph_of(*nodes, weights=weights), graph_of(*others, weights=new_weights))
    assert found == expected


def test_added_and_removed_nodes_are_told(graph_of):
    """A node that came in between is added, and nothing else has changed."""
    old = graph_of(("Relu", ["x"], ["a"], {}), ("Neg", ["a"], ["y"], {}))
    new = graph_of(
        ("Relu", ["x"], ["a"], {}), ("Identity", ["a"], ["b"], {}), ("Neg", ["b"], ["y"], {})
    )
    assert told(old, new)[0] == "Identity added"
    assert told(new, old)[0] == "Identity removed"


def test_swapped_inputs_are_rewiring(graph_of):
    """The nodes are the same, and one reads others."""
    head = [("Relu", ["x"], ["a"], {}), ("Neg", ["x"], ["b"], {})]
    old = graph_of(*head, ("Sub", ["a", "b"], ["y"], {}))
    new = graph_of(*head, ("Sub", ["b", "a"], ["y"], {}))
    (found,) = difference(old, new).nodes
    assert (found.fate, found.op_type, found.what) == (Fate.REWIRED, "Sub", ("input 0", "input 1"))


def test_opset_and_signature_are_told(graph_of):
    """What is not of a node."""
    nodes = [("Relu", ["x"], ["y"], {})]
    assert difference(graph_of(*nodes), graph_of(*nodes, opset=17)).model == (
        "opset ai.onnx 18 -> 17",
    )
    found = difference(graph_of(*nodes), graph_of(*nodes, inputs=("x", "mask")))
    assert found.model == ("inputs x -> x, mask",)
    assert not found.same
