"""Which slowdown the latency gate sees, at which thresholds, false alarms and seconds.

For each effect, an entry's ``latency`` is set to find it: ``regression`` half of the effect,
``certain`` a fifth. A/B trials compare a model with one that has so many more layers, A/A trials
with itself under the same thresholds, paired as in a zoo run.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks._latency_trials import SIZES, Size, in_process, make_bundle, rate
from conformance.evidence import LatencyResult
from conformance.measuring import Earlier

#: True slowdowns; a model of forty layers can have them all.
_EFFECTS = (0.025, 0.05, 0.1, 0.2)
_LAYERS = 40


def main() -> None:
    """Run the trials and print a line for each effect and model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=40, help="A/A and A/B, of each line")
    options = parser.parse_args()
    print("rates are of the undisturbed trials, with 95% intervals")
    with tempfile.TemporaryDirectory() as name:
        for size in (_deeper(size) for size in SIZES):
            folder = Path(name) / size.name
            folder.mkdir()
            honest = make_bundle(folder / "a", size, _LAYERS)
            first = in_process(honest, None)
            print(f"{size.name}: {first.median_ns / 1e6:.2f} ms")
            for effect in _EFFECTS:
                slower = make_bundle(folder / f"{effect}", size, round(_LAYERS * (1 + effect)))
                earlier = Earlier("before", first, None, None, str(honest))
                _print(effect, [(honest, earlier), (slower, earlier)], options.trials)


def _deeper(size: Size) -> Size:
    """As much work in forty layers."""
    rows = round(size.rows * size.layers / _LAYERS)
    return replace(size, rows=rows, layers=_LAYERS)


def _print(effect: float, kinds: list[tuple[Path, Earlier]], trials: int) -> None:
    terms = {"regression": 1 + effect / 2, "certain": 1 + effect / 5}
    results: list[list[LatencyResult]] = [[] for _ in kinds]
    spent = [0.0 for _ in kinds]
    for _ in range(trials):
        for number, (bundle, earlier) in enumerate(kinds):
            started = time.perf_counter()
            results[number].append(in_process(bundle, earlier, terms))
            spent[number] += time.perf_counter() - started
    same, slowed = (_found(taken) for taken in results)
    print(
        f"  +{effect:.1%}  threshold {terms['regression']:.4g}, certain {terms['certain']:.4g}"
        f"  found {rate(*slowed)}  false alarms {rate(*same)}"
        f"  set aside {2 * trials - slowed[1] - same[1]}"
        f"  {spent[1] / trials:.2f} s and {spent[0] / trials:.2f} s each"
        f"  ratio seen {_median_ratio(results[1]):.3f}",
        flush=True,
    )


def _found(taken: list[LatencyResult]) -> tuple[int, int]:
    """Trials that called the model slower, of those that were not disturbed."""
    compared = [r.baseline for r in taken if r.comparable and r.baseline is not None]
    return sum(b.slower for b in compared), len(compared)


def _median_ratio(taken: list[LatencyResult]) -> float:
    return float(np.median([r.baseline.ratio.value for r in taken if r.baseline is not None]))


if __name__ == "__main__":
    main()
