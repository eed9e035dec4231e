from __future__ import annotations

import numpy as np
import onnx  # noqa: TID253 - light enough for a test
from explain_cases import W, dense_model, model_of
from onnx import helper  # noqa: TID253 - graphs are made here

from conformance.explain.executions import CannotRun, Clock, Execution, onnx_runtime, reference
from conformance.explain.kernels import check_kernels

X = np.random.default_rng(0).normal(size=(3, 4)).astype("f4")


def runtime_with(clock, op, other):
    """ONNX Runtime with a wrong kernel: it computes ``other`` where the graph says ``op``."""
    plain = onnx_runtime(clock, optimize=False)

    def ready(model):
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        for node in copy.graph.node:
            node.op_type = other if node.op_type == op else node.op_type
        return plain.ready(copy)

    return Execution("a runtime with a wrong kernel", ready)


def checked(model, suspect, clock):
    return check_kernels(model, "y", {"x": X}, reference(clock, float64=False), suspect, clock)


def test_right_kernels_are_all_checked():
    """Every node of an honest runtime answers as the reference does."""
    clock = Clock(60)
    found = checked(dense_model(), onnx_runtime(clock, optimize=False), clock)
    assert (found.wrong, found.checked, found.nodes) == (None, 3, 3)
    assert not found.unknown
    assert found.stopped is None


def test_wrong_kernel_is_named():
    """The first node that a runtime computes otherwise is found among the right ones."""
    clock = Clock(60)
    found = checked(dense_model(), runtime_with(clock, "Add", "Sub"), clock)
    assert (found.wrong.node, found.wrong.position) == ("dense/Add", 1)
    assert found.wrong.location == "dense"
    assert found.wrong.originates
    assert found.checked == 2


def test_operator_that_the_reference_lacks_is_passed_over():
    """An unknown operator is counted, and the nodes behind it are checked all the same."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("FastGelu", ["a"], ["b"], domain="com.microsoft"),
        helper.make_node("Tanh", ["b"], ["y"]),
    ]
    model = model_of(nodes, {"w": W})
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    clock = Clock(60)
    found = checked(model, runtime_with(clock, "Tanh", "Sigmoid"), clock)
    assert found.unknown == {"FastGelu": 1}
    assert found.wrong.op_type == "Tanh"


def test_check_that_cannot_go_on_says_where_it_stopped():
    """A node that the runtime refuses ends the check; what was checked until then is told."""
    clock = Clock(60)
    plain = onnx_runtime(clock, optimize=False)

    def ready(model):
        if model.graph.node[0].op_type == "Tanh":
            raise CannotRun("no such kernel")
        return plain.ready(model)

    found = checked(dense_model(), Execution("refusing", ready), clock)
    assert (found.wrong, found.checked) == (None, 2)
    assert found.stopped == "at node 3: no such kernel"
