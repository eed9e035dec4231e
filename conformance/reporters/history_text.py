"""A history at a terminal: its runs, cases over them, and what a query found."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from conformance.history import Answer, CaseHistory, PastRun
from conformance.model import Verdict
from conformance.reporters.console import printed
from conformance.reporters.inert import inert_csv, inert_line
from conformance.reporters.wording import NOTHING, duration, size, two_digits
from conformance.trend import Change, Point, changes

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

_BARS = "▁▂▃▄▅▆▇█"
_MIDDLE = "▄"
_MISSING = " "
_SHORT_COMMIT = 12
#: A change that came with more packages names the first ones.
_MAX_PACKAGES = 5
_LABEL_COLUMNS = 9


def spark(values: Sequence[float | None]) -> str:
    """One character per value, higher for more; a blank where there is none."""
    there = [value for value in values if value is not None]
    low, high = min(there, default=0.0), max(there, default=0.0)
    return "".join(_bar(value, low, high) for value in values)


def _bar(value: float | None, low: float, high: float) -> str:
    if value is None:
        return _MISSING
    if high <= low:
        return _MIDDLE
    return _BARS[round((value - low) / (high - low) * (len(_BARS) - 1))]


def render_runs(runs: Sequence[PastRun], width: int, *, color: bool) -> str:
    """The runs of a history, a line each, oldest first.

    Args:
        runs: to be listed.
        width: of the terminal, in columns.
        color: whether the terminal understands colours; ``NO_COLOR`` overrules it.
    """
    from rich.text import Text

    rows = [
        [
            Text(inert_line(run.origin.run)),
            Text(run.status + (f", part {run.shard}" if run.shard else "")),
            Text(inert_line(_commit(run.origin.commit)) or NOTHING),
            Text(_passed(run.totals)),
            Text(_others(run.totals)),
        ]
        for run in runs
    ]
    return _rendered(
        [_table(("run", "status", "commit", "passed", "other verdicts"), rows)], width, color=color
    )


def _passed(totals: Mapping[Verdict, int]) -> str:
    checked = sum(count for verdict, count in totals.items() if verdict.checked)
    return f"{totals.get(Verdict.PASS, 0)} of {checked} checked"


def _others(totals: Mapping[Verdict, int]) -> str:
    return ", ".join(
        f"{verdict.glyph} {totals[verdict]} {verdict}"
        for verdict in Verdict
        if verdict is not Verdict.PASS and totals.get(verdict)
    )


def render_cases(cases: Sequence[CaseHistory], width: int, *, color: bool) -> str:
    """Verdicts and figures of cases over the runs, with what changed where a figure did.

    Args:
        cases: to be shown.
        width: of the terminal, in columns.
        color: whether the terminal understands colours; ``NO_COLOR`` overrules it.
    """
    parts: list[RenderableType] = [line for case in cases for line in _case(case)]
    return _rendered(parts, width, color=color)


def _case(case: CaseHistory) -> list[Text]:
    from rich.text import Text

    first, last = case.results[0].run.origin, case.results[-1].run.origin
    count = len(case.results)
    span = f"{count} runs, {first.started[:10]} to {last.started[:10]}" if count > 1 else "1 run"
    lines = [Text(f"{inert_line(case.id)}  {span}", style="bold")]
    strip = "".join(result.verdict.glyph for result in case.results)
    lines.append(_line("verdict", strip, str(case.results[-1].verdict)))
    for hardware, series in case.parity().items():
        lines += _figure("parity", series, _of_limit, hardware)
    in_yardsticks = case.yardsticks()
    for hardware, series in case.median_ns().items():
        # only yardsticks can be compared from night to night; durations where there are none
        if relative := in_yardsticks.get(hardware):
            lines += _figure("latency", relative, _yards, hardware)
        else:
            lines += _figure("latency", series, duration, hardware)
    for series in case.size().values():
        lines += _figure("size", series, size, "")
    return lines


def _of_limit(value: float) -> str:
    return f"{two_digits(value)} of limit"


def _yards(value: float) -> str:
    return f"{value:.3g} yardsticks"


def _figure(
    name: str, series: Sequence[Point], shown: Callable[[float], str], hardware: str
) -> list[Text]:
    from rich.text import Text

    values = [point.value for point in series]
    there = [value for value in values if value is not None]
    low, high = shown(min(there)), shown(max(there))
    span = f"{_latest(values, shown)}; {low} to {high}" if low != high else low
    where = f"  ({inert_line(hardware)})" if hardware else ""
    lines = [_line(name, spark(values), f"{span}{where}")]
    for change in changes(series):
        text = " " * (_LABEL_COLUMNS + 2) + _change(change, shown)
        lines.append(Text(text, style="yellow"))
    return lines


def _latest(values: Sequence[float | None], shown: Callable[[float], str]) -> str:
    latest = values[-1]
    return "none now" if latest is None else f"now {shown(latest)}"


def _change(change: Change, shown: Callable[[float], str]) -> str:
    """``2026-11-12: 0.4 → 0.7 of limit (1.8x), aaa..bbb, torch 2.12.0 → 2.13.0``."""
    ratio = "" if change.ratio is None else f" ({change.ratio:.3g}x)"
    parts = [f"{change.after.started[:10]}: {shown(change.old)} → {shown(change.new)}{ratio}"]
    if change.commits:
        first, _, last = change.commits.partition("..")
        parts.append(f"{_commit(first)}..{_commit(last)}")
    parts += [str(package) for package in change.packages[:_MAX_PACKAGES]]
    if (more := len(change.packages) - _MAX_PACKAGES) > 0:
        parts.append(f"{more} more packages")
    if not change.commits and not change.packages:
        parts.append("same commit and packages")
    return inert_line(", ".join(parts))


def _commit(commit: str | None) -> str:
    name, dash, dirty = (commit or "").partition("-")
    return f"{name[:_SHORT_COMMIT]}{dash}{dirty}"


def _line(name: str, strip: str, words: str) -> Text:
    from rich.text import Text

    return Text(f"  {name:{_LABEL_COLUMNS}}{strip}  {words}")


def render_answer(answer: Answer, width: int, *, color: bool) -> str:
    """What a query found, as a table.

    Args:
        answer: to be shown.
        width: of the terminal, in columns.
        color: whether the terminal understands colours; ``NO_COLOR`` overrules it.
    """
    from rich.text import Text

    rows = [
        [Text(NOTHING if value is None else inert_line(str(value))) for value in row]
        for row in answer.rows
    ]
    return _rendered([_table(answer.columns, rows)], width, color=color)


def answer_csv(answer: Answer) -> str:
    """What a query found as CSV, with no cell that a spreadsheet takes for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([inert_csv(column) for column in answer.columns])
    for row in answer.rows:
        writer.writerow([_cell(value) for value in row])
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return inert_csv(" ".join(map(str, value)))
    return inert_csv(str(value))


def _table(columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
    for column in columns:
        table.add_column(Text(inert_line(column)), overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _rendered(parts: Sequence[RenderableType], width: int, *, color: bool) -> str:
    from rich.text import Text

    return printed(parts, width, color=color, unfolded=lambda part: isinstance(part, Text))
