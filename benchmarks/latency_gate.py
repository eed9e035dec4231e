"""How often the latency gate cries wolf, and how many true slowdowns it finds.

A/A trials compare a model with itself, A/B trials with one that has a tenth more layers. The
naive gate, on the same trials: median now above the median of the trial before by more than
the threshold.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks._latency_trials import SIZES, Size, in_process, loaded, make_bundle, rate
from conformance.evidence import LatencyResult
from conformance.measuring import Earlier

#: A slowdown takes several looks before it is believed, and so most of the benchmark's time.
_SLOWED_EVERY = 3
#: The naive gate's threshold, of medians.
_NAIVE = 1.05


def main() -> None:
    """Run the trials and print the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--trials",
        type=int,
        default=75,
        help="A/A, of each model and load; one in three is followed by A/B",
    )
    options = parser.parse_args()
    print("each line: a model, the other core, how it is compared; rates with 95% intervals")
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            for load in ("idle", "bursty"):
                with loaded(bursty=load == "bursty"):
                    _trials(Path(folder), size, load, options.trials)


def _trials(folder: Path, size: Size, load: str, count: int) -> None:
    honest = make_bundle(folder / f"{size.name} {load} a", size, size.layers)
    slower = make_bundle(folder / f"{size.name} {load} b", size, size.layers + size.layers // 10)
    kinds = ("A/A paired", "A/A yardstick", "A/B paired", "A/B yardstick")
    taken: dict[str, list[LatencyResult]] = {kind: [] for kind in kinds}
    spent: dict[str, float] = dict.fromkeys(kinds, 0.0)
    naive: dict[str, list[bool]] = {"A/A": [], "A/B": []}
    last = in_process(honest, None)
    for number in range(count):
        first = last
        for kind in kinds[: None if number % _SLOWED_EVERY == 0 else 2]:
            bundle = slower if kind.startswith("A/B") else honest
            former = str(honest) if kind.endswith("paired") else None
            started = time.perf_counter()
            result = in_process(bundle, Earlier("before", first, None, None, former))
            spent[kind] += time.perf_counter() - started
            taken[kind].append(result)
            if kind == "A/A paired":
                last = result
            if former is not None:
                naive[kind[:3]].append(result.median_ns > _NAIVE * first.median_ns)
    for kind, results in taken.items():
        _print(size, load, kind, results, spent[kind] / len(results))
    for kind, found in naive.items():
        print(f"{size.name:<22}{load:<8}{kind + ' naive 5%':<16}{rate(sum(found), len(found))}")


def _print(size: Size, load: str, kind: str, taken: list[LatencyResult], seconds: float) -> None:
    compared = [r for r in taken if r.comparable and r.baseline is not None]
    hits = sum(r.baseline.slower for r in compared if r.baseline is not None)
    ratios = [r.baseline.ratio.value for r in compared if r.baseline is not None]
    spread = np.quantile(ratios, [0.025, 0.5, 0.975]) if ratios else [np.nan] * 3
    print(
        f"{size.name:<22}{load:<8}{kind:<16}{rate(hits, len(taken))}"
        f"  ratio {spread[1]:.3f} [{spread[0]:.3f}, {spread[2]:.3f}]"
        f"  set aside {len(taken) - len(compared)}  {seconds:.2f} s each"
        f"  median {np.median([r.median_ns for r in taken]) / 1e6:.2f} ms",
        flush=True,
    )
