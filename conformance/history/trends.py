"""What the index knows of the runs before one: trends of its cases, and what runs were made of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from conformance.history.database import select
from conformance.model import RunOrigin, TrendPoint, from_json

_COLUMNS = (
    "run_id",
    "started",
    "verdict",
    "parity_ratio",
    "median_ns",
    "size_bytes",
    "export_seconds",
    "yardsticks",
    "hardware",
)
_TRENDS = f"""
    SELECT id, {", ".join(_COLUMNS)} FROM results
    WHERE run_id < $before AND id IN (SELECT unnest($cases::VARCHAR[]))
    QUALIFY row_number() OVER (PARTITION BY id ORDER BY run_id DESC) <= $points
    ORDER BY run_id
"""  # noqa: S608 - column names of this module
_ORIGINS = """
    SELECT run_id, "commit", versions FROM runs
    WHERE run_id IN (SELECT unnest($runs::VARCHAR[]))
"""


def read_trends(
    report_dir: Path, before: str, cases: Sequence[str], points: int
) -> dict[str, list[TrendPoint]]:
    """Up to ``points`` latest points of each case in runs older than ``before``, oldest first.

    Raises:
        IndexUnavailable: when the index is missing, damaged or held by another process.
    """
    asked = {"before": before, "cases": list(cases), "points": points}
    trends: dict[str, list[TrendPoint]] = {}
    for case, *values in select(report_dir, _TRENDS, asked):
        fields = dict(zip(("run", *_COLUMNS[1:]), values, strict=True))
        trends.setdefault(case, []).append(from_json(TrendPoint, fields))
    return trends


def read_origins(report_dir: Path, runs: Sequence[str]) -> dict[str, RunOrigin]:
    """Commit and package versions of the named runs, as far as the index knows them.

    Raises:
        IndexUnavailable: when the index is missing, damaged or held by another process.
    """
    rows = select(report_dir, _ORIGINS, {"runs": list(runs)})
    return {run: RunOrigin(commit, json.loads(versions)) for run, commit, versions in rows}
