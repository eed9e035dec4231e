"""Peak memory of exporting a PyTorch model, against torch's own two ways to save one.

Every way runs in a process of its own; its peak is the one that the kernel kept (``wait4``).
Two figures are shown: the peak of the whole process, and that less what the process held when
the imports were done, as a multiple of the weights. The goal is for the first.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

#: 12 layers of this width are 151 million parameters.
WIDTH = 1024
LAYERS = 12
_MIB = 1 << 20
#: The goal: this many times the weights, and what torch itself takes.
_GOAL_WEIGHTS = 1.1
_GOAL_MIB = 600
_ENTRY = {
    "id": "encoder",
    "framework": "pytorch",
    "source": {"factory": "benchmarks.export_memory:encoder"},
    "inputs": {
        "spec": {"x": {"shape": ["batch", "length", WIDTH]}},
        "sets": [{"batch": 2, "length": 5}, {"batch": 3, "length": 7}],
    },
}


def main() -> None:
    """Print a line per way."""
    print(f"{'':34}{'seconds':>9}{'peak MiB':>10}{'imports':>9}{'more':>8}{'x weights':>11}")
    found: dict[str, dict[str, float]] = {}
    for name in _WAYS:
        found[name] = told = _in_a_process(name)
        more = told["peak_mib"] - told["imports_mib"]
        weights = told["weights_mib"]
        print(
            f"{name:34}{told['seconds']:9.1f}{told['peak_mib']:10.0f}{told['imports_mib']:9.0f}"
            f"{more:8.0f}{more / weights:11.2f}",
            flush=True,
        )
    goal = _GOAL_WEIGHTS * weights + _GOAL_MIB
    print(f"weights {weights:.0f} MiB; the goal for ours is {goal:.0f} MiB:", end=" ")
    for name in ("torch, inline", "torch, external data"):
        print(f"ours / {name} {found['ours']['peak_mib'] / found[name]['peak_mib']:.2f};", end=" ")
    print("met" if found["ours"]["peak_mib"] <= goal else "missed")


def encoder() -> Any:
    """A transformer's encoder: large matrices, as in most large models."""
    import torch

    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(WIDTH, 16, 4 * WIDTH, batch_first=True)
    return torch.nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False).eval()


def _in_a_process(name: str) -> dict[str, float]:
    """What a way took: seconds of the export alone, and its process's memory in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        started = [sys.executable, "-m", __spec__.name, name, folder]
        process = subprocess.Popen(started, stdout=subprocess.PIPE, text=True)
        if process.stdout is None:
            raise RuntimeError("the process has no output")
        *_, last = process.stdout.read().splitlines() or ["{}"]
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"'{name}' ended with {process.returncode}")
    return {**json.loads(last), "peak_mib": usage.ru_maxrss / 1024}


def _torch(out: Path, *, external_data: bool) -> tuple[Any, Callable[[], object]]:
    import torch

    model, x = encoder(), torch.rand(2, 5, WIDTH)
    dynamic = {"src": {0: "batch", 1: "length"}}

    def export() -> None:
        # as our adapter asks for it, but for how it is saved
        torch.onnx.export(
            model,
            (x,),
            out / "model.onnx",
            dynamo=True,
            verbose=False,
            opset_version=18,
            dynamic_shapes=dynamic,
            external_data=external_data,
        )

    return model, export


def _torch_inline(out: Path) -> tuple[Any, Callable[[], object]]:
    return _torch(out, external_data=False)


def _torch_external(out: Path) -> tuple[Any, Callable[[], object]]:
    return _torch(out, external_data=True)


def _ours(out: Path) -> tuple[Any, Callable[[], object]]:
    """The adapter's export alone, as pipeline.convert calls it."""
    from conformance.reference import open_source

    adapter, job = open_source(_payload(out))
    model = adapter.load(job)
    feeds = {"x": np.ones((2, 5, WIDTH), np.float32)}
    return model.module, lambda: adapter.export(model, job, feeds, out / "model.onnx")


def _ours_whole(out: Path) -> tuple[Any, Callable[[], object]]:
    """The whole conversion: also the answers of the source in float32 and float64, the check."""
    import torch

    from conformance.execution.progress import Progress
    from conformance.pipeline import convert

    with torch.device("meta"):
        counted = encoder()  # has no memory: the conversion builds its own
    return counted, lambda: convert(_payload(out), Progress(out / "progress.json", "encoder"))


def _payload(out: Path) -> dict[str, Any]:
    from conformance.entry import ZooEntry
    from conformance.model import Case, to_json

    case = Case(ZooEntry.model_validate(_ENTRY), "dynamo", 18, "fp32")
    return {
        "case": to_json(case),
        "zoo_dir": str(Path(__file__).parents[1]),
        "cache_dir": str(out),
        "offline": True,
        "seed": 0,
        "out": str(out),
    }


_WAYS = {
    "torch, inline": _torch_inline,
    "torch, external data": _torch_external,
    "ours": _ours,
    "ours, the whole conversion": _ours_whole,
}


def _child(name: str, out: Path) -> None:
    """Export in this process, and tell what it held before."""
    from conformance.adapters.pytorch import PyTorchAdapter

    for module in ("conformance.pipeline", *PyTorchAdapter.info.preload):
        import_module(module)
    imports_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    model, export = _WAYS[name](out)
    started = time.perf_counter()
    export()
    told = {
        "seconds": time.perf_counter() - started,
        "imports_mib": imports_mib,
        "weights_mib": _weights_bytes(model) / _MIB,
    }
    print(f"\n{json.dumps(told)}")


def _weights_bytes(model: Any) -> int:
    return sum(p.numel() * p.element_size() for p in model.parameters())


if __name__ == "__main__":
    _child(sys.argv[1], Path(sys.argv[2]))
