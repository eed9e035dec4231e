"""The figures of a test as properties, for JUnit's XML and other readers of pytest's reports."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.evidence import ExportResult, LatencyResult, ParityReport, Ratio
from conformance.model import Record

Properties = Iterator[tuple[str, str]]


def report_properties(record: Record) -> list[tuple[str, str]]:
    """Verdict, stage and every figure of a record as text, by names that state the unit.

    A ratio comes with its 95% interval as ``..._low`` and ``..._high``. What a record does not
    have is left out.
    """
    properties = [("verdict", str(record.verdict)), ("stage", str(record.stage))]
    if record.ref.place is not None:
        properties.append(("place", record.ref.place))
    if record.parity is not None:
        properties += _parity(record.parity)
    if record.latency is not None:
        properties += _latency(record.latency)
    if record.export is not None:
        properties += _export(record.export)
    return properties


def _parity(parity: ParityReport) -> Properties:
    worst = parity.worst_output
    if worst is None:
        return
    figures = {
        "parity_ratio": worst.ratio,
        "parity_limit": worst.limit,
        "parity_max_abs": worst.max_abs,
        "noise_ratio": worst.noise_ratio,
    }
    yield from ((name, _short(value)) for name, value in figures.items() if value is not None)


def _latency(latency: LatencyResult) -> Properties:
    yield "median_ns", str(latency.median_ns)
    yield "p95_ns", str(latency.p95_ns)
    yield "session_create_ns", str(latency.session_create_ns)
    yield "first_run_ns", str(latency.first_run_ns)
    if latency.source_median_ns is not None:
        yield "source_median_ns", str(latency.source_median_ns)
    if latency.speedup is not None:
        yield from _ratio("speedup", latency.speedup)
    if latency.yardstick is not None:
        yield from _ratio("yardsticks", latency.yardstick)
    if latency.baseline is not None:
        yield "baseline_run", latency.baseline.run
        yield from _ratio("baseline_ratio", latency.baseline.ratio)
    if not latency.comparable:
        # who compares these figures must know that they were disturbed
        yield "not_comparable", latency.contended or latency.unstable or ""


def _export(export: ExportResult) -> Properties:
    yield "size_bytes", str(export.size_bytes)
    yield "nodes", str(export.nodes)
    yield "export_seconds", _short(export.export_seconds)
    yield "cached", str(export.cached).lower()


def _ratio(name: str, ratio: Ratio) -> Properties:
    yield name, _short(ratio.value)
    yield f"{name}_low", _short(ratio.low)
    yield f"{name}_high", _short(ratio.high)


def _short(value: float) -> str:
    return f"{value:.4g}"
