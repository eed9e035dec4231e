"""Runs with rows of given verdicts, for whatever compares or summarizes runs."""

from run_values import make_header

from conformance.evidence import LatencyResult, Ratio
from conformance.model import CaseResult, RunFooter, RunReport, Stage, Verdict

FIRST, SECOND = "20261121T092349Z-3f2a", "20261122T092349Z-77aa"
YARDSTICK = Ratio(10.0, 9.95, 10.05, 30)
TIMED = LatencyResult(
    *("cpu", 250_000, 300_000, 9_000_000, 400_000, 50, 1, 500_000),
    yardstick=YARDSTICK,
    yardstick_name="gemm-1",
    hardware="x86_64-8c1f09ab",
)


def row(model="cnn", verdict=Verdict.PASS, **changes):
    key = f"pytorch/{model}@dynamo-op18-fp32"
    fields = {
        "id": f"{key}-cpu",
        "model": model,
        "framework": "pytorch",
        "task": None,
        "tags": (),
        "exporter": "dynamo",
        "opset": 18,
        "variant": "fp32",
        "provider": "cpu",
        "stage": Stage.PARITY,
        "verdict": verdict,
        "reason": None if verdict is Verdict.PASS else "because",
        "link": None,
        "details": None,
        "export": None,
        "parity": None,
        "latency": None,
        "placement": None,
        "repro": "pytest",
        "duration_s": 1.0,
    }
    return CaseResult(**(fields | changes))


def run(*rows, run_id=FIRST, zoo=None, **header):
    cases = tuple(r.id for r in rows) if zoo is None else tuple(row(m).id for m in zoo)
    return RunReport(
        header=make_header(run_id, zoo_cases=cases, **header),
        footer=RunFooter("2026-11-21T09:30:00+00:00", "finished", 0),
        cases=tuple(rows),
        trends={},
    )
