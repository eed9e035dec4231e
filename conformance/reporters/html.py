"""``index.html``: a run for people, as one file that needs no network and no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pydantic import JsonValue

from conformance.history import Movement, RunDiff
from conformance.model import CaseResult, RunReport, TrendPoint, Verdict
from conformance.reporters import findings, sparkline, wording
from conformance.reporters.blocks import LETTERS, Block
from conformance.reporters.columns import columns
from conformance.reporters.detail import detail
from conformance.reporters.differences import figure_sentence
from conformance.reporters.findings import Mark
from conformance.reporters.gate_text import gate_sentence
from conformance.reporters.inert import inert_json
from conformance.reporters.overview import overview
from conformance.reporters.packing import OWN_ID, PART, packed
from conformance.reporters.page import inlined, page_environment, trusted
from conformance.reporters.selection import selection
from conformance.reporters.sparkline import Sparkline

_MEANINGS = {
    Verdict.PASS: "every output on every data set is within its limit",
    Verdict.FAIL: "the conversion failed, or an output is not what the source answers",
    Verdict.EXPECTED_FAIL: "fails in the way that the zoo declares, with a reason",
    Verdict.UNEXPECTED_PASS: "the zoo declares a failure that is gone: the entry must be updated",
    Verdict.VACUOUS: "the check could not have failed, so it proves nothing",
    Verdict.INFRA_ERROR: "network, disk or a killed process: says nothing about the model",
    Verdict.NOT_RUN: "not tried, for the reason given",
}


#: Key of an entry to what it let run: the mark's words and its title.
_TRUST = {
    "allow_pickle": (
        "pickle allowed",
        "allow_pickle: the entry lets the model's file run code when it is loaded",
    ),
    "trust_remote_code": (
        "remote code",
        "trust_remote_code: the entry runs Python code that came with the model",
    ),
}


#: The script, one file per job; each uses what those before it define.
_SCRIPTS = (
    "dom.js",
    "rows.js",
    "query.js",
    "charts.js",
    "panel.js",
    "table.js",
    "matrix.js",
    "report.js",
)
#: Up to so many rows stand in the page in full, for people without JavaScript and for paper.
STATIC_ROWS = 300
#: Where there are more, so many of those that fail the run do.
STATIC_FAILURES = 100
#: In larger runs the details of cases that pass are brief, or the page would grow too big.
IN_FULL = 1000

#: How a movement is shown: a glyph, and whether it is good or bad.
_MOVEMENTS = {
    Movement.REGRESSED: ("▼", "bad"),
    Movement.STILL_FAILING: ("✗", "bad"),
    Movement.UNCHECKED: ("⚡", "neutral"),
    Movement.VANISHED: ("−", "neutral"),  # noqa: RUF001 - a minus is meant
    Movement.ACCEPTED: ("≈", "neutral"),
    Movement.FIXED: ("▲", "good"),
    Movement.NEW: ("+", "neutral"),
    Movement.CHECKED: ("·", "neutral"),
}


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the page without JavaScript."""

    case: CaseResult
    trend: Sparkline
    runs: int
    #: What somebody who trusts the figures must know.
    marks: tuple[Mark, ...]
    blocks: list[Block]


