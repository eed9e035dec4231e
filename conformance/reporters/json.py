"""``report.json``: a run for programs, in the shape of ``schemas/report.schema.json``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from conformance.model import SCHEMA_VERSION, CaseResult, RunReport, TrendPoint, to_json
from conformance.reporters.selection import selection

_CASE_FIELDS = (
    "id",
    "model",
    "framework",
    "task",
    "tags",
    "trusted",
    "place",
    "exporter",
    "opset",
    "variant",
    "provider",
    "stage",
    "verdict",
    "reason",
    "link",
    "parity",
    "latency",
    "export",
    "placement",
    "mutation",
    "explanation",
    "failure_folder",
    "runtime",
    "provider_options",
    "repro",
    "duration_s",
)
_RUN_FIELDS = ("commit", "machine", "versions", "seed", "zoos", "shard", "command")


def report_json(report: RunReport) -> dict[str, Any]:
    """The report as plain JSON; figures that are not finite are null."""
    header = to_json(report.header)
    return {
        "schema_version": SCHEMA_VERSION,
        "run": {
            "id": report.header.id,
            "started": report.header.started,
            "finished": report.footer.finished if report.footer else None,
            "status": report.footer.status if report.footer else "crashed",
        }
        | {name: header[name] for name in _RUN_FIELDS}
        | {"selection": _selection(report)},
        "totals": {verdict.value: count for verdict, count in report.totals.items()},
        "cases": [_case(row, report.trends.get(row.id, ())) for row in report.cases],
        "vanished": list(report.vanished),
        "gate": to_json(report.footer.gate) if report.footer and report.footer.gate else None,
    }


def _selection(report: RunReport) -> dict[str, Any] | None:
    found = selection(report)
    return None if found is None else asdict(found)


def _case(row: CaseResult, trend: tuple[TrendPoint, ...]) -> dict[str, Any]:
    plain = to_json(row)
    return {name: plain[name] for name in _CASE_FIELDS} | {
        "trend": [to_json(point) for point in trend]
    }
