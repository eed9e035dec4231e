"""Model folders of people who mean no good, as files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save  # noqa: TID253 - builds models

from conformance.bundle import BundleManifest, digest_files, write_manifest
from conformance.entry import ZooEntry
from conformance.model import Case

ENTRY = ZooEntry.model_validate(
    {
        "id": "m",
        "framework": "pytorch",
        "source": {"factory": "a.b:c"},
        "inputs": {"spec": {"x": {"shape": [4]}}},
    }
)
ZEROS = np.zeros(4, "f4")


def adder(weights: TensorProto):
    """``y = x + weights``."""
    return graph_model([helper.make_node("Add", ["x", "weights"], ["y"])], [weights])


def graph_model(nodes, initializers=(), *, opset=18):
    """A model of ``nodes`` that takes and gives four floats."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy")
    graph = helper.make_graph(list(nodes), "g", [x], [y], list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def external(location: str, **told: str) -> TensorProto:
    """Four floats that are said to be in another file."""
    tensor = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **told}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def put(folder: Path, model) -> Path:
    """A folder in ONNX's layout, whose test data says that the model adds nothing."""
    data_set = folder / "test_data_set_0"
    data_set.mkdir(parents=True)
    save(model, folder / "model.onnx")
    for name, side in (("x", "input"), ("y", "output")):
        message = numpy_helper.from_array(ZEROS, name)
        (data_set / f"{side}_0.pb").write_bytes(message.SerializeToString())
    return folder


def put_bundle(folder: Path, model=None) -> Path:
    """A bundle of ours whose model adds nothing, or one with another model."""
    adds_nothing = adder(numpy_helper.from_array(ZEROS, "weights"))
    put(folder, adds_nothing if model is None else model)
    manifest = BundleManifest(
        case=Case(ENTRY, "dynamo", 18, "fp32"),
        seed=0,
        versions={},
        inputs=("x",),
        outputs=("y",),
        data_sets=1,
        fp64_unavailable="made by hand",
        source_median_ns=None,
        export_seconds=1.0,
        size_bytes=1,
        nodes=1,
        peak_rss_bytes=None,
        files=digest_files(folder),
    )
    return write_manifest(folder, manifest).path


def manifest_of(folder: Path) -> dict:
    """The plain JSON of a bundle's manifest."""
    return json.loads((folder / "bundle.json").read_text())
