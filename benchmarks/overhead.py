"""What a case costs beside the work itself: plugin, records, cache and child processes.

A small scikit-learn model is converted and run with ONNX Runtime, many times over: by bare
calls of skl2onnx and ONNX Runtime, by our engine within one process, by our engine with its
children, and by pytest. Bare calls and engines take turns in one process, model by model;
the pytest run is one of its own. What our checks compute (float64, other shapes, reaction)
is the product and no overhead; it is the last row, for comparison.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks._zoo_runs import run_zoo
from conformance.adapters import catalog
from conformance.engine import Engine
from conformance.execution.child import Executor, children
from conformance.execution.contract import Completed, Spec
from conformance.execution.inline import Inline
from conformance.model import Record, TestKind, Verdict
from conformance.suite.items import test_refs
from conformance.tasks import Settings
from conformance.zoo import LocatedCase, read_zoo

CASES = 40
#: Their imports and first uses are not any case's own.
_WARM_UP = 5

_MODELS = """
import numpy as np
from sklearn.linear_model import LogisticRegression

def build(seed):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(60, 4)).astype("f4")
    labels = (features @ rng.normal(size=(4, 3))).argmax(axis=1)
    return LogisticRegression().fit(features, labels)
"""
_ENTRY = """  - id: model-{seed}
    framework: sklearn
    source: {{factory: "overhead_models:build", args: {{seed: {seed}}}}}
    task: tabular-classification
    inputs:
      spec: {{x: {{shape: [batch, 4]}}}}
      sets: [{{batch: 8}}, {{batch: 5}}]
"""


class _Timed:
    """An executor that adds up how long its specs took."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.seconds = 0.0

    def run(self, spec: Spec) -> Completed:
        started = time.perf_counter()
        try:
            return self._executor.run(spec)
        finally:
            self.seconds += time.perf_counter() - started

    def close(self) -> None:
        self._executor.close()


class _Side:
    """Our engine on one kind of executor, one case at a time."""

    def __init__(self, folder: Path, executor: Executor) -> None:
        self._executor = _Timed(executor)
        settings = Settings(
            cache_dir=folder / "cache",
            workdir=folder / "work",
            progress=folder / "progress.json",
            offline=True,
            require=True,
            seed=0,
            failures_dir=folder / "failures",
        )
        folder.mkdir()
        self._engine = Engine(settings, self._executor, catalog())
        #: Seconds of each case's work in the executor, and of the engine around it.
        self.work: list[float] = []
        self.around: list[float] = []

    def run(self, located: LocatedCase) -> None:
        self._executor.seconds = 0.0
        started = time.perf_counter()
        for ref in test_refs(located, located.file, located.zoo_dir):
            if ref.test is not TestKind.LATENCY:
                _must_pass(self._engine.run(located, ref))
        total = time.perf_counter() - started
        self.work.append(self._executor.seconds)
        self.around.append(total - self._executor.seconds)

    def close(self) -> None:
        self._engine.close()


def main() -> None:
    """Print milliseconds per case and where they go."""
    with tempfile.TemporaryDirectory(prefix="overhead-") as name:
        folder = Path(name)
        zoo = _write_zoo(folder)
        run = run_zoo(
            zoo,
            cache=folder / "cache",
            reports=folder / "reports",
            workers=0,
            options=["-k", "test_export or test_parity"],
        )
        for record in run.records:
            _must_pass(record)
        plugin = _between(run.records)
        bare, inline, forked = _take_turns(zoo, folder)
    # pairs of neighbours in time: what else the machine does cancels out
    pairs = zip(forked.work, inline.work, strict=True)
    child = _milliseconds([ours - within for ours, within in pairs])
    around = _milliseconds(forked.around)
    print(f"{CASES - _WARM_UP} cases of two tests, milliseconds per case (medians)")
    print(f"  bare skl2onnx and ONNX Runtime        {_milliseconds(bare):7.1f}")
    print(f"  pytest, plugin, records               {plugin:7.1f}")
    print(f"  cache, keys, judgement                {around:7.1f}")
    print(f"  two child processes                   {child:7.1f}")
    print(f"  overhead in all                       {plugin + around + child:7.1f}")
    print(f"  (our checks' own computations         {_extra(inline, bare):7.1f})")
    print(f"ratio to the bare calls {(plugin + around + child) / _milliseconds(bare):.2f}")


def _take_turns(zoo: Path, folder: Path) -> tuple[list[float], _Side, _Side]:
    from threadpoolctl import threadpool_limits

    sys.path.insert(0, str(folder))
    import overhead_models  # type: ignore[import-not-found]  # written by _write_zoo

    forked = _Side(folder / "forked", children())
    # its environment is this process's own until it is closed, so it comes second
    inline = _Side(folder / "inline", Inline())
    bare: list[float] = []
    try:
        # as children have it
        threadpool_limits(1)
        for number, located in enumerate(read_zoo([zoo], catalog()).cases()):
            bare.append(_timed(lambda: _bare(overhead_models, number, folder)))  # noqa: B023 - called at once
            inline.run(located)
            forked.run(located)
    finally:
        inline.close()
        forked.close()
    return bare, inline, forked


def _bare(models: ModuleType, seed: int, folder: Path) -> None:
    """What a script without us does: build, convert, save, load, run, compare."""
    import onnxruntime
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType

    model = models.build(seed)
    types = [("x", FloatTensorType([None, 4]))]
    converted = skl2onnx.convert_sklearn(
        model, initial_types=types, options={id(model): {"zipmap": False}}, target_opset=18
    )
    path = folder / f"bare-{seed}.onnx"
    path.write_bytes(converted.SerializeToString())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    for rows in (8, 5):
        x = np.random.default_rng(seed).normal(size=(rows, 4)).astype("f4")
        labels, scores = session.run(None, {"x": x})
        np.testing.assert_array_equal(labels, model.predict(x))
        np.testing.assert_allclose(scores, model.predict_proba(x), rtol=1e-3, atol=1e-5)


def _between(records: tuple[Record, ...]) -> float:
    """Median milliseconds per case in which pytest ran and no test's work did."""
    times = [(datetime.fromisoformat(r.started).timestamp(), r.duration_s) for r in records]
    gaps = [later - (start + took) for (start, took), (later, _) in itertools.pairwise(times)]
    tests = len(records) // CASES
    return _milliseconds([sum(gaps[n : n + tests]) for n in range(0, len(gaps), tests)])


def _must_pass(record: Record) -> None:
    if record.verdict is not Verdict.PASS:
        raise RuntimeError(f"{record.ref.id} is {record.verdict}: {record.reason}")


def _timed(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _milliseconds(seconds: list[float]) -> float:
    return 1e3 * statistics.median(seconds[_WARM_UP:])


def _extra(inline: _Side, bare: list[float]) -> float:
    return _milliseconds(inline.work) - _milliseconds(bare)


def _write_zoo(folder: Path) -> Path:
    (folder / "overhead_models.py").write_text(_MODELS, encoding="utf-8")
    zoo = folder / "zoo.yaml"
    entries = "".join(_ENTRY.format(seed=seed) for seed in range(CASES))
    zoo.write_text(f"models:\n{entries}", encoding="utf-8")
    return zoo


if __name__ == "__main__":
    main()
