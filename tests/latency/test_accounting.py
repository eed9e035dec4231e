"""What the kernel says of this process."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from conformance.latency.accounting import PeakMemory, waited_ns

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


@linux
def test_a_process_that_shares_its_core_waits():
    """Against a busy process on the same core, about half of the time is lost."""
    cores = os.sched_getaffinity(0)
    one = {min(cores)}
    os.sched_setaffinity(0, one)
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        before, start = waited_ns(), time.perf_counter_ns()
        while time.perf_counter_ns() - start < 400_000_000:
            pass
        lost = (waited_ns() - before) / (time.perf_counter_ns() - start)
    finally:
        other.kill()
        other.wait()
        os.sched_setaffinity(0, cores)
    assert lost > 0.2


@linux
def test_the_peak_counts_though_it_is_over():
    """Memory that was given back before the end is part of what was needed."""
    with PeakMemory() as memory:
        np.ones(40 << 17)  # 40 MiB of float64, touched and freed
    assert memory.grown_bytes is not None
    assert memory.grown_bytes > 35 << 20


@linux
def test_an_earlier_peak_is_forgotten():
    """What the process needed before the block is not the block's."""
    np.ones(60 << 17)
    with PeakMemory() as memory:
        pass
    assert memory.grown_bytes is not None
    assert memory.grown_bytes < 20 << 20
