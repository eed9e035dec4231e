"""How long something takes, told in a way that can block a merge.

Durations on shared machines drift by tens of percent within minutes, so nothing here trusts
one alone. What is compared is timed in the same process, block by block in random order, and
the ratio of neighbouring blocks, in which the drift cancels, is what counts.
"""

from conformance.latency.accounting import PeakMemory
from conformance.latency.protocol import (
    BUDGET_NS,
    Plan,
    Samples,
    Timed,
    interleave,
    quantile_ns,
    time_once,
)
from conformance.latency.ratio import log_ratios, pooled, ratio_of
from conformance.latency.yardstick import YARDSTICK, yardstick, yardstick_name

__all__ = [
    "BUDGET_NS",
    "YARDSTICK",
    "PeakMemory",
    "Plan",
    "Samples",
    "Timed",
    "interleave",
    "log_ratios",
    "pooled",
    "quantile_ns",
    "ratio_of",
    "time_once",
    "yardstick",
    "yardstick_name",
]