def report_html(
    report: RunReport, diff: RunDiff | None = None, baseline: RunDiff | None = None
) -> str:
    """The report as one self-contained page.

    Args:
        report: the run.
        diff: how it differs from the run before; the page says so where there is none.
        baseline: how it differs from a run that was named, where that is another one.
    """
    environment = page_environment()
    environment.filters |= {
        "duration": wording.duration,
        "size": wording.size,
        "parity": wording.parity_phrase,
        "fallback": lambda case: wording.fallback(case.placement, case.provider),
        "speed": wording.speed_phrase,
        "speedup": wording.speedup,
        "when": _when,
        "gate": gate_sentence,
        "figure": figure_sentence,
        "commit": _short_commit,
        "fact": _fact,
        "anchor": _anchor,
    }
    environment.globals |= {"nothing": wording.NOTHING, "trust": _TRUST}
    few = len(report.cases) <= STATIC_ROWS
    details = _details(report)
    rows = [
        _row(case, report, blocks if few else [])
        for case, blocks in zip(report.cases, details, strict=True)
        if few or case.verdict.fails_gate
    ]
    rows = rows if few else rows[:STATIC_FAILURES]
    html: str = environment.get_template("index.html.j2").render(
        report=report,
        status=report.footer.status if report.footer else "crashed",
        took=_took(report),
        part=selection(report),
        machine=_machine(report.header.machine),
        diff=diff,
        baseline=baseline,
        movements=_MOVEMENTS,
        overview=overview(report.cases, diff),
        groups=[
            (score, [row for row in rows if row.case.framework == score.name])
            for score in wording.scores(report.cases)
        ],
        cut=None if few else len(rows),
        meanings=_MEANINGS,
        spark=sparkline,
        style=inlined("report.css"),
        script=inlined(*_SCRIPTS),
        data=trusted(inert_json(_page_data(report, diff))),
        parts=[trusted(part) for part in packed(details, [case.id for case in report.cases])],
    )
    return html


def _page_data(report: RunReport, diff: RunDiff | None) -> dict[str, Any]:
    """What the script reads beside the details: the rows, and what is alike for all of them."""
    moved = {change.id: change.movement for change in diff.cases} if diff else {}
    return {
        "rows": columns(
            report, {id_: to.value for id_, to in moved.items() if to is not Movement.SAME}
        ),
        "part": PART,
        "own_id": OWN_ID,
        "glyphs": {verdict.value: verdict.glyph for verdict in Verdict},
        "letters": {letter: verdict.value for verdict, letter in LETTERS.items()},
        "movements": {movement.value: shown for movement, shown in _MOVEMENTS.items()},
        "trust": _TRUST,
        "vanished": list(report.vanished),
        "partial": selection(report) is not None,
    }


def _details(report: RunReport) -> list[list[Block]]:
    many = len(report.cases) > IN_FULL
    return [
        detail(case, report, brief=many and case.verdict is Verdict.PASS) for case in report.cases
    ]


def _row(case: CaseResult, report: RunReport, blocks: list[Block]) -> _Row:
    points: Sequence[TrendPoint] = report.trends.get(case.id, ())
    return _Row(case, sparkline.sparkline(points), len(points), findings.marks(case), blocks)


def _anchor(case_id: str) -> str:
    """The address of a case within the page, with JavaScript and without; the id stays legible."""
    return "#case=" + quote(case_id, safe="/@+,:;!*()", errors="replace")


def _when(iso: str) -> str:
    """``21 Nov 2026, 09:23 UTC``; a time that is none is shown as it is."""
    try:
        return f"{datetime.fromisoformat(iso):%d %b %Y, %H:%M} UTC"
    except ValueError:
        return iso


def _took(report: RunReport) -> str | None:
    if report.footer is None:
        return None
    try:
        started, finished = (
            datetime.fromisoformat(iso) for iso in (report.header.started, report.footer.finished)
        )
        return wording.elapsed((finished - started).total_seconds())
    except (ValueError, TypeError):
        return None


def _short_commit(commit: str | None) -> str:
    if commit is None:
        return "unknown"
    name, dash, dirty = commit.partition("-")
    return f"{name[:10]}{' with local changes' if dash and dirty else ''}"


def _machine(machine: dict[str, JsonValue]) -> dict[str, str]:
    """The machine's facts by name, sizes with their unit."""
    shown = {}
    for name, value in machine.items():
        if name.endswith("_bytes") and isinstance(value, int):
            shown[name.removesuffix("_bytes")] = wording.size(value)
        elif isinstance(value, list):
            shown[name] = ", ".join(map(str, value)) or "none"
        else:
            shown[name] = "not stated" if value is None else str(value)
    return shown


def _fact(value: JsonValue, name: str) -> str:
    """A fact of the machine or of the run in words."""
    if name == "commit":
        return _short_commit(None if value is None else str(value))
    return next(iter(_machine({name: value}).values()))
