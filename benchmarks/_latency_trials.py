"""Trials of the latency gate: models of equal layers, measured as a zoo run measures them.

Every trial is a process of its own that runs :func:`conformance.measuring.measure`, the code
of a zoo run, on bundles made here.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from conformance.bundle import (
    MODEL,
    BundleManifest,
    DataSet,
    digest_files,
    write_data_sets,
    write_manifest,
)
from conformance.entry import ZooEntry
from conformance.evidence import LatencyResult
from conformance.execution.progress import Progress
from conformance.measuring import Earlier, measure
from conformance.model import Case, from_json, to_json

_ENTRY: dict[str, Any] = {
    "id": "model",
    "framework": "sklearn",
    "source": {"factory": "benchmarks._latency_trials:none"},
    "inputs": {"spec": {"x": {"shape": [1], "low": 0, "high": 1}}},
}


@dataclass(frozen=True, slots=True)
class Size:
    """A model of equal layers, so that a tenth more of them is a tenth more work."""

    name: str
    width: int
    rows: int
    layers: int


SIZES = (Size("sub-millisecond", 96, 32, 20), Size("tens of milliseconds", 768, 160, 20))


def rate(hits: int, of: int) -> str:
    """Hits of trials, as a share with its 95% interval."""
    if not of:
        return "   none"
    interval = binomtest(hits, of).proportion_ci(method="wilson")
    return f"{hits:>4}/{of:<4} {hits / of:6.1%} [{interval.low:.1%}, {interval.high:.1%}]"


def in_process(
    bundle: Path, earlier: Earlier | None, terms: Mapping[str, float] | None = None
) -> LatencyResult:
    """Measure a bundle in a process of its own.

    Args:
        bundle: of :func:`make_bundle`.
        earlier: what it is compared with.
        terms: ``regression`` and ``certain``, where they are not the default ones.
    """
    entry = {**_ENTRY, "latency": dict(terms or {})}
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_measure, args=(theirs, bundle, entry, earlier))
    child.start()
    result = from_json(LatencyResult, ours.recv())
    child.join()
    return result


def _measure(pipe: Any, bundle: Path, entry: Mapping[str, Any], earlier: Earlier | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        payload = {
            "bundle": str(bundle),
            "provider": "cpu",
            "entry": entry,
            "earlier": None if earlier is None else to_json(earlier),
            "alone": True,
        }
        pipe.send(measure(payload, Progress(Path(folder) / "p.json", "trial"))["latency"])


@contextmanager
def loaded(*, bursty: bool) -> Iterator[None]:
    """While it lasts, the last core works and sleeps by turns, where ``bursty``."""
    if not bursty:
        yield
        return
    child = multiprocessing.get_context("fork").Process(target=_burst, daemon=True)
    child.start()
    try:
        yield
    finally:
        child.kill()
        child.join()


def _burst() -> None:
    """Work and sleep by turns, each for 20 to 300 ms, on the last core."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rng = np.random.default_rng(0)
    block = np.ones((400, 400), dtype=np.float32)
    while True:
        until = time.perf_counter() + rng.uniform(0.02, 0.3)
        while time.perf_counter() < until:
            block @ block
        time.sleep(rng.uniform(0.02, 0.3))


def make_bundle(folder: Path, size: Size, layers: int) -> Path:
    """Make a bundle of a model of so many layers."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    folder.mkdir()
    rng = np.random.default_rng(0)
    weights, nodes, name = [], [], "x"
    for layer in range(layers):
        drawn = rng.standard_normal((size.width, size.width), dtype=np.float32) / size.width**0.5
        weights.append(numpy_helper.from_array(drawn, f"w{layer}"))
        nodes += [
            helper.make_node("MatMul", [name, f"w{layer}"], [f"m{layer}"]),
            helper.make_node("Tanh", [f"m{layer}"], [f"t{layer}"]),
        ]
        name = f"t{layer}"
    shape = [size.rows, size.width]
    graph = helper.make_graph(
        nodes,
        "layers",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, folder / MODEL)
    x = rng.standard_normal(shape, dtype=np.float32)
    write_data_sets(folder, [DataSet({"x": x}, {name: x}, None)])
    entry = ZooEntry.model_validate(_ENTRY)
    manifest = BundleManifest(
        case=Case(entry, "skl2onnx", 18, "fp32"),
        seed=0,
        versions={},
        inputs=("x",),
        outputs=(name,),
        data_sets=1,
        fp64_unavailable=None,
        source_median_ns=None,
        export_seconds=0.0,
        size_bytes=0,
        nodes=len(nodes),
        peak_rss_bytes=None,
        files=digest_files(folder),
    )
    write_manifest(folder, manifest)
    return folder
