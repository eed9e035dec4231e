from __future__ import annotations

import dataclasses

from conformance.evidence import (
    BaselineLatency,
    ExportResult,
    LatencyResult,
    OutputParity,
    ParityReport,
    Ratio,
)
from conformance.model import Record, Stage, TestKind, TestRef, Verdict
from conformance.suite.properties import report_properties

REF = TestRef(
    *(TestKind.LATENCY, "a@b-op18-fp32-cpu", "a@b-op18-fp32", "a", "pytorch", None, ()),
    *("dynamo", 18, "fp32", "cpu", "pytest"),
    place="zoo.yaml:3",
)
OUTPUT = OutputParity(
    *("y", "float32", (4,), "fp64-referenced", None),
    max_abs=2.1e-6,
    limit=4.9e-6,
    ratio=0.42857,
    noise_ratio=1.3125,
)
LATENCY = LatencyResult(
    *("cpu", 1_230_000, 1_610_000, 18_400_000, 2_050_000, 200, 1, 2_830_000),
    speedup=Ratio(2.3, 2.2, 2.4, 20),
    yardstick=Ratio(10.0, 9.9, 10.1, 30),
    baseline=BaselineLatency("r1", "paired", Ratio(1.01, 0.99, 1.03, 20), 1.0, 1.05, 1.02),
)
RECORD = Record(
    REF,
    Verdict.PASS,
    Stage.LATENCY,
    None,
    "2026-11-21T09:23:50+00:00",
    1.5,
    export=ExportResult(4.31, 1_240_000, 87, False, None, None),
    parity=ParityReport((OUTPUT,), 3),
    latency=LATENCY,
)


def test_every_figure_is_a_property():
    """Parity with its limit, latency with its intervals, size, nodes and the cost of export."""
    assert dict(report_properties(RECORD)) == {
        "verdict": "pass",
        "stage": "latency",
        "place": "zoo.yaml:3",
        "parity_ratio": "0.4286",
        "parity_limit": "4.9e-06",
        "parity_max_abs": "2.1e-06",
        "noise_ratio": "1.312",
        "median_ns": "1230000",
        "p95_ns": "1610000",
        "session_create_ns": "18400000",
        "first_run_ns": "2050000",
        "source_median_ns": "2830000",
        "speedup": "2.3",
        "speedup_low": "2.2",
        "speedup_high": "2.4",
        "yardsticks": "10",
        "yardsticks_low": "9.9",
        "yardsticks_high": "10.1",
        "baseline_run": "r1",
        "baseline_ratio": "1.01",
        "baseline_ratio_low": "0.99",
        "baseline_ratio_high": "1.03",
        "size_bytes": "1240000",
        "nodes": "87",
        "export_seconds": "4.31",
        "cached": "false",
    }


def test_a_figure_that_is_not_there_is_no_property():
    """Nothing is made up for a test that measured nothing."""
    bare = dataclasses.replace(RECORD, export=None, parity=None, latency=None)
    assert dict(report_properties(bare)).keys() == {"verdict", "stage", "place"}


def test_a_disturbed_latency_says_so():
    """Who compares properties must not compare a measurement that others disturbed."""
    disturbed = dataclasses.replace(LATENCY, contended="another process ran")
    properties = dict(report_properties(dataclasses.replace(RECORD, latency=disturbed)))
    assert properties["not_comparable"] == "another process ran"
