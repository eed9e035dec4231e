"""The end of a run at a terminal: the table, the totals, the scores, the paths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.model import CaseResult, RunReport, Verdict
from conformance.reporters.console import printed
from conformance.reporters.derivation import beside_base
from conformance.reporters.findings import sensitivity
from conformance.reporters.gate_text import Tone, gate_lines
from conformance.reporters.inert import inert, inert_line
from conformance.reporters.selection import selection
from conformance.reporters.wording import (
    NOTHING,
    duration,
    fallback,
    parity_phrase,
    scores,
    speed_phrase,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

#: With more rows than this, those that passed are only counted.
MAX_ROWS = 150
#: Of rows with the same reason, so many say what their failure left behind.
MAX_KEPT = 3
#: Columns from which a row fits on one line.
ROOMY = 110

_STYLES = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.EXPECTED_FAIL: "yellow",
    Verdict.UNEXPECTED_PASS: "bold magenta",
    Verdict.VACUOUS: "bold magenta",
    Verdict.INFRA_ERROR: "bold blue",
    Verdict.NOT_RUN: "dim",
}
_TONES = {Tone.GOOD: "green", Tone.BAD: "bold red", Tone.NOTE: "yellow", Tone.PLAIN: ""}


def render(report: RunReport, width: int, *, color: bool, report_dir: Path | None = None) -> str:
    """The text that ends a run.

    Args:
        report: of the run.
        width: of the terminal, in columns.
        color: whether the terminal understands colours; ``NO_COLOR`` overrules it.
        report_dir: where the reports were written, to be named at the end.
    """
    parts = _parts(report, report_dir, compact=width < ROOMY)
    return printed(
        parts, width, color=color, unfolded=lambda part: bool(getattr(part, "no_wrap", False))
    )


def _parts(report: RunReport, report_dir: Path | None, *, compact: bool) -> list[RenderableType]:
    from rich.text import Text

    parts: list[RenderableType] = []
    status = report.footer.status if report.footer else "crashed"
    if status != "finished":
        text = f"! this run was {status}: what it did not reach is not-run or an infra-error"
        parts.append(Text(text, style="bold yellow"))
    if part := selection(report):
        parts += [Text(inert_line(line), style="bold yellow") for line in part.lines]
    shown = _shown(report.cases)
    if shown:
        parts.append(_table(shown, compact=compact))
    if hidden := len(report.cases) - len(shown):
        parts.append(
            Text(f"{hidden} of {len(report.cases)} rows not shown: none of them fails the run")
        )
    parts += _reasons(report.cases, report_dir)
    parts.append(_totals(report))
    parts += [Text(f"  {inert(score.name)}: {score}") for score in scores(report.cases)]
    parts += [Text(line) for line in (sensitivity(report.cases), _fallbacks(report.cases)) if line]
    if report.vanished:
        parts.append(Text(f"vanished since the last run: {inert(', '.join(report.vanished))}"))
    if report.footer and report.footer.gate:
        found = gate_lines(report.footer.gate)
        parts += [Text(line.text, style=_TONES[line.tone]) for line in found]
    if report_dir is not None:
        parts.append(_whole(f"report: {inert(str(report_dir / 'index.html'))}"))
        parts.append(_whole(f"        {inert(str(report_dir / 'report.json'))}"))
    return parts


def _whole(line: str) -> Text:
    """A line with a path: broken into two, nobody could copy it."""
    from rich.text import Text

    return Text(line, no_wrap=True)


def _shown(cases: Sequence[CaseResult]) -> Sequence[CaseResult]:
    if len(cases) <= MAX_ROWS:
        return cases
    return [row for row in cases if row.verdict.fails_gate]


def _table(rows: Sequence[CaseResult], *, compact: bool) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("model", overflow="fold")
    if not compact:
        table.add_column("conversion", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    table.add_column("parity")
    table.add_column("latency", justify="right", no_wrap=True)
    if not compact:
        table.add_column("vs source", justify="right", no_wrap=True)
    for framework in dict.fromkeys(row.framework for row in rows):
        table.add_row(Text(inert(framework), style="bold"))
        for row in rows:
            if row.framework == framework:
                table.add_row(*_cells(row, compact=compact))
    return table


def _cells(row: CaseResult, *, compact: bool) -> list[Text]:
    from rich.text import Text

    model = f"  {inert(row.model)}"
    conversion = inert(f"{row.exporter} op{row.opset} {row.variant} {row.provider or ''}")
    verdict = f"{row.verdict.glyph} {row.verdict}"
    if row.verdict is Verdict.FAIL:
        verdict += f": {row.stage}"
    parity = Text(parity_phrase(row.parity))
    latency = Text(duration(row.latency.median_ns) if row.latency else NOTHING)
    if placed := fallback(row.placement, row.provider):
        style = "bold red" if placed.absent else "yellow"
        parity.append(f"\n{inert(str(placed))}", style=style)
        if row.latency:
            latency.append(f"\n{placed.share}", style=style)
    result = [Text(verdict, style=_STYLES[row.verdict]), parity, latency]
    if row.export and row.export.opset_conversion:
        converted = row.export.opset_conversion
        conversion += f"\n   from op{converted.exported_opset} by {inert(converted.converter)}"
    if beside := beside_base(row):
        conversion += f"\n   {beside}"
    if compact:
        return [Text(f"{model}\n   {conversion}"), *result]
    return [Text(model), Text(conversion), *result, Text(speed_phrase(row.latency))]


def _reasons(rows: Sequence[CaseResult], report_dir: Path | None) -> list[Text]:
    """Why rows did not pass, those with the same reason together; what fails the run first."""
    from rich.text import Text

    groups: dict[tuple[Verdict, str], list[CaseResult]] = {}
    for row in rows:
        if row.verdict is not Verdict.PASS:
            groups.setdefault((row.verdict, row.reason or ""), []).append(row)
    lines = []
    for (verdict, reason), alike in sorted(groups.items(), key=lambda g: not g[0][0].fails_gate):
        who = alike[0].id if len(alike) == 1 else f"{len(alike)} cases"
        lines.append(Text(f"{verdict.glyph} {verdict}: {inert(who)}", style=_STYLES[verdict]))
        lines.append(Text(f"    {inert_line(reason)}"))
        lines += _left_behind(alike, report_dir)
    return lines


def _left_behind(alike: Sequence[CaseResult], report_dir: Path | None) -> list[Text]:
    """Where the error of each row comes from and where its failure is kept."""
    from rich.text import Text

    telling = [row for row in alike if row.explanation or row.failure_folder]
    lines = []
    for row in telling[:MAX_KEPT]:
        if len(alike) > 1:
            lines.append(Text(f"    {inert(row.id)}:"))
        if row.explanation:
            lines.append(Text(f"    error comes from: {inert_line(row.explanation.summary)}"))
        if row.failure_folder:
            folder = report_dir / row.failure_folder if report_dir else Path(row.failure_folder)
            lines.append(_whole(f"    kept in: {inert(str(folder))}"))
    if len(telling) > MAX_KEPT:
        lines.append(Text(f"    {len(telling) - MAX_KEPT} more of these: see the report"))
    return lines


def _fallbacks(rows: Sequence[CaseResult]) -> str | None:
    """How many rows have figures that are not wholly their provider's."""
    found = [placed for row in rows if (placed := fallback(row.placement, row.provider))]
    if not found:
        return None
    absent = sum(placed.absent for placed in found)
    text = f"provider truth: {len(found)} of {len(rows)} rows ran only in part on their provider"
    return f"{text}, {absent} of them not at all" if absent else text


def _totals(report: RunReport) -> Text:
    from rich.text import Text

    counted = [(verdict, count) for verdict, count in report.totals.items() if count]
    line = Text(f"{len(report.cases)} cases: ")
    for number, (verdict, count) in enumerate(counted):
        line.append(", " if number else "")
        line.append(f"{verdict.glyph} {count} {verdict}", style=_STYLES[verdict])
    return line
