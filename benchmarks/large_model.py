"""A model over 2 GB from end to end, and what its parity session costs.

A GPT-2 configuration of 695 million parameters (2.6 GiB) is a zoo of its own: exported, proven
and timed by pytest, as any other. Then its session is created as parity does it, without
pre-packing, and as ONNX Runtime does it by default, in alternation; each in a process of its
own, since freed memory would make the next one quicker. How far the answers of both to the
bundle's inputs are apart is shown beside the times.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROUNDS = 3
#: The goal: this share of the time that ONNX Runtime takes by default.
_GOAL = 0.1
_ZOO = """
models:
  - id: gpt2-695m
    framework: transformers
    source:
      architecture: GPT2LMHeadModel
      config: {n_embd: 1280, n_layer: 32, n_head: 20}
    inputs:
      spec: {input_ids: {dtype: int64, shape: [batch, sequence], high: 50257}}
      sets: [{batch: 2, sequence: 5}, {batch: 3, sequence: 7}]
    timeout: 1200
"""


def main() -> None:
    """Print what the run says of the model, then both sessions and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        model = _run(Path(name))
        seconds: dict[str, list[float]] = {"proving": [], "default": []}
        for _ in range(ROUNDS):
            for way, taken in seconds.items():
                taken.append(_create(way, model, Path(name)))
        proving, default = (statistics.median(seconds[way]) for way in ("proving", "default"))
        print(f"session created, median of {ROUNDS} alternating rounds, each in a new process")
        print(f"  as parity does it   {proving:8.2f} s")
        print(f"  ONNX Runtime's own  {default:8.2f} s")
        met = "met" if proving <= _GOAL * default else "missed"
        print(f"  ratio               {proving / default:8.3f}   (goal {_GOAL}: {met})")
        _compare(Path(name))


def _run(folder: Path) -> Path:
    """Have pytest prove the zoo, print its record, and find the bundle's model."""
    (folder / "zoo.yaml").write_text(_ZOO, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--zoo", "zoo.yaml"]
    environment = {**os.environ, "CONFORMANCE_CACHE_DIR": str(folder / "cache")}
    started = time.perf_counter()
    ended = subprocess.run(
        command, cwd=folder, env=environment, check=False, capture_output=True, text=True
    )
    seconds = time.perf_counter() - started
    if ended.returncode:
        raise RuntimeError(f"the run ended with {ended.returncode}:\n{ended.stdout[-3000:]}")
    (model,) = (folder / "cache").rglob("model.onnx")
    told = json.loads((model.parent / "bundle.json").read_text(encoding="utf-8"))
    print(
        f"proven in {seconds:.0f} s: {told['size_bytes'] / (1 << 30):.2f} GiB, {told['nodes']} "
        f"nodes, exported in {told['export_seconds']:.0f} s, "
        f"peak of the conversion {told['peak_rss_bytes'] / (1 << 30):.2f} GiB"
    )
    print("\n".join(ended.stdout.splitlines()[-12:]), flush=True)
    return model


def _create(way: str, model: Path, folder: Path) -> float:
    """Seconds that a session takes, in a new process that also leaves its answers."""
    command = [sys.executable, "-m", "benchmarks.large_model", way, str(model), str(folder)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(ended.stdout.split()[-1])


def _compare(folder: Path) -> None:
    with (
        np.load(folder / "proving.npz") as proving,
        np.load(folder / "default.npz") as default,
    ):
        pairs = [(proving[name], default[name]) for name in default.files]
    if all(np.array_equal(ours, theirs) for ours, theirs in pairs):
        print("  answers             the same, bit for bit")
        return
    apart = max(float(np.abs(ours - theirs).max()) for ours, theirs in pairs)
    largest = max(float(np.abs(theirs).max()) for _, theirs in pairs)
    print(f"  answers             {apart / largest:.1e} of their largest value apart")


def _child(way: str, model: Path, folder: Path) -> None:
    """Create a session, ask it, and print how long the first took."""
    import onnxruntime  # noqa: F401 - its import is no part of a session

    from conformance import runtime
    from conformance.bundle import Bundle, read_manifest

    started = time.perf_counter()
    session = runtime.create_session(model, "cpu", prepack=way == "default")
    seconds = time.perf_counter() - started
    bundle = Bundle(model.parent, read_manifest(model.parent))
    answers = {
        f"{number}-{name}": array
        for number, data_set in enumerate(bundle.data_sets())
        for name, array in runtime.run(session, data_set.inputs).items()
    }
    np.savez(folder / f"{way}.npz", allow_pickle=False, **answers)
    print(seconds)


if __name__ == "__main__":
    _child(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
