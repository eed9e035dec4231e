"""A run in which nothing changed, against the cold run that filled the cache.

Both are the same command on the same zoo, all three tests of every case with two workers: the
cold one starts with an empty cache, the rerun finds it full. The rerun takes its models from
the cache and proves them again; a latency of which nothing is another stands.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks._zoo_runs import QUICK, ROOT, ZooRun, run_zoo

_WORKERS = 2
_RERUNS = 3


def main() -> None:
    """Print both times and their ratio, with the latency tests and without them."""
    arguments = _arguments()
    chosen = ["-k", QUICK] if arguments.quick else []
    with tempfile.TemporaryDirectory(prefix="rerun-") as name:
        folder = Path(name)
        cold = _run(arguments.zoo, folder, chosen)
        print(f"cold: {cold.seconds:.1f} s ({cold.outcome})", flush=True)
        again = [_run(arguments.zoo, folder, chosen) for _ in range(_RERUNS)]
        print(f"rerun: {', '.join(f'{run.seconds:.1f}' for run in again)} s ({again[0].outcome})")
        anew = sum(r.export is not None and not r.export.cached for r in again[-1].records)
    if anew:
        raise RuntimeError(f"{anew} records of the rerun tell of a model that was made anew")
    warm = statistics.median(run.seconds for run in again)
    latency = statistics.median(_seconds(run, "latency") for run in again)
    parity = statistics.median(_seconds(run, "parity") for run in again)
    print(f"  of its workers' time: latency {latency:.1f} s, parity {parity:.1f} s")
    print(f"ratio {warm / cold.seconds:.3f}")


def _run(zoo: Path, folder: Path, options: list[str]) -> ZooRun:
    cache, reports = folder / "cache", folder / "reports"
    return run_zoo(zoo, cache=cache, reports=reports, workers=_WORKERS, options=options)


def _seconds(run: ZooRun, test: str) -> float:
    return sum(record.duration_s for record in run.records if record.ref.test == test)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=sys.argv[0], description=__doc__)
    parser.add_argument("--zoo", type=Path, default=ROOT / "model_zoo.yaml", metavar="FILE")
    parser.add_argument(
        "--quick", action="store_true", help="a dozen small models of all four frameworks"
    )
    return parser.parse_args()
