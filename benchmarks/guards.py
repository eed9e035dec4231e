"""What it costs to be sure: our whole comparison, against plain ``numpy.testing``.

Both sides compare the same answers with the same reference; they alternate, so that both
meet the same machine. The figure is the ratio of the medians. What the comparison costs next
to what it judges is the second figure: a run of a model in ONNX Runtime that gives such an
output, with one matrix product as its last and only layer.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from conformance import runtime
from conformance.bundle import DataSet
from conformance.entry import Tolerance
from conformance.parity.compare import compare
from conformance.parity.terms import Terms
from conformance.tensors import Arrays

ROUNDS = 9
_RTOL, _ATOL = 1e-3, 1e-5
#: What is compared: a name, the shape of each data set's output, and the width before it.
_OUTPUTS = (
    ("scores of a classifier", ((8, 10), (3, 10)), 64),
    ("scores of ImageNet", ((8, 1000), (3, 1000)), 2048),
    ("hidden states of BERT", ((8, 128, 768), (3, 32, 768)), 768),
    ("logits of GPT-2", ((2, 64, 50257), (1, 16, 50257)), 768),
)


def main() -> None:
    """Print a table: both medians, their ratio, and the ratio to a run of the model."""
    print(f"median of {ROUNDS} alternating rounds, milliseconds; two data sets of each output")
    print(f"{'':24}{'elements':>12}{'plain':>10}{'ours':>10}{'ratio':>8}{'run':>10}{'ratio':>8}")
    for name, shapes, width in _OUTPUTS:
        data_sets, answers, run = _output(shapes, width)
        report = compare(data_sets, answers, Terms(Tolerance()))
        if report.all_problems or report.vacuous_outputs:
            raise RuntimeError(f"{name}: {report.all_problems or report.vacuous_outputs}")
        plain, ours, model = _medians(
            lambda: _plain(data_sets, answers),  # noqa: B023 - called before the loop goes on
            lambda: compare(data_sets, answers, Terms(Tolerance())),  # noqa: B023 - as above
            run,
        )
        elements = sum(int(np.prod(shape)) for shape in shapes)
        print(
            f"{name:24}{elements:12,}{1e3 * plain:10.2f}{1e3 * ours:10.2f}{ours / plain:8.1f}"
            f"{1e3 * model:10.2f}{ours / model:8.2f}"
        )


def _output(
    shapes: tuple[tuple[int, ...], ...], width: int
) -> tuple[list[DataSet], list[Arrays], Callable[[], object]]:
    """Data sets with their fp64 reference, ONNX Runtime's answers, and a call that gives them."""
    rng = np.random.default_rng(0)
    weight = (rng.normal(size=(width, shapes[0][-1])) / width**0.5).astype("f4")
    with tempfile.TemporaryDirectory() as folder:
        session = runtime.create_session(_save(weight, Path(folder) / "model.onnx"), "cpu")
    inputs = [{"x": rng.normal(size=(*shape[:-1], width)).astype("f4")} for shape in shapes]
    data_sets = [
        DataSet(feeds, {"y": feeds["x"] @ weight}, {"y": feeds["x"].astype("f8") @ weight})
        for feeds in inputs
    ]

    def run() -> list[Arrays]:
        return [runtime.run(session, feeds) for feeds in inputs]

    return data_sets, run(), run


def _save(weight: np.ndarray, path: Path) -> Path:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy")
    product = helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = helper.make_graph([product], "head", [x], [y], [numpy_helper.from_array(weight, "w")])
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), str(path))
    return path


def _plain(data_sets: list[DataSet], answers: list[Arrays]) -> None:
    """What a test usually does: each output on each data set, by a guessed tolerance."""
    for data_set, answer in zip(data_sets, answers, strict=True):
        np.testing.assert_allclose(answer["y"], data_set.outputs["y"], rtol=_RTOL, atol=_ATOL)


def _medians(*calls: Callable[[], object]) -> list[float]:
    """Median seconds of each call, after one round that does not count."""
    seconds: list[list[float]] = [[] for _ in calls]
    for number in range(ROUNDS + 1):
        for call, taken in zip(calls, seconds, strict=True):
            started = time.perf_counter()
            call()
            if number:
                taken.append(time.perf_counter() - started)
    return [statistics.median(taken) for taken in seconds]
