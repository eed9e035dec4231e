"""``badge.json``: a run as a badge of https://shields.io/badges/endpoint-badge."""

from __future__ import annotations

from typing import Any

from conformance.model import RunReport, Verdict

_LABEL = "onnx conformance"


def badge_json(report: RunReport) -> dict[str, Any]:
    """How many of the zoo's checked cases pass, and how many were not checked.

    Every case of the zoo counts, selected or not: a run of the four models that work does not
    make a green badge. The colours: red where a case fails the run by a judgement; orange where
    a case was not checked or the run did not end; yellow where one fails as expected; green
    where all pass; grey where nothing was checked.
    """
    rows = [row for row in report.cases if row.provider is not None]
    checked = sum(row.verdict.checked for row in rows)
    passed = sum(row.verdict is Verdict.PASS for row in rows)
    known = {*report.header.zoo_cases, *(row.id for row in rows)}
    unchecked = len(known) - checked
    message = f"{passed} of {checked} pass" if checked else "nothing checked"
    if checked and unchecked:
        message += f", {unchecked} not checked"
    finished = report.footer is not None and report.footer.status == "finished"
    if not checked:
        color = "lightgrey"
    elif any(row.verdict.checked and row.verdict.fails_gate for row in report.cases):
        color = "red"
    elif unchecked or not finished:
        color = "orange"
    else:
        color = "brightgreen" if passed == checked else "yellow"
    return {"schemaVersion": 1, "label": _LABEL, "message": message, "color": color}
