"""How long something takes: warm up, then time single runs, and report their quantiles.

One protocol serves the ONNX model and its source framework, so that the two figures that
a report shows beside each other were taken in the same way.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: Runs before any is counted; the first one is reported apart where it matters.
WARM_UP_RUNS = 5
#: Timed runs stop at either bound, whichever comes first, but not before MIN_RUNS.
MAX_RUNS = 200
MIN_RUNS = 7
BUDGET_NS = 500_000_000


@dataclass(frozen=True, slots=True)
class Timing:
    """Quantiles of warm runs, in nanoseconds."""

    median_ns: int
    p95_ns: int
    runs: int


def time_runs(call: Callable[[], object], budget_ns: int = BUDGET_NS) -> Timing:
    """Time ``call`` until ``budget_ns`` or ``MAX_RUNS``, after ``WARM_UP_RUNS`` of warm-up.

    A call so slow that the warm-up eats the budget is warmed up once and timed
    ``MIN_RUNS`` times.
    """
    deadline = time.perf_counter_ns() + budget_ns
    for _ in range(WARM_UP_RUNS):
        call()
        if time.perf_counter_ns() > deadline:
            break
    deadline = time.perf_counter_ns() + budget_ns
    samples: list[int] = []
    while len(samples) < MAX_RUNS:
        start = time.perf_counter_ns()
        call()
        end = time.perf_counter_ns()
        samples.append(end - start)
        if end > deadline and len(samples) >= MIN_RUNS:
            break
    median, p95 = np.quantile(samples, [0.5, 0.95])
    return Timing(int(median), int(p95), len(samples))


def time_once(call: Callable[[], object]) -> tuple[int, object]:
    """Duration of one call in nanoseconds, and what it returned."""
    start = time.perf_counter_ns()
    result = call()
    return time.perf_counter_ns() - start, result
