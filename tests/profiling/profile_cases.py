"""Models of which it is known where their time goes, and profiles as ONNX Runtime writes them."""

from __future__ import annotations

import json

import numpy as np
import onnx  # noqa: TID253 - light enough for a test
from onnx import TensorProto, helper, numpy_helper  # noqa: TID253 - as above

HOSTILE = '</title><script>alert(1)</script>\x1b[31m"\n\u202e{{ 7 * 7 }}'


def node(op_type, inputs, outputs, module=None, **attributes):
    """A node, with what the dynamo exporter writes down of a module."""
    made = helper.make_node(op_type, inputs, outputs, **attributes)
    if module is not None:
        key = "pkg.torch.onnx.name_scopes"
        made.metadata_props.add(key=key, value=repr(["", module, "call"]))
        trace = 'File "/home/me/net.py", line 7, in forward\n    return self.layer(x)'
        made.metadata_props.add(key="pkg.torch.onnx.stack_trace", value=trace)
    return made


def model(nodes, shape, weights=None, outputs=("y",), kind=TensorProto.FLOAT):
    """A model with the one input ``x``."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def heavy(name="product"):
    """A MatMul of 134 million operations among nodes that have nearly nothing to do."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.standard_normal((512, 512)).astype("f4"),
        "axes": np.array([0]),
        "one": np.float32(1).reshape(()),
    }
    nodes = [
        node("MatMul", ["x", "w"], ["h"], "block.ffn", name=name),
        node("ReduceMean", ["h", "axes"], ["m"], "block.pool", name="mean"),
        node("Sin", ["m"], ["s"], "head", name="sine"),
        node("Sub", ["s", "one"], ["y"], "head", name="minus"),
    ]
    return model(nodes, [512, 512], weights)


def nested():
    """A Loop of five MatMuls, then an If; nodes of both are called the same."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            node("MatMul", ["v", "w"], ["v1"], "cell", name="inner"),
            helper.make_node("Identity", ["c"], ["c1"]),
        ],
        "body",
        [
            value("i", TensorProto.INT64, []),
            value("c", TensorProto.BOOL, []),
            value("v", TensorProto.FLOAT, [64, 64]),
        ],
        [value("c1", TensorProto.BOOL, []), value("v1", TensorProto.FLOAT, [64, 64])],
    )
    branches = {
        name: helper.make_graph(
            [helper.make_node(op_type, ["z"], ["t"], name="inner")],
            name,
            [],
            [value("t", TensorProto.FLOAT, [64, 64])],
        )
        for name, op_type in {"then_branch": "Relu", "else_branch": "Neg"}.items()
    }
    nodes = [
        node("Loop", ["n", "", "x"], ["z"], "rnn", name="loop", body=body),
        helper.make_node("ReduceMax", ["z"], ["s"], keepdims=0),
        helper.make_node("Greater", ["s", "zero"], ["p"]),
        node("If", ["p"], ["y"], "gate", name="choice", **branches),
    ]
    weights = {
        "w": np.eye(64, dtype="f4"),
        "n": np.array(5),
        "zero": np.float32(0).reshape(()),
    }
    return model(nodes, [64, 64], weights)


def convolutional():
    """What ONNX Runtime rewrites: a Conv with Relu, and a MatMul with a bias."""
    rng = np.random.default_rng(0)
    weights = {
        "k": rng.standard_normal((16, 3, 3, 3)).astype("f4"),
        "w": rng.standard_normal((16, 4)).astype("f4"),
        "b": np.zeros(4, "f4"),
    }
    nodes = [
        node("Conv", ["x", "k"], ["c"], "stem.conv", name="conv"),
        node("Relu", ["c"], ["r"], "stem.act", name="act"),
        node("GlobalAveragePool", ["r"], ["p"], "pool", name="pool"),
        node("Flatten", ["p"], ["f"], "pool", name="flat"),
        node("MatMul", ["f", "w"], ["l"], "head.product", name="linear"),
        node("Add", ["l", "b"], ["y"], "head.bias", name="bias"),
    ]
    return model(nodes, [1, 3, 16, 16], weights)


def saved(folder, made, name="model.onnx"):
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(made, folder / name)
    return folder / name


def kernel(name, start, duration, op_type="Add", index=0):
    """An event of the profiler."""
    args = {
        "op_name": op_type,
        "provider": "CPUExecutionProvider",
        "node_index": str(index),
        "output_type_shape": [{"float": [2, 3]}],
    }
    event = {"cat": "Node", "name": f"{name}_kernel_time", "ts": start, "dur": duration}
    return event | {"args": args}


def span(name, start, duration):
    """A run, or the execution of a graph."""
    return {"cat": "Session", "name": name, "ts": start, "dur": duration, "args": {}}


def written(file, events):
    """The events as ONNX Runtime writes them, one on a line."""
    file.write_text("[\n" + ",\n".join(map(json.dumps, events)) + "\n]\n")
    return file
