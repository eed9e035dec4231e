from __future__ import annotations

import numpy as np
import onnx  # noqa: TID253 - light enough for a test
import pytest
from explain_cases import model_of
from onnx import TensorProto, helper, numpy_helper  # noqa: TID253 - as above

from conformance.explain.executions import CannotRun, Clock, Execution, onnx_runtime, reference
from conformance.explain.locate import Bisection, Side, dispute, first_divergence
from conformance.explain.reduce import cut_out, smallest_window
from conformance.explain.yardstick import Yardstick
from conformance.graph.evaluate import evaluate

RNG = np.random.default_rng(3)
X = RNG.normal(size=(3, 4)).astype("f4")
SQUARE = RNG.normal(size=(4, 4)).astype("f4")
ROW = RNG.normal(size=4).astype("f4")

#: For every operator of the graphs another one that takes the same inputs.
OTHER = {
    "Add": "Sub",
    "Div": "Mul",
    "Exp": "Softplus",
    "If": None,
    "LayerNormalization": None,
    "MatMul": None,
    "Mul": "Add",
    "Relu": "Abs",
    "Softmax": "LogSoftmax",
    "Sub": "Add",
    "Tanh": "Sigmoid",
    "Transpose": None,
}


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs, [output], name=f"{output}_node", **attributes)


def chain():
    nodes = [node("MatMul", ["x", "w"], "t0")]
    nodes += [
        node(op, [f"t{i}", *more], f"t{i + 1}")
        for i, (op, more) in enumerate(
            [("Add", ["b"]), ("Relu", []), ("Mul", ["b"]), ("Tanh", []), ("MatMul", ["w"])] * 4
        )
    ]
    return model_of([*nodes, node("Softmax", ["t20"], "y")], {"w": SQUARE, "b": ROW})


def residual():
    nodes = [
        node("LayerNormalization", ["x", "scale", "b"], "normal"),
        node("MatMul", ["normal", "w"], "query"),
        node("MatMul", ["normal", "v"], "key"),
        node("Transpose", ["key"], "turned", perm=[1, 0]),
        node("MatMul", ["query", "turned"], "scores"),
        node("Softmax", ["scores"], "weights"),
        node("MatMul", ["weights", "normal"], "mixed"),
        node("Add", ["mixed", "x"], "kept"),
        node("Tanh", ["kept"], "y"),
    ]
    weights = {"w": SQUARE, "v": SQUARE[::-1].copy(), "b": ROW, "scale": ROW + 2}
    return model_of(nodes, weights)


def branching():
    inner = [
        helper.make_graph(
            [helper.make_node(op, ["bent", "x"], [f"{op}_out"])],
            op,
            [],
            [helper.make_tensor_value_info(f"{op}_out", TensorProto.FLOAT, None)],
        )
        for op in ("Mul", "Add")
    ]
    nodes = [
        node("Tanh", ["x"], "bent"),
        node("ReduceSum", ["x"], "total", keepdims=0),
        node("Greater", ["total", "zero"], "positive"),
        node("If", ["positive"], "chosen", then_branch=inner[0], else_branch=inner[1]),
        node("Sub", ["chosen", "bent"], "y"),
    ]
    return model_of(nodes, {"zero": np.array(-100, np.float32)})


def two_towers():
    nodes = [
        node("Relu", ["x"], "left"),
        node("Exp", ["left"], "left_out"),
        node("Tanh", ["x"], "right"),
        node("Mul", ["right", "b"], "y"),
    ]
    return model_of(nodes, {"b": ROW}, outputs=("y", "left_out"))


