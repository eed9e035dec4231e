from __future__ import annotations

import itertools
import time

from conformance import latency


def test_a_quick_call_is_timed_often_and_warmed_up_first():
    """Warm-up runs are not among the samples."""
    calls = itertools.count()
    timing = latency.time_runs(lambda: next(calls))
    assert timing.runs == latency.MAX_RUNS
    assert next(calls) == latency.MAX_RUNS + latency.WARM_UP_RUNS
    assert 0 < timing.median_ns <= timing.p95_ns


def test_a_slow_call_stops_at_the_budget_but_never_below_the_minimum():
    """Slow models still get enough runs for a median."""
    timing = latency.time_runs(lambda: time.sleep(0.01), budget_ns=20_000_000)
    assert timing.runs == latency.MIN_RUNS
    assert timing.median_ns >= 10_000_000


def test_one_call_gives_its_duration_and_its_result():
    """Session creation and first run are timed once."""
    duration_ns, result = latency.time_once(lambda: time.sleep(0.002) or "done")
    assert duration_ns >= 2_000_000
    assert result == "done"
