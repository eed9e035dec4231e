"""What torch's exporter gains by optimizing the graph itself, before ONNX Runtime does.

Each model is exported with ``optimize=True`` and ``optimize=False`` in alternation, by our
adapter (``do_constant_folding``). Shown for both: the seconds of the export, the nodes in the
file, the nodes that are left when ONNX Runtime has optimized it, the time of its session and
that of a run, in alternation, with the ratios of without to with.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROUNDS = 3
RUNS = 60
_TEXT = {"input_ids": {"dtype": "int64", "shape": ["batch", "sequence"], "high": 1000}}
_IMAGE = {"pixel_values": {"shape": ["batch", 3, 224, 224]}}
_SMALL = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4}
#: Architecture, configuration, inputs, sizes of the traced set.
_MODELS: tuple[tuple[str, dict[str, Any], dict[str, Any], dict[str, int]], ...] = (
    ("BertModel", _SMALL, _TEXT, {"batch": 2, "sequence": 32}),
    (
        "GPT2LMHeadModel",
        {"n_embd": 256, "n_layer": 4, "n_head": 4},
        _TEXT,
        {"batch": 2, "sequence": 32},
    ),
    ("ViTModel", _SMALL, _IMAGE, {"batch": 2}),
    ("ResNetModel", {}, _IMAGE, {"batch": 2}),
    (
        "LlamaForCausalLM",
        {**_SMALL, "intermediate_size": 688, "num_key_value_heads": 2, "vocab_size": 1000},
        _TEXT,
        {"batch": 2, "sequence": 32},
    ),
)


def main() -> None:
    """Print a line per model."""
    print(f"{'with / without':18}{'export s':>15}{'ratio':>7}{'nodes':>12}{'in ORT':>12}", end="")
    print(f"{'session ms':>13}{'run ms':>15}{'ratio':>7}{'apart':>9}")
    for number, (name, config, spec, sizes) in enumerate(_MODELS):
        with tempfile.TemporaryDirectory() as folder:
            if number == 0:
                _exported(name, config, spec, sizes, Path(folder) / "warm-up", optimize=True)
            _compare(name, config, spec, sizes, Path(folder))


def _compare(
    name: str, config: dict[str, Any], spec: dict[str, Any], sizes: dict[str, int], folder: Path
) -> None:
    ways = {True: folder / "with", False: folder / "without"}
    seconds: dict[bool, list[float]] = {True: [], False: []}
    feeds: dict[str, np.ndarray] = {}
    for _ in range(ROUNDS):
        for optimize, out in ways.items():
            taken, feeds = _exported(name, config, spec, sizes, out, optimize=optimize)
            seconds[optimize].append(taken)
    export = [statistics.median(seconds[optimize]) for optimize in ways]
    nodes = [_nodes(out / "model.onnx") for out in ways.values()]
    sessions = [_session(out) for out in ways.values()]
    create = [min(s[1] for s in (_session(out) for _ in range(ROUNDS))) for out in ways.values()]
    answers = [session.run(None, feeds) for session, _ in sessions]
    calls = [_call(session, feeds) for session, _ in sessions]
    run = _medians(calls)
    left = [_nodes(out / "optimized.onnx") for out in ways.values()]
    print(
        f"{name:18}{export[0]:8.1f}/{export[1]:6.1f}{export[1] / export[0]:7.2f}"
        f"{nodes[0]:6}/{nodes[1]:5}{left[0]:6}/{left[1]:5}"
        f"{1e3 * create[0]:7.0f}/{1e3 * create[1]:5.0f}"
        f"{1e3 * run[0]:8.2f}/{1e3 * run[1]:6.2f}{run[1] / run[0]:7.2f}{_apart(*answers):9.1e}",
        flush=True,
    )


def _exported(  # noqa: PLR0913 - a model and how to export it
    name: str,
    config: dict[str, Any],
    spec: dict[str, Any],
    sizes: dict[str, int],
    out: Path,
    *,
    optimize: bool,
) -> tuple[float, dict[str, np.ndarray]]:
    """Export by our adapter: seconds that it took, and the traced inputs."""
    from conformance.entry import ZooEntry
    from conformance.inputs import input_sets
    from conformance.model import Case, to_json
    from conformance.reference import open_source

    entry = {
        "id": "model",
        "framework": "transformers",
        "source": {"architecture": name, "config": config},
        "inputs": {"spec": spec, "sets": [sizes, {axis: n + 1 for axis, n in sizes.items()}]},
        "conversion": {"do_constant_folding": optimize},
    }
    out.mkdir(exist_ok=True)
    payload = {
        "case": to_json(Case(ZooEntry.model_validate(entry), "dynamo", 18, "fp32")),
        "zoo_dir": str(out),
        "cache_dir": str(out),
        "offline": True,
        "seed": 0,
    }
    adapter, job = open_source(payload)
    model = adapter.load(job)
    feeds, _ = input_sets(job.case.entry, job.zoo_dir, 0)
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):  # the exporter tells of its steps
        adapter.export(model, job, feeds, out / "model.onnx")
    return time.perf_counter() - started, feeds


def _session(folder: Path) -> tuple[Any, float]:
    """A session that also writes what became of the graph, and the seconds that it took."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    model = str(folder / "model.onnx")
    started = time.perf_counter()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session, time.perf_counter() - started


def _nodes(path: Path) -> int:
    import onnx

    return len(onnx.load(str(path), load_external_data=False).graph.node)


def _call(session: Any, feeds: dict[str, np.ndarray]) -> Callable[[], object]:
    return lambda: session.run(None, feeds)


def _medians(calls: list[Callable[[], object]]) -> list[float]:
    """Median seconds of each call, in alternation, after five rounds that do not count."""
    seconds: list[list[float]] = [[] for _ in calls]
    for number in range(RUNS + 5):
        for call, taken in zip(calls, seconds, strict=True):
            started = time.perf_counter()
            call()
            if number >= 5:  # noqa: PLR2004 - see above
                taken.append(time.perf_counter() - started)
    return [statistics.median(taken) for taken in seconds]


def _apart(first: list[np.ndarray], second: list[np.ndarray]) -> float:
    """Largest difference of the answers, relative to the largest of them."""
    pairs = list(zip(first, second, strict=True))
    return max(float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-30)) for a, b in pairs)
