"""Runs as the gate sees them, made of plain rows."""

from dataclasses import replace
from datetime import date

from conformance.evidence import (
    BaselineLatency,
    ExportResult,
    LatencyResult,
    OutputParity,
    ParityReport,
    Ratio,
)
from conformance.gate import GatedRun, GateRules, check
from conformance.model import CaseResult, Stage, Verdict

TODAY = date(2026, 11, 21)
THEN, NOW = "20261120T000000Z-0000", "20261121T000000Z-0000"
HERE = "x86_64-8c1f09ab"
TIMED = LatencyResult(
    "cpu",
    1_000_000,
    1_100_000,
    100_000_000,
    2_000_000,
    200,
    1,
    None,
    hardware=HERE,
    session_peak_bytes=100 * 2**20,
)


def case_id(model):
    return f"pytorch/{model}@dynamo-op18-fp32-cpu"


def row(model="cnn", verdict=Verdict.PASS, **changes):
    """A case that passed with all its figures, or did not and has none."""
    fields = {
        "id": case_id(model),
        "model": model,
        "framework": "pytorch",
        "task": None,
        "tags": (),
        "exporter": "dynamo",
        "opset": 18,
        "variant": "fp32",
        "provider": "cpu",
        "stage": Stage.LATENCY if verdict is Verdict.PASS else Stage.PARITY,
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
    if verdict is Verdict.PASS:
        fields |= {"export": exported(1_000_000), "parity": parity(0.3), "latency": TIMED}
    return CaseResult(**(fields | changes))


def exported(size_bytes):
    return ExportResult(4.0, size_bytes, 17, False, None, None)


def parity(*ratios):
    outputs = (
        OutputParity(f"y{number}", "float32", (4,), "fp64-referenced", None, ratio=ratio)
        for number, ratio in enumerate(ratios)
    )
    return ParityReport(tuple(outputs), 2)


def compared(value=1.0, low=None, *, session_ratio=1.0, **changes):
    """A latency that was held against the earlier run's when it was taken."""
    ratio = Ratio(value, value - 0.03 if low is None else low, value + 0.03, 20)
    found = BaselineLatency(THEN, "paired", ratio, session_ratio, 1.05, 1.02)
    return replace(TIMED, baseline=found, **changes)


def run(*rows, name=NOW, whole=True, zoo_cases=None):
    ids = tuple(r.id for r in rows) if zoo_cases is None else tuple(map(case_id, zoo_cases))
    return GatedRun(name, rows, ids, whole)


def before(*rows, **changes):
    return run(*rows, name=THEN, **changes)


def gate(now, then=None, today=TODAY, **rules):
    return check(now, then, GateRules.model_validate(rules), today)


def broken(result):
    """Rule and case of each finding that fails the gate."""
    return [(f.rule.value, f.model) for f in result.blocking]


def looked(result, rule):
    """What a rule has seen, of how much, and why not of the rest."""
    found = next(c for c in result.checks if c.rule == rule)
    return found.looked_at, found.of, {n.reason: len(n.cases) for n in found.not_judged}
