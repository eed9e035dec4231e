"""What a case costs beside the work itself: plugin, records, cache and child processes.

A small scikit-learn model is converted and run with ONNX Runtime, many times over: by bare
calls of skl2onnx and ONNX Runtime, and by our engine with its children; they take turns, model
by model. Each child times its own work, so that what is left of its run is the process:
starting, handing over, ending. pytest, plugin and records are what lies between the tests of a
``pytest --zoo`` run of the same models. What the children compute beyond the bare calls
(float64, other shapes, reaction, the source's latency) is the product and no overhead; it is
the last row, for comparison, and holds the first-use costs of a fresh process too.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks._zoo_runs import run_zoo
from conformance.adapters import catalog
from conformance.engine import Engine
from conformance.execution.child import children
from conformance.execution.contract import Completed, Spec
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
    """Children whose own work is told apart from the process around it."""

    def __init__(self) -> None:
        self._executor = children()
        #: Seconds from the order to its result, and of them the work itself.
        self.seconds = 0.0
        self.work = 0.0

    def run(self, spec: Spec) -> Completed:
        payload = {"label": "timed", "target": spec.target, "payload": spec.payload}
        preload = (*spec.preload, "benchmarks._timed_target")
        target = "benchmarks._timed_target:timed"
        started = time.perf_counter()
        done = self._executor.run(replace(spec, target=target, payload=payload, preload=preload))
        self.seconds += time.perf_counter() - started
        self.work += done.value["seconds"] if done.value else 0.0
        return done

    def close(self) -> None:
        self._executor.close()


class _Ours:
    """Our engine, one case at a time; seconds of each."""

    def __init__(self, folder: Path) -> None:
        self._executor = _Timed()
        settings = Settings(
            cache_dir=folder / "cache",
            workdir=folder / "work",
            progress=folder / "progress.json",
            offline=True,
            require=True,
            seed=0,
            failures_dir=folder / "failures",
            machine_lock=folder / "machine.lock",
        )
        folder.mkdir()
        self._engine = Engine(settings, self._executor, catalog())
        #: Of the children's work, of the processes around it, and of the engine around these.
        self.work: list[float] = []
        self.processes: list[float] = []
        self.engine: list[float] = []

    def run(self, located: LocatedCase) -> None:
        executor = self._executor
        executor.seconds = executor.work = 0.0
        started = time.perf_counter()
        for ref in test_refs(located, located.file, located.zoo_dir):
            if ref.test is not TestKind.LATENCY:
                _must_pass(self._engine.run(located, ref))
        total = time.perf_counter() - started
        self.work.append(executor.work)
        self.processes.append(executor.seconds - executor.work)
        self.engine.append(total - executor.seconds)

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
        bare, ours = _take_turns(zoo, folder)
    engine, processes = _milliseconds(ours.engine), _milliseconds(ours.processes)
    stock, overhead = _milliseconds(bare), plugin + engine + processes
    print(f"{CASES - _WARM_UP} cases of two tests, milliseconds per case (medians)")
    print(f"  bare skl2onnx and ONNX Runtime   {stock:7.1f}")
    print(f"  pytest, plugin, records          {plugin:7.1f}")
    print(f"  cache, keys, judgement           {engine:7.1f}")
    print(f"  two child processes              {processes:7.1f}")
    print(f"  overhead in all                  {overhead:7.1f}")
    print(f"  (our checks' own work            {_milliseconds(ours.work) - stock:7.1f})")
    print(f"ratio of the overhead to the bare calls {overhead / stock:.2f}")


def _take_turns(zoo: Path, folder: Path) -> tuple[list[float], _Ours]:
    from threadpoolctl import threadpool_limits

    sys.path.insert(0, str(folder))
    import overhead_models  # type: ignore[import-not-found]  # written by _write_zoo

    ours = _Ours(folder / "ours")
    bare: list[float] = []
    try:
        for number, located in enumerate(read_zoo([zoo], catalog()).cases()):
            with threadpool_limits(1):  # as children have it
                bare.append(_timed(lambda: _bare(overhead_models, number, folder)))  # noqa: B023 - called at once
            ours.run(located)
    finally:
        ours.close()
    return bare, ours


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


def _write_zoo(folder: Path) -> Path:
    (folder / "overhead_models.py").write_text(_MODELS, encoding="utf-8")
    zoo = folder / "zoo.yaml"
    entries = "".join(_ENTRY.format(seed=seed) for seed in range(CASES))
    zoo.write_text(f"models:\n{entries}", encoding="utf-8")
    return zoo


if __name__ == "__main__":
    main()
