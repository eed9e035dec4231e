"""Small models with a source in NumPy, and bundles of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save_model  # noqa: TID253 - all is onnx here

from conformance.bundle import (
    MODEL,
    Bundle,
    BundleManifest,
    DataSet,
    digest_files,
    write_data_sets,
    write_manifest,
)
from conformance.entry import ZooEntry
from conformance.evidence import MutationReport
from conformance.execution.progress import Progress
from conformance.model import Case, from_json
from conformance.mutation.mutate import mutate

Source = Callable[..., dict[str, np.ndarray]]
_RNG = np.random.default_rng(7)
W1, B1 = _RNG.normal(size=(4, 6)).astype("f4"), _RNG.normal(size=6).astype("f4")
W2, B2 = _RNG.normal(size=(6, 3)).astype("f4"), _RNG.normal(size=3).astype("f4")
TABLE = _RNG.normal(size=(11, 5)).astype("f4")


def model_of(
    nodes: Sequence[Any],
    inputs: dict[str, tuple[int, list[int | str]]],
    outputs: dict[str, tuple[int, list[int | str]]],
    constants: dict[str, np.ndarray],
) -> Any:
    """An ONNX model at opset 18, with the classical operators at 3."""
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(n, kind, shape) for n, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(n, kind, shape) for n, (kind, shape) in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def perceptron(*, dead: bool = False) -> Any:
    """Two dense layers; with ``dead``, also a branch that reaches no output."""
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"], name="dense_1"),
        helper.make_node("Add", ["a", "b1"], ["b"], name="bias_1"),
        helper.make_node("Relu", ["b"], ["c"], name="relu"),
        helper.make_node("MatMul", ["c", "w2"], ["d"], name="dense_2"),
        helper.make_node("Add", ["d", "b2"], ["y"], name="bias_2"),
    ]
    constants = {"w1": W1, "b1": B1, "w2": W2, "b2": B2}
    if dead:
        nodes.append(helper.make_node("Mul", ["x", "unused"], ["nowhere"], name="dead"))
        constants["unused"] = np.array([2, 3, 4, 5], "f4")
    kinds = (TensorProto.FLOAT, ["batch", 4]), (TensorProto.FLOAT, ["batch", 3])
    return model_of(nodes, {"x": kinds[0]}, {"y": kinds[1]}, constants)


def perceptron_source(dtype: str, x: np.ndarray) -> dict[str, np.ndarray]:
    """The same in NumPy."""
    w1, b1, w2, b2, x = (array.astype(dtype) for array in (W1, B1, W2, B2, x))
    return {"y": np.maximum(x @ w1 + b1, 0) @ w2 + b2}


def pooling() -> Any:
    """The mean of the embeddings that a mask does not hide."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"], name="embed"),
        helper.make_node("Cast", ["attention_mask"], ["m"], name="cast", to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["m", "last"], ["m1"], name="unsqueeze"),
        helper.make_node("Mul", ["e", "m1"], ["hidden"], name="hide"),
        helper.make_node("ReduceSum", ["hidden", "tokens"], ["s"], name="sum", keepdims=0),
        helper.make_node("ReduceSum", ["m", "tokens"], ["n"], name="count", keepdims=1),
        helper.make_node("Div", ["s", "n"], ["y"], name="mean"),
    ]
    kind = (TensorProto.INT64, ["batch", "length"])
    return model_of(
        nodes,
        {"ids": kind, "attention_mask": kind},
        {"y": (TensorProto.FLOAT, ["batch", 5])},
        {"table": TABLE, "last": np.array([2]), "tokens": np.array([1])},
    )


def pooling_source(
    dtype: str, ids: np.ndarray, attention_mask: np.ndarray
) -> dict[str, np.ndarray]:
    """The same in NumPy."""
    mask = attention_mask.astype(dtype)
    hidden = TABLE.astype(dtype)[ids] * mask[..., None]
    return {"y": hidden.sum(axis=1) / mask.sum(axis=1, keepdims=True)}


def random_inputs(seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Three input sets for the perceptron."""
    rng = np.random.default_rng(seed)
    return [{"x": rng.normal(size=(n, 4)).astype("f4")} for n in (6, 9, 1)]


def token_inputs(*, padded: bool) -> list[dict[str, np.ndarray]]:
    """Three input sets for the pooling; ``padded`` ones hide the end of some rows."""
    rng = np.random.default_rng(1)
    sets = []
    for rows, length in ((3, 7), (2, 4), (4, 5)):
        mask = np.ones((rows, length), np.int64)
        if padded:
            mask[::2, length // 2 :] = 0
        sets.append({"ids": rng.integers(0, 11, (rows, length)), "attention_mask": mask})
    return sets


def write_case(
    folder: Path,
    model: Any,
    source: Source,
    input_sets: Sequence[dict[str, np.ndarray]],
    *,
    external: bool = False,
    **entry: Any,
) -> Bundle:
    """A bundle with what ``source(dtype, **inputs)`` answers in float32 and in float64."""
    folder.mkdir()
    location = {"save_as_external_data": True, "location": "model.onnx.data", "size_threshold": 0}
    save_model(model, str(folder / MODEL), **(location if external else {}))
    data_sets = [
        DataSet(inputs, source("f4", **inputs), source("f8", **inputs)) for inputs in input_sets
    ]
    write_data_sets(folder, data_sets)
    zoo_entry = ZooEntry.model_validate(
        {
            "id": "m",
            "framework": "pytorch",
            "source": {"factory": "a.b:c"},
            "inputs": {"files": [f"{n}.npz" for n in range(len(data_sets))]},
            **entry,
        }
    )
    manifest = BundleManifest(
        case=Case(zoo_entry, "dynamo", 18, "fp32"),
        seed=0,
        versions={},
        inputs=tuple(input_sets[0]),
        outputs=tuple(data_sets[0].outputs),
        data_sets=len(data_sets),
        fp64_unavailable=None,
        source_median_ns=None,
        export_seconds=1.0,
        size_bytes=1,
        nodes=len(model.graph.node),
        peak_rss_bytes=None,
        files=digest_files(folder),
    )
    return write_manifest(folder, manifest)


def mutation_of(bundle: Bundle, *, mutants: int = 20, seed: int = 0) -> MutationReport:
    """What :func:`mutate` reports, as it comes back from another process."""
    payload = {
        "bundle": str(bundle.path),
        "provider": "cpu",
        "entry": bundle.manifest.case.entry.model_dump(mode="json"),
        "mutants": mutants,
        "seed": seed,
    }
    progress = Progress(bundle.path.parent / "progress.json", "m")
    return from_json(MutationReport, mutate(payload, progress)["mutation"])
