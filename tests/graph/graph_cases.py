"""Small graphs that have what makes cutting and evaluating hard."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper  # noqa: TID253 - graphs are made here

OPSET = 18


def model_of(nodes, inputs, outputs, weights=(), functions=()):
    """A model of the default domain; ``inputs`` and ``outputs`` are name to (type, rank)."""

    def declared(values):
        return [
            helper.make_tensor_value_info(name, kind, [None] * rank)
            for name, (kind, rank) in values.items()
        ]

    graph = helper.make_graph(
        nodes,
        "case",
        declared(inputs),
        declared(outputs),
        [numpy_helper.from_array(array, name) for name, array in dict(weights).items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    if functions:
        opsets.append(helper.make_opsetid("local", 1))
    return helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=10)


def chain():
    """Y = tanh(relu(x @ w + b)) * x, which needs x until the end."""
    rng = np.random.default_rng(0)
    return model_of(
        [
            helper.make_node("MatMul", ["x", "w"], ["product"], name="product_node"),
            helper.make_node("Add", ["product", "b"], ["sum"], name="sum_node"),
            helper.make_node("Relu", ["sum"], ["positive"], name="positive_node"),
            helper.make_node("Tanh", ["positive"], ["squashed"], name="squashed_node"),
            helper.make_node("Mul", ["squashed", "x"], ["y"], name="y_node"),
        ],
        {"x": (TensorProto.FLOAT, 2)},
        {"y": (TensorProto.FLOAT, 2)},
        {
            "w": rng.standard_normal((4, 4)).astype(np.float32),
            "b": rng.standard_normal(4).astype(np.float32),
        },
    )


def branching():
    """Y = if sum(x) > 0: doubled + x else doubled; the branches capture both."""
    then = helper.make_graph(
        [helper.make_node("Add", ["doubled", "x"], ["then_y"])],
        "then",
        [],
        [helper.make_tensor_value_info("then_y", TensorProto.FLOAT, None)],
    )
    other = helper.make_graph(
        [helper.make_node("Identity", ["doubled"], ["else_y"])],
        "else",
        [],
        [helper.make_tensor_value_info("else_y", TensorProto.FLOAT, None)],
    )
    return model_of(
        [
            helper.make_node("Mul", ["x", "two"], ["doubled"], name="doubled_node"),
            helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0, name="total_node"),
            helper.make_node("Greater", ["total", "zero"], ["positive"], name="positive_node"),
            helper.make_node(
                "If", ["positive"], ["y"], name="y_node", then_branch=then, else_branch=other
            ),
        ],
        {"x": (TensorProto.FLOAT, 1)},
        {"y": (TensorProto.FLOAT, 1), "doubled": (TensorProto.FLOAT, 1)},
        {"two": np.array(2, np.float32), "zero": np.array(0, np.float32)},
    )


def with_function():
    """Y = shift(x), a local function that adds the constant 0.1."""
    shift = helper.make_function(
        "local",
        "Shift",
        ["a"],
        ["c"],
        [
            helper.make_node("Constant", [], ["tenth"], value_float=0.1),
            helper.make_node("Add", ["a", "tenth"], ["c"]),
        ],
        [helper.make_opsetid("", OPSET)],
    )
    return model_of(
        [helper.make_node("Shift", ["x"], ["y"], domain="local", name="y_node")],
        {"x": (TensorProto.FLOAT, 1)},
        {"y": (TensorProto.FLOAT, 1)},
        functions=[shift],
    )
