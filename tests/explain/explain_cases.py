"""Bundles whose fault is known, one for each step that can be guilty."""

from __future__ import annotations

import numpy as np
import onnx  # noqa: TID253 - light enough for a test
from onnx import TensorProto, helper, numpy_helper  # noqa: TID253 - as above

from conformance.bundle import (
    MODEL,
    BundleManifest,
    DataSet,
    ProbeInfo,
    digest_files,
    write_data_sets,
    write_manifest,
    write_probes,
)
from conformance.entry import ZooEntry
from conformance.evidence import Explanation
from conformance.execution.progress import Progress
from conformance.explain.explain import explain
from conformance.model import Case, from_json, to_json

OPSET = 18


def entry_of(**more):
    return ZooEntry.model_validate(
        {
            "id": "tiny",
            "framework": "pytorch",
            "source": {"factory": "models:tiny"},
            "inputs": {"spec": {"x": {"shape": [3, 4]}}},
            **more,
        }
    )


def model_of(nodes, weights, *, outputs=("y",), rank=2):
    """A model with the one float input ``x``."""
    graph = helper.make_graph(
        nodes,
        "case",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None] * rank)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def bundle_of(folder, model, source, xs, *, float64=True, entry=None, probes=()):
    """A bundle of ``model``, with what ``source`` answers to ``xs`` in float32 and float64.

    ``source`` maps an array to outputs by name, in the dtype that it is given; ``probes`` are
    further arrays, of other sizes along axis 0.
    """
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / MODEL)

    def answered(x):
        return DataSet({"x": x}, source(x), source(x.astype(np.float64)) if float64 else None)

    sets = [answered(x) for x in xs]
    write_data_sets(folder, sets)
    infos = {
        f"batch-{len(x)}": ProbeInfo(f"batch-{len(x)}", "size", "batch", len(x)) for x in probes
    }
    write_probes(folder, dict(zip(infos, map(answered, probes), strict=True)))
    manifest = BundleManifest(
        case=Case(entry or entry_of(), "dynamo", OPSET, "fp32"),
        seed=0,
        versions={},
        inputs=("x",),
        outputs=tuple(sets[0].outputs),
        data_sets=len(sets),
        fp64_unavailable=None if float64 else "it is written in assembly",
        source_median_ns=None,
        export_seconds=0.0,
        size_bytes=0,
        nodes=len(model.graph.node),
        peak_rss_bytes=None,
        files=digest_files(folder),
        probes=tuple(infos.values()),
    )
    return write_manifest(folder, manifest)


def explained(bundle, out, **more):
    """The explanation of a bundle on the CPU; ``out`` is made."""
    out.mkdir()
    payload = {
        "bundle": str(bundle.path),
        "provider": "cpu",
        "entry": to_json(bundle.manifest.case.entry),
        "out": str(out),
        "activations": None,
        **more,
    }
    answer = explain(payload, Progress(out.parent / "progress.json", "tiny"))
    return from_json(Explanation, answer["explanation"])


W = np.linspace(-1, 1, 16, dtype=np.float32).reshape(4, 4)
B = np.linspace(0.5, -0.5, 4, dtype=np.float32)
XS = [np.random.default_rng(seed).normal(size=(3, 4)).astype("f4") for seed in (0, 1)]


def dense_source(x):
    """Y = tanh(x @ W + B)."""
    return {"y": np.tanh(x @ W.astype(x.dtype) + B.astype(x.dtype))}


def dense_model(bias=B):
    return model_of(
        [
            helper.make_node("MatMul", ["x", "w"], ["product"], name="dense/MatMul"),
            helper.make_node("Add", ["product", "b"], ["sum"], name="dense/Add"),
            helper.make_node("Tanh", ["sum"], ["y"], name="dense/Tanh"),
        ],
        {"w": W, "b": bias},
    )


def honest(folder):
    return bundle_of(folder, dense_model(), dense_source, XS)


def wrong_constant(folder):
    """The converter wrote another bias than the source has."""
    return bundle_of(folder, dense_model(B + np.float32(0.01)), dense_source, XS)


def careless_kernel(folder):
    """ONNX Runtime computes elu(x) of small numbers as exp(x) - 1, which loses digits."""
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["small"], name="shrink"),
        helper.make_node("Elu", ["small"], ["y"], name="elu"),
    ]
    w = np.full(4, -1e-3, np.float32)

    def source(x):
        product = x * w.astype(x.dtype)
        return {"y": np.where(product > 0, product, np.expm1(product)).astype(x.dtype)}

    return bundle_of(folder, model_of(nodes, {"w": w}), source, [np.abs(x) + 1 for x in XS])


def careless_fusion(folder):
    """ONNX Runtime scales the weights of the convolution; large terms no longer cancel."""
    weights = np.array([[[[7, -7, 3, -3]]]], np.float32)
    tenth = np.full((1, 1, 1, 1), 0.1, np.float32)
    nodes = [
        helper.make_node("Relu", ["x"], ["positive"], name="relu"),
        helper.make_node("Conv", ["positive", "w"], ["product"], name="conv"),
        helper.make_node("Mul", ["product", "tenth"], ["scaled"], name="scale"),
        helper.make_node("Tanh", ["scaled"], ["y"], name="tanh"),
    ]

    def source(x):
        product = (np.maximum(x, 0) * weights.astype(x.dtype)).sum(-1, keepdims=True)
        return {"y": np.tanh(product * tenth.astype(x.dtype))}

    xs = [np.array([[[[1000001, 1000000, 500000 + more, 500001]]]], np.float32) for more in (3, 4)]
    model = model_of(nodes, {"w": weights, "tenth": tenth}, rank=4)
    return bundle_of(folder, model, source, xs)
