"""How often the latency gate cries wolf, and how many true slowdowns it finds.

Every trial is a process of its own that runs :func:`conformance.measuring.measure`, the code
of a zoo run, on bundles made here. A/A trials compare a model with itself, A/B trials with
one that has a tenth more layers. The naive gate, on the same trials: median now above the
median of the trial before by more than the threshold.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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

#: Slowdown of an A/B trial, by a tenth more layers, and the threshold that has to find it.
_ENTRY = {
    "id": "model",
    "framework": "sklearn",
    "source": {"factory": "benchmarks.latency_gate:none"},
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

#: A slowdown takes several looks before it is believed, and so most of the benchmark's time.
_SLOWED_EVERY = 3
#: The naive gate's threshold, of medians.
_NAIVE = 1.05


def main() -> None:
    """Run the trials and print the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--trials",
        type=int,
        default=75,
        help="A/A, of each model and load; one in three is followed by A/B",
    )
    options = parser.parse_args()
    print("each line: a model, the other core, how it is compared; rates with 95% intervals")
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            for load in ("idle", "bursty"):
                with _load(bursty=load == "bursty"):
                    _trials(Path(folder), size, load, options.trials)


def _trials(folder: Path, size: Size, load: str, count: int) -> None:
    honest = _bundle(folder / f"{size.name} {load} a", size, size.layers)
    slower = _bundle(folder / f"{size.name} {load} b", size, size.layers + size.layers // 10)
    kinds = ("A/A paired", "A/A yardstick", "A/B paired", "A/B yardstick")
    taken: dict[str, list[LatencyResult]] = {kind: [] for kind in kinds}
    spent: dict[str, float] = dict.fromkeys(kinds, 0.0)
    naive: dict[str, list[bool]] = {"A/A": [], "A/B": []}
    last = _in_process(honest, None)
    for number in range(count):
        first = last
        for kind in kinds[: None if number % _SLOWED_EVERY == 0 else 2]:
            bundle = slower if kind.startswith("A/B") else honest
            former = str(honest) if kind.endswith("paired") else None
            started = time.perf_counter()
            result = _in_process(bundle, Earlier("before", first, None, None, former))
            spent[kind] += time.perf_counter() - started
            taken[kind].append(result)
            if kind == "A/A paired":
                last = result
            if former is not None:
                naive[kind[:3]].append(result.median_ns > _NAIVE * first.median_ns)
    for kind, results in taken.items():
        _print(size, load, kind, results, spent[kind] / len(results))
    for kind, found in naive.items():
        print(f"{size.name:<22}{load:<8}{kind + ' naive 5%':<16}{_rate(sum(found), len(found))}")


def _print(size: Size, load: str, kind: str, taken: list[LatencyResult], seconds: float) -> None:
    compared = [r for r in taken if r.comparable and r.baseline is not None]
    hits = sum(r.baseline.slower for r in compared if r.baseline is not None)
    ratios = [r.baseline.ratio.value for r in compared if r.baseline is not None]
    spread = np.quantile(ratios, [0.025, 0.5, 0.975]) if ratios else [np.nan] * 3
    print(
        f"{size.name:<22}{load:<8}{kind:<16}{_rate(hits, len(taken))}"
        f"  ratio {spread[1]:.3f} [{spread[0]:.3f}, {spread[2]:.3f}]"
        f"  set aside {len(taken) - len(compared)}  {seconds:.2f} s each"
        f"  median {np.median([r.median_ns for r in taken]) / 1e6:.2f} ms",
        flush=True,
    )


def _rate(hits: int, of: int) -> str:
    interval = binomtest(hits, of).proportion_ci(method="wilson")
    return f"{hits:>4}/{of:<4} {hits / of:6.1%} [{interval.low:.1%}, {interval.high:.1%}]"


def _in_process(bundle: Path, earlier: Earlier | None) -> LatencyResult:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_measure, args=(theirs, bundle, earlier))
    child.start()
    result = from_json(LatencyResult, ours.recv())
    child.join()
    return result


def _measure(pipe: object, bundle: Path, earlier: Earlier | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        payload = {
            "bundle": str(bundle),
            "provider": "cpu",
            "entry": _ENTRY,
            "earlier": None if earlier is None else to_json(earlier),
            "alone": True,
        }
        pipe.send(measure(payload, Progress(Path(folder) / "p.json", "trial"))["latency"])


@contextmanager
def _load(*, bursty: bool) -> Iterator[None]:
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


def _bundle(folder: Path, size: Size, layers: int) -> Path:
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
