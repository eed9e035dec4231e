"""Exporting ResNet50 from Keras: the TensorFlow adapter against stock tf2onnx.

Each export runs in a fresh process, the two sides in alternation. Stock is
``tf2onnx.convert.from_function`` on the traced model and ``onnx.save``; ours is the adapter's
whole export, its own tracing included. Both get the same seeded weights and batch-norm
statistics. Time is taken from the model in hand to the file on disk, so imports and building the
model are left out on both sides; they are in the whole process's time, which is printed as well,
and in its peak memory.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROUNDS = 2
OPSET = 18
_SHAPE = (2, 224, 224, 3)


@dataclass(frozen=True, slots=True)
class _Cost:
    export_s: float
    process_s: float
    peak_mib: float


def main() -> None:
    """Print what both sides cost, the ratios, and in what their models differ."""
    stock, ours = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(ROUNDS):
            stock.append(_run("stock", folder / "stock.onnx"))
            ours.append(_run("ours", folder / "ours.onnx"))
        expected, nodes = _optimized(folder / "stock.onnx")
        found, our_nodes = _optimized(folder / "ours.onnx")
    print(f"Keras ResNet50, opset {OPSET}, median of {ROUNDS} alternating processes a side")
    print(f"{'':32}{'stock':>10}{'ours':>10}{'ratio':>8}")
    for label, field in (
        ("export, s", "export_s"),
        ("whole process, s", "process_s"),
        ("peak memory of it, MiB", "peak_mib"),
    ):
        theirs, own = (statistics.median(getattr(c, field) for c in side) for side in (stock, ours))
        print(f"{label:32}{theirs:10.1f}{own:10.1f}{own / theirs:8.2f}")
    print(f"{'nodes after ORT optimized them':32}{nodes:10}{our_nodes:10}{our_nodes / nodes:8.2f}")
    print(f"largest difference of outputs: {np.abs(found - expected).max():g}")
    print(f"  (outputs of two images differ by {np.abs(expected[0] - expected[1]).max():.3g})")


def export(side: str, path: str) -> None:
    """Export the model as ``side`` does, and print the seconds it took."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    import onnx
    import tensorflow as tf
    from tf2onnx import convert

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = _model(keras)
    started = time.perf_counter()
    if side == "ours":
        _export_ours(model, Path(path))
    else:
        specs = [tf.TensorSpec([None, *_SHAPE[1:]], tf.float32, name="x")]
        function = tf.function(lambda x: {"y": model(x, training=False)}, input_signature=specs)
        onnx.save(convert.from_function(function, specs, opset=OPSET)[0], path)
    print(time.perf_counter() - started)


def _export_ours(model: Any, path: Path) -> None:
    from conformance.adapters.contract import Job
    from conformance.adapters.tensorflow import TensorFlowAdapter
    from conformance.adapters.tensorflow_conversion import TensorFlowConversion
    from conformance.adapters.tensorflow_sources import as_model
    from conformance.entry import ZooEntry
    from conformance.model import Case

    entry = ZooEntry.model_validate(
        {
            "id": "resnet50",
            "framework": "tensorflow",
            "source": {"factory": "unused:unused"},
            "inputs": {"files": ["unused.npz"]},
            "dynamic": {"x": {0: "batch"}},
        }
    )
    job = Job(
        case=Case(entry, "tf2onnx", OPSET, "fp32"),
        conversion=TensorFlowConversion(),
        zoo_dir=path.parent,
        cache_dir=path.parent,
        offline=True,
        seed=0,
    )
    feeds = {"x": np.zeros(_SHAPE, np.float32)}
    TensorFlowAdapter().export(as_model(model, None), job, feeds, path)


def _model(keras: Any) -> Any:
    """ResNet50 with logits for output, and batch-norm statistics that are not 0 and 1."""
    keras.utils.set_random_seed(0)
    x = keras.Input(_SHAPE[1:], name="x")
    model = keras.applications.ResNet50(weights=None, classifier_activation=None, input_tensor=x)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape
            layer.set_weights(
                [
                    rng.uniform(0.5, 1.5, size),
                    rng.normal(0, 0.1, size),
                    rng.normal(0, 0.1, size),
                    rng.uniform(0.5, 1.5, size),
                ]
            )
    return model


def _run(side: str, path: Path) -> _Cost:
    code = f"from benchmarks.keras_resnet50 import export; export({side!r}, {str(path)!r})"
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as printed:
        child = subprocess.Popen(
            [sys.executable, "-c", code], stdout=printed, stderr=subprocess.DEVNULL
        )
        # wait() of Popen does not tell the child's peak memory
        _, status, usage = os.wait4(child.pid, 0)
        process_s = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        seconds = printed.read()
    if child.returncode:
        raise RuntimeError(f"the export of '{side}' ended with {child.returncode}: run {code}")
    peak = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return _Cost(float(seconds), process_s, peak)


def _optimized(path: Path) -> tuple[np.ndarray, int]:
    """Outputs for two seeded images, and the nodes that ONNX Runtime makes of the model."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.optimized_model_filepath = str(path.with_suffix(".optimized.onnx"))
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    images = np.random.default_rng(0).normal(size=_SHAPE).astype(np.float32)
    nodes = onnx.load(options.optimized_model_filepath, load_external_data=False).graph.node
    answer: np.ndarray = session.run(None, {"x": images})[0]
    return answer, len(nodes)
