"""Hostile models through a real replay: each gets its verdict, and the next one is replayed."""

from __future__ import annotations

import numpy as np
import pytest
from hostile_models import adder, graph_model, put, put_bundle
from onnx import TensorProto, helper, numpy_helper  # noqa: TID253 - builds models

from conformance.execution.child import children
from conformance.model import Stage, Verdict
from conformance.replay import Replay, find_model_folders

node, value_info = helper.make_node, helper.make_tensor_value_info
TRUE = numpy_helper.from_array(np.array(True), "true")
#: Protobuf reads a hundred levels; each graph in a graph takes several.
TOO_DEEP = 60


def claims(*dims: int, raw: bytes = b""):
    """A model whose weights are said to be of a size that nobody has."""
    return adder(TensorProto(name="weights", data_type=1, dims=dims, raw_data=raw))


def fills_memory():
    """``ConstantOfShape`` of 2^48 elements: half a petabyte and more, asked for when run."""
    shape = numpy_helper.from_array(np.array([2**48]), "shape")
    nodes = [
        node("ConstantOfShape", ["shape"], ["zeros"]),
        node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
        node("Add", ["x", "sum"], ["y"]),
    ]
    return graph_model(nodes, [shape])


def endless():
    """A ``Loop`` of 2^62 rounds."""
    body = helper.make_graph(
        [node("Identity", ["go"], ["goes"]), node("Identity", ["v"], ["w"])],
        "body",
        [
            value_info("i", TensorProto.INT64, []),
            value_info("go", TensorProto.BOOL, []),
            value_info("v", TensorProto.FLOAT, [4]),
        ],
        [value_info("goes", TensorProto.BOOL, []), value_info("w", TensorProto.FLOAT, [4])],
    )
    rounds = numpy_helper.from_array(np.array(2**62), "rounds")
    return graph_model([node("Loop", ["rounds", "true", "x"], ["y"], body=body)], [rounds, TRUE])


def nested(depth: int) -> bytes:
    """``If`` within ``If``; as bytes, since protobuf builds none that it would not read."""
    result = [value_info("o", TensorProto.FLOAT, [4])]
    inner = helper.make_graph([node("Identity", ["x"], ["o"])], "leaf", [], result)
    data = inner.SerializeToString()
    for _ in range(depth):
        attribute = _field(1, b"then_branch") + _field(6, data) + bytes([20 << 3 & 0x7F | 0x80, 1])
        data = _field(1, _field(1, b"true") + _field(5, attribute + b"\x05")) + _field(2, b"g")
    whole = graph_model([node("Identity", ["x"], ["y"])], [TRUE])
    return whole.SerializeToString() + _field(7, data)


def _field(number: int, data: bytes) -> bytes:
    """A field of bytes in protobuf's format."""
    length, size = b"", len(data)
    while size > 0x7F:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + data


HOSTILE = {
    "unknown op": (graph_model([node("NoSuchOp", ["x"], ["y"])]), "NoSuchOp"),
    "cycle": (
        graph_model(
            [
                node("Add", ["x", "b"], ["a"]),
                node("Add", ["a", "x"], ["b"]),
                node("Relu", ["b"], ["y"]),
            ]
        ),
        "not acyclic",
    ),
    "opset 99": (graph_model([node("Relu", ["x"], ["y"])], opset=99), "Opset 99"),
    "2^40 elements": (claims(2**40), "refuses the model"),
    "2^40 elements in 16 bytes": (claims(2**40, raw=bytes(16)), "refuses the model"),
    "2^64 elements": (claims(2**62, 4), "refuses the model"),
    "a negative size": (claims(-4, raw=bytes(16)), "refuses the model"),
    "memory for 2^48": (fills_memory(), "ConstantOfShape"),
}


@pytest.fixture(scope="module")
def executor():
    """Children, for all tests here."""
    executor = children()
    yield executor
    executor.close()


def replayed(executor, folder, timeout_s=60.0):
    """What a replay says of one model folder."""
    return Replay(executor, "cpu", timeout_s=timeout_s).run(next(find_model_folders(folder)))


@pytest.mark.parametrize("write", [put, put_bundle])
def test_a_hostile_model_fails_with_its_reason_and_an_honest_one_still_passes(
    executor, tmp_path, write
):
    """Foreign folders and bundles alike: a verdict at the session's stage that says why."""
    for number, (name, (model, reason)) in enumerate(HOSTILE.items()):
        found = replayed(executor, write(tmp_path / str(number), model))
        assert (found.verdict, found.stage) == (Verdict.FAIL, Stage.SESSION), name
        assert reason in found.reason, name
    weights = numpy_helper.from_array(np.zeros(4, "f4"), "weights")
    assert replayed(executor, put(tmp_path / "honest", adder(weights))).verdict is Verdict.PASS


def test_an_endless_loop_is_stopped_by_its_timeout(executor, tmp_path):
    """The process is ended from outside: ONNX Runtime does not come back to be asked."""
    found = replayed(executor, put(tmp_path / "loop", endless()), timeout_s=2.0)
    assert (found.verdict, found.stage) == (Verdict.FAIL, Stage.SESSION)
    assert "its timeout of 2 s" in found.reason


def test_graphs_that_nest_beyond_what_can_be_read_are_refused(executor, tmp_path):
    """At the door, in words, rather than by a stack that overflows."""
    folder = put(tmp_path / "deep", graph_model([node("Identity", ["x"], ["y"])]))
    (folder / "model.onnx").write_bytes(nested(TOO_DEEP))
    found = replayed(executor, folder)
    assert (found.verdict, found.stage) == (Verdict.FAIL, Stage.LOAD)
    assert "nests too deeply" in found.reason
    (folder / "model.onnx").write_bytes(nested(2))
    assert "nests too deeply" not in (replayed(executor, folder).reason or "")
