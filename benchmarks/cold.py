"""A cold run of five model folders, against ``optimum-cli export onnx`` run on each of them.

Ours is one ``pytest --zoo -n 2`` with an empty cache that exports every model, proves it and
writes its report. Theirs are five commands after each other, as there is no other way, in an
environment of their own with transformers 4.57, the newest that optimum-onnx knows. Both
export the same graphs: one forward pass without a past, T5's encoder and decoder in one file
(``--monolith``). Theirs uses the TorchScript exporter, ours by default the newer one of
``torch.export``, which alone takes longer than all of theirs: ``--exporter torchscript`` compares
like with like. Theirs compares one set of outputs with a fixed tolerance and exits with 0
when that fails; ours is the whole proof: float64, other shapes, reaction.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import platformdirs

from benchmarks._cold_models import MODELS, Model, write_zoo
from benchmarks._zoo_runs import ROOT, ZooRun, run_zoo, surroundings
from conformance.model import TestKind

_WORKERS = 2
_PACKAGES = ("optimum-onnx==0.1.0", "transformers==4.57.*", "onnx", "onnxruntime", "pillow")


def main() -> None:
    """Print seconds per model, both totals, and their ratio."""
    arguments = _arguments()
    environment = arguments.optimum or _made_environment()
    command = environment / "bin" / "optimum-cli"
    if not command.is_file():
        sys.exit(f"{command} is missing: name an environment that has optimum-onnx")
    with tempfile.TemporaryDirectory(prefix="cold-") as name:
        folder = Path(name)
        print("making the model folders", flush=True)
        _make_models(folder)
        zoo = write_zoo(folder, arguments.exporter)
        # once uncounted: both sides read their packages from memory afterwards
        _ours(zoo, folder, ["-k", MODELS[0].name])
        _theirs(command, folder, MODELS[:1])
        ours: list[ZooRun] = []
        theirs: list[dict[str, float]] = []
        for number in range(arguments.rounds):
            print(f"round {number + 1} of {arguments.rounds}", flush=True)
            theirs.append(_theirs(command, folder, MODELS))
            ours.append(_ours(zoo, folder))
    _show(ours, theirs)


def _show(ours: list[ZooRun], theirs: list[dict[str, float]]) -> None:
    print(f"median of {len(ours)}, seconds; of ours a model's own, two at a time")
    print(f"{'':14}{'optimum-cli':>12}{'ours':>8}{'exporter':>10}")
    for model in MODELS:
        own = statistics.median(_seconds_of(run, model) for run in ours)
        exporter = statistics.median(_exporter_seconds(run, model) for run in ours)
        alone = statistics.median(each[model.name] for each in theirs)
        print(f"{model.name:14}{alone:12.1f}{own:8.1f}{exporter:10.1f}")
    total = statistics.median(run.seconds for run in ours)
    stock = statistics.median(sum(each.values()) for each in theirs)
    # what is left when nothing is imported, loaded, asked or proven: no run can be shorter
    least = statistics.median(
        sum(_exporter_seconds(run, model) for model in MODELS) / _WORKERS for run in ours
    )
    print(f"{'in all':14}{stock:12.1f}{total:8.1f}{least:10.1f}  (the exporters', by two workers)")
    print(f"{'ratio':14}{total / stock:20.2f}{least / stock:10.2f}")
    print(f"ours: {ours[-1].outcome}")


def _seconds_of(run: ZooRun, model: Model) -> float:
    return sum(record.duration_s for record in run.records if record.ref.model == model.name)


def _exporter_seconds(run: ZooRun, model: Model) -> float:
    """What the exporter itself took of it."""
    mine = (
        record.export
        for record in run.records
        if record.ref.model == model.name and record.ref.test is TestKind.EXPORT
    )
    return sum(export.export_seconds for export in mine if export is not None)


def _ours(zoo: Path, folder: Path, options: list[str] | None = None) -> ZooRun:
    work = folder / "ours"
    try:
        return run_zoo(
            zoo,
            cache=work / "cache",
            reports=work / "reports",
            workers=_WORKERS,
            options=options or ["-k", "test_export or test_parity"],
        )
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _theirs(command: Path, folder: Path, models: tuple[Model, ...]) -> dict[str, float]:
    """Seconds that each model's export took."""
    seconds = {}
    for model in models:
        out = folder / "theirs"
        source = ("--model", str(folder / model.name), "--task", model.task, *model.options)
        started = time.perf_counter()
        done = subprocess.run(
            [command, "export", "onnx", *source, str(out)],
            env=surroundings(),
            capture_output=True,
            text=True,
            check=False,
        )
        seconds[model.name] = time.perf_counter() - started
        shutil.rmtree(out, ignore_errors=True)
        if done.returncode:
            raise RuntimeError(f"optimum-cli failed on {model.name}:\n{done.stderr[-2000:]}")
    return seconds


def _make_models(folder: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "benchmarks._cold_models", str(folder)],
        cwd=ROOT,
        env=surroundings(),
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _made_environment() -> Path:
    """The environment that an earlier run made, or a new one."""
    import torch

    folder = platformdirs.user_cache_path("pytest-onnx-conformance") / "benchmarks" / "optimum"
    if (folder / "bin" / "optimum-cli").is_file():
        return folder
    print(f"making {folder} with optimum-onnx: some minutes, once", flush=True)
    venv.create(folder, with_pip=True, clear=True)
    # the same torch on both sides; a local build such as +cpu is not on every index
    same_torch = f"torch=={torch.__version__.partition('+')[0]}"
    subprocess.run(
        [folder / "bin" / "python", "-m", "pip", "install", *_PACKAGES, same_torch], check=True
    )
    return folder


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=sys.argv[0], description=__doc__)
    parser.add_argument(
        "--optimum",
        type=Path,
        metavar="DIR",
        help="environment that has optimum-onnx (default: one in the cache folder, made if absent)",
    )
    parser.add_argument(
        "--exporter",
        choices=("dynamo", "torchscript"),
        default="dynamo",
        help="ours (default: dynamo); optimum-cli's is torchscript",
    )
    parser.add_argument("--rounds", type=int, default=1, metavar="N")
    return parser.parse_args()


if __name__ == "__main__":
    main()