def mutated(model, at):
    """A copy with one wrong node, or None where the table knows no way to spoil it."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    spoiled = copy.graph.node[at]
    other = OTHER.get(spoiled.op_type)
    if other is not None:
        spoiled.op_type = other
        return copy
    if spoiled.op_type == "LayerNormalization":
        spoiled.attribute.append(helper.make_attribute("epsilon", 0.5))
        return copy
    if spoiled.op_type == "If":  # attributes are in alphabetical order: else, then
        spoiled.attribute[1].g.node[0].op_type = "Sub"
        return copy
    weight = next((t for t in copy.graph.initializer if t.name in spoiled.input), None)
    if weight is None:
        return None
    spare = numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(1.5), "spare")
    copy.graph.initializer.append(spare)
    spoiled.input[1] = "spare"
    return copy


def sides_of(model, wrong, trusted, suspect, output="y"):
    yardstick = Yardstick([np.full(evaluated(model, output).shape, 1e-5)])
    return dispute(
        Side(model, trusted),
        Side(wrong, suspect),
        output=output,
        feeds={"x": X},
        yardstick=yardstick,
        data_set=0,
    )


def evaluated(model, output):
    return evaluate(model, {"x": X}, float64=True, budget_s=10)[output]


@pytest.mark.parametrize("make", [chain, residual, branching, two_towers])
def test_the_one_wrong_node_is_found_exactly(make):
    """Each node of several graphs, made wrong, is found; it alone is cut out as its proof."""
    model, exact, found = make(), reference(Clock(60)), 0
    for at, right in enumerate(model.graph.node):
        wrong = mutated(model, at)
        if wrong is None:
            continue
        bisection = Bisection(sides_of(model, wrong, exact, exact))
        parted = first_divergence(bisection, model)
        if np.max(np.abs(evaluated(wrong, "y") - evaluated(model, "y"))) <= 1e-5:
            assert parted is None
            continue
        found += 1
        divergence = parted.divergence
        assert (divergence.position, divergence.node) == (at, right.name)
        assert divergence.originates
        assert divergence.error > 0
        assert smallest_window(bisection, parted.stop) == parted.stop - 1
        part, error = cut_out(bisection, parted.stop - 1, parted.stop)
        assert [n.name for n in part.model.graph.node] == [right.name]
        assert error == pytest.approx(divergence.error, rel=1e-4)
    assert found >= 2


def test_wrong_node_is_found_between_two_executions():
    """Trusted in float64 by the reference, suspect in ONNX Runtime: values are handed over."""
    model, clock = residual(), Clock(60)
    for at in (1, 5, 7):
        sides = sides_of(
            model, mutated(model, at), reference(clock), onnx_runtime(clock, optimize=False)
        )
        assert first_divergence(Bisection(sides), model).divergence.position == at


def test_number_of_runs_grows_with_the_logarithm_of_the_nodes():
    """Bisection asks for a few dozen parts of a graph of 22 nodes, not for hundreds."""
    model, asked = chain(), []
    exact = reference(Clock(60))

    def ready(part):
        asked.append(len(part.graph.node))
        return exact.ready(part)

    counted = Execution("counted", ready, float64=True)
    first_divergence(Bisection(sides_of(model, mutated(model, 11), counted, counted)), model)
    assert len(asked) <= 4 * np.log2(len(model.graph.node)) + 6


def test_error_that_every_node_adds_to_passes_on():
    """Where no node alone is off by the limit, the one that crosses it is said to pass it on."""
    nodes = [node("Add", [f"t{i}", "e"], f"t{i + 1}") for i in range(10)]
    nodes = [node("Identity", ["x"], "t0"), *nodes, node("Identity", ["t10"], "y")]
    model = model_of(nodes, {"e": np.zeros((), np.float32)})
    wrong = model_of(nodes, {"e": np.array(3e-6, np.float32)})  # crosses 1e-5 at the fourth
    exact = reference(Clock(60))
    bisection = Bisection(sides_of(model, wrong, exact, exact))
    parted = first_divergence(bisection, model)
    assert parted.divergence.node == "t4_node"
    assert not parted.divergence.originates
    assert parted.stop - smallest_window(bisection, parted.stop) == 2  # half of the limit


def test_cut_that_cannot_be_made_is_gone_around():
    """A sequence of tensors lives across some cuts; the node is still found."""
    nodes = [
        node("Tanh", ["x"], "bent"),
        node("SequenceConstruct", ["bent", "x"], "sequence"),
        node("ConcatFromSequence", ["sequence"], "joined", axis=0),
        node("Relu", ["joined"], "y"),
    ]
    model, clock = model_of(nodes, {}), Clock(60)
    for at in (0, 3):
        plain = onnx_runtime(clock, optimize=False)
        sides = sides_of(model, mutated(model, at), plain, plain)
        assert first_divergence(Bisection(sides), model).divergence.position == at


def test_window_that_cannot_be_cut_is_told():
    """Where every cut between right and wrong is impossible, the note says so, and why."""
    nodes = [
        node("SequenceConstruct", ["x", "x"], "sequence"),
        node("ConcatFromSequence", ["sequence"], "y", axis=0),
    ]
    model, clock = model_of(nodes, {}), Clock(60)
    wrong = model_of([nodes[0], node("ConcatFromSequence", ["sequence"], "y", axis=0)], {})
    wrong.graph.node[0].input[1] = "zeros"
    wrong.graph.initializer.append(numpy_helper.from_array(np.zeros_like(X), "zeros"))
    plain = onnx_runtime(clock, optimize=False)
    parted = first_divergence(Bisection(sides_of(model, wrong, plain, plain)), model)
    assert parted.stop == 2
    assert "not narrowed further than nodes 1 to 2" in parted.note
    assert "sequence" in parted.note


def test_graphs_of_other_nodes_are_refused():
    """Two graphs that do not match node by node cannot be disputed about."""
    exact = reference(Clock(60))
    with pytest.raises(ValueError, match="not made of the same nodes"):
        sides_of(chain(), residual(), exact, exact)


def test_time_that_is_over_ends_the_search():
    """An execution refuses to begin anything after its clock has run out."""
    exact = reference(Clock(0.0))
    with pytest.raises(CannotRun, match="time for the explanation is over"):
        Bisection(sides_of(chain(), mutated(chain(), 3), exact, exact))
