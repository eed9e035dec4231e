"""Two workers against one: a cold run of the zoo with ``-n 2`` and with ``-n 1``.

Each starts with an empty cache. Latency tests are left out: they are alone on the machine by
design, so no number of workers makes them shorter.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks._zoo_runs import QUICK, ROOT, ZooRun, run_zoo


def main() -> None:
    """Print both medians, how busy the two workers were, and the ratio."""
    arguments = _arguments()
    names = "(test_export or test_parity)" + (f" and ({QUICK})" if arguments.quick else "")
    runs: dict[int, list[ZooRun]] = {1: [], 2: []}
    for number in range(arguments.rounds):
        # the order turns round: both meet the same machine
        for workers in (1, 2) if number % 2 == 0 else (2, 1):
            with tempfile.TemporaryDirectory(prefix="workers-") as folder:
                run = run_zoo(
                    arguments.zoo,
                    cache=Path(folder) / "cache",
                    reports=Path(folder) / "reports",
                    workers=workers,
                    options=["-k", names],
                )
            print(f"-n {workers}: {run.seconds:.1f} s ({run.outcome})", flush=True)
            runs[workers].append(run)
    one, two = (statistics.median(run.seconds for run in runs[n]) for n in (1, 2))
    busy = statistics.median(_busy(run, 2) for run in runs[2])
    print(f"the two workers were at work for {busy:.0%} of the run")
    print(f"ratio {one / two:.2f}")


def _busy(run: ZooRun, workers: int) -> float:
    return sum(record.duration_s for record in run.records) / (workers * run.seconds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=sys.argv[0], description=__doc__)
    parser.add_argument("--zoo", type=Path, default=ROOT / "model_zoo.yaml", metavar="FILE")
    parser.add_argument("--rounds", type=int, default=1, metavar="N")
    parser.add_argument(
        "--quick", action="store_true", help="a dozen small models of all four frameworks"
    )
    return parser.parse_args()
