"""Bundles of equal layers, of which more take longer."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from conformance.bundle import (
    MODEL,
    BundleManifest,
    DataSet,
    digest_files,
    write_data_sets,
    write_manifest,
)
from conformance.entry import ZooEntry
from conformance.evidence import Ratio
from conformance.model import Case

WIDTH = 64
ENTRY = {
    "id": "layers",
    "framework": "sklearn",
    "source": {"factory": "timed_bundles:layers"},
    "inputs": {"spec": {"x": {"shape": [1], "low": 0, "high": 1}}},
}


def layers_bundle(folder: Path, layers: int, *, name: str = "x") -> Path:
    """A bundle whose model has so many layers; its input is called ``name``."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    nodes, weights, value = [], [], name
    for layer in range(layers):
        drawn = rng.standard_normal((WIDTH, WIDTH), dtype=np.float32) / WIDTH**0.5
        weights.append(numpy_helper.from_array(drawn, f"w{layer}"))
        nodes.append(helper.make_node("MatMul", [value, f"w{layer}"], [f"m{layer}"]))
        nodes.append(helper.make_node("Tanh", [f"m{layer}"], [f"t{layer}"]))
        value = f"t{layer}"
    graph = helper.make_graph(
        nodes,
        "layers",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [WIDTH, WIDTH])],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, [WIDTH, WIDTH])],
        weights,
    )
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=10), folder / MODEL)
    x = rng.standard_normal((WIDTH, WIDTH), dtype=np.float32)
    write_data_sets(folder, [DataSet({name: x}, {value: x}, None)])
    write_manifest(
        folder,
        BundleManifest(
            case=Case(ZooEntry.model_validate(ENTRY), "skl2onnx", 18, "fp32"),
            seed=0,
            versions={},
            inputs=(name,),
            outputs=(value,),
            data_sets=1,
            fp64_unavailable=None,
            source_median_ns=4_000_000,
            export_seconds=0.1,
            size_bytes=1,
            nodes=len(nodes),
            peak_rss_bytes=None,
            files=digest_files(folder),
            speedups={"cpu": Ratio(2.3, 2.2, 2.4, 9)},
        ),
    )
    return folder
