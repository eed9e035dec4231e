"""``index.html``: a run for people, as one file that needs no network and no script."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import JsonValue

from conformance.model import CaseResult, RunReport, Verdict
from conformance.reporters import findings, sparkline, wording
from conformance.reporters.findings import Mark
from conformance.reporters.gate_text import gate_sentence
from conformance.reporters.page import inlined, page_environment
from conformance.reporters.sparkline import Sparkline
from conformance.reporters.waterfall import waterfall

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


@dataclass(frozen=True, slots=True)
class _Row:
    case: CaseResult
    #: Stable name of the row within the page.
    anchor: str
    #: What the text filter looks in.
    haystack: str
    trend: Sparkline
    runs: int
    #: What somebody who trusts the figures must know.
    marks: tuple[Mark, ...]


def report_html(report: RunReport) -> str:
    """The report as one self-contained page."""
    environment = page_environment()
    environment.filters |= {
        "duration": wording.duration,
        "elapsed": wording.elapsed,
        "size": wording.size,
        "figure": _figure,
        "element": _element,
        "parity": wording.parity_phrase,
        "sentence": wording.output_sentence,
        "digits": wording.two_digits,
        "fallback": _fallback,
        "decided": findings.decision_sentence,
        "shape_table": findings.shape_table,
        "outcome": findings.outcome,
        "padding": findings.padding_sentence,
        "mutation": findings.mutation_sentence,
        "survivors": findings.survivors,
        "waterfall": waterfall,
        "diverges": findings.divergence_sentences,
        "safe_path": safe_path,
        "speed": wording.speed_phrase,
        "safe_link": safe_link,
        "when": _when,
        "gate": gate_sentence,
        "commit": _short_commit,
    }
    environment.globals |= {"nothing": wording.NOTHING, "trust": _TRUST}
    rows = [_row(row, report) for row in report.cases]
    html: str = environment.get_template("index.html.j2").render(
        report=report,
        status=report.footer.status if report.footer else "crashed",
        took=_took(report),
        machine=_machine(report.header.machine),
        groups=[
            (score, [row for row in rows if row.case.framework == score.name])
            for score in wording.scores(report.cases)
        ],
        meanings=_MEANINGS,
        spark=sparkline,
        style=inlined("report.css"),
        script=inlined("report.js"),
    )
    return html


def _row(case: CaseResult, report: RunReport) -> _Row:
    points: Sequence[Any] = report.trends.get(case.id, ())
    words = (case.id, case.verdict, case.framework, case.task or "", *case.tags)
    digest = hashlib.sha256(case.id.encode()).hexdigest()[:12]
    return _Row(
        case=case,
        anchor=f"case-{digest}",
        haystack=" ".join(words).lower(),
        trend=sparkline.sparkline(points),
        runs=len(points),
        marks=findings.marks(case),
    )


def safe_link(url: str | None) -> str | None:
    """The address if a browser may follow it: http or https, nothing that runs."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.netloc else None


def safe_path(path: str) -> str | None:
    """A path below the report's folder, as a relative address; None for any that leaves it."""
    parts = path.rstrip("/").split("/")
    if not all(parts) or {".", ".."} & set(parts):
        return None
    return "/".join(quote(part, safe="", errors="replace") for part in parts)


def _fallback(case: CaseResult) -> wording.Fallback | None:
    return wording.fallback(case.placement, case.provider)


def _figure(value: float | None) -> str:
    return wording.NOTHING if value is None else f"{value:.3g}"


def _element(value: float | str | None) -> str:
    """An element of an output: as many digits as single precision holds, anything else whole."""
    return f"{value:.9g}" if isinstance(value, float) else str(value)


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
        else:
            shown[name] = str(value)
    return shown
