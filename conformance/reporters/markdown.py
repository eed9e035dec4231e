"""``report.md``: a run for a job's summary on a code host, what matters first and cut to size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.gate_result import GateFinding
from conformance.history import CaseChange, Movement, RunDiff
from conformance.model import CaseResult, RunReport, Verdict
from conformance.reporters.differences import (
    environment_sentences,
    figure_sentence,
    headline,
    verdicts,
)
from conformance.reporters.findings import sensitivity
from conformance.reporters.gate_text import gate_verdict
from conformance.reporters.inert import inert_markdown
from conformance.reporters.selection import selection
from conformance.reporters.wording import parity_phrase, scores

#: GitHub refuses a step's summary above 1 MiB; the difference is for what else the step writes.
LIMIT_BYTES = 1_000_000
_GITHUB_BYTES = 1 << 20
_MAX_CHARS = 500
#: Movements that the failures do not tell already, in the order of interest.
_MOVED = (
    Movement.FIXED,
    Movement.ACCEPTED,
    Movement.UNCHECKED,
    Movement.VANISHED,
    Movement.NEW,
    Movement.CHECKED,
)


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines that stand whatever happens, and lines that are cut where there is no room."""

    head: tuple[str, ...]
    rows: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()


def report_markdown(
    report: RunReport,
    diff: RunDiff | None = None,
    baseline: RunDiff | None = None,
    *,
    limit_bytes: int = LIMIT_BYTES,
) -> str:
    """The run in GitHub's Markdown: the gate, failures, changes, totals.

    Args:
        report: the run.
        diff: against the run before; None where there is none.
        baseline: against a run that was named, where that is another one.
        limit_bytes: of the text in UTF-8. Rows that have no room are counted in a notice.
    """
    told = (
        _title(report),
        *_gate(report),
        *_failures(report, diff),
        *_changes(diff),
        *_changes(baseline),
    )
    blocks = [*told, _totals(report)]
    fixed = sum(len(_text((*block.head, *block.tail, _cut(len(block.rows))))) for block in blocks)
    room = limit_bytes - fixed
    lines: list[str] = []
    for block in blocks:
        taken = 0
        while taken < len(block.rows) and len(_text(block.rows[taken : taken + 1])) <= room:
            room -= len(_text(block.rows[taken : taken + 1]))
            taken += 1
        left = len(block.rows) - taken
        lines += [*block.head, *block.rows[:taken], *block.tail]
        if left:
            lines.append(_cut(left))
            room = 0  # a later, lesser row does not stand where a graver one was left out
    return "\n".join(lines).strip() + "\n"


def append_job_summary(report: RunReport, diff: RunDiff | None, path: Path) -> None:
    """Add the run to a job's summary, keeping it below GitHub's limit.

    Args:
        report: the run.
        diff: against the run before; None where there is none.
        path: of ``GITHUB_STEP_SUMMARY``.

    Raises:
        OSError: when the file cannot be written.
    """
    there = path.stat().st_size if path.exists() else 0
    room = _GITHUB_BYTES - there - 1
    text = report_markdown(report, diff, limit_bytes=min(LIMIT_BYTES, room))
    if len(text.encode()) <= room:
        with path.open("a", encoding="utf-8") as file:
            # what the step wrote before may not end its line
            file.write(f"\n{text}" if there else text)


def _text(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _cut(rows: int) -> str:
    return f"\n**{rows} more rows are left out here: see `index.html` or `report.json`.**\n"


def _title(report: RunReport) -> _Block:
    failing = sum(row.verdict.fails_gate for row in report.cases)
    cases = f"{len(report.cases)} {'case' if len(report.cases) == 1 else 'cases'}"
    status = report.footer.status if report.footer else "crashed"
    words = f"{failing} of {cases} fail the run" if failing else f"none of {cases} fails the run"
    unfinished = "" if status == "finished" else f"; the run was **{status}**"
    about = [inert_markdown(report.header.id)]
    if report.header.commit:
        about.append(f"commit {inert_markdown(report.header.commit)}")
    if report.header.shard:
        about.append(f"part {inert_markdown(report.header.shard)}")
    gate = report.footer.gate if report.footer else None
    stopped = gate is not None and not gate.passed
    words += ", the gate failed" if stopped else ""
    glyph = Verdict.FAIL.glyph if failing or stopped else Verdict.PASS.glyph
    told = [f"## {glyph} ONNX conformance: {words}{unfinished}", "", f"Run {', '.join(about)}"]
    if part := selection(report):
        told += [line for text in part.lines for line in ("", f"**{inert_markdown(text)}**")]
    return _Block(tuple(told))


def _gate(report: RunReport) -> list[_Block]:
    """What the gate found, where one was asked for."""
    gate = report.footer.gate if report.footer else None
    if gate is None:
        return []
    glyph = Verdict.PASS.glyph if gate.passed else Verdict.FAIL.glyph
    head = ("", f"### {glyph} Gate", "", inert_markdown(gate_verdict(gate)), "")
    return [_Block(head, tuple(_finding(finding) for finding in gate.findings))]


def _finding(finding: GateFinding) -> str:
    about = f" {_code(finding.case)}:" if finding.case else ""
    line = f"- {finding.rule}:{about} {_code(finding.text)}"
    if finding.accepted is not None:
        line += f" (accepted: {_code(finding.accepted.reason)})"
    return line


def _failures(report: RunReport, diff: RunDiff | None) -> list[_Block]:
    rows = [row for row in report.cases if row.verdict.fails_gate]
    if not rows:
        return []
    new = {case.id for case in diff.new_failures} if diff else set()
    # new ones first: the others were there yesterday
    rows.sort(key=lambda row: row.id not in new)
    head = ("", "### Failures", "", "| case | verdict | why | place |", "| --- | --- | --- | --- |")
    return [_Block(head, tuple(_failure(row, new=row.id in new) for row in rows))]


def _failure(row: CaseResult, *, new: bool) -> str:
    verdict = f"{row.verdict.glyph} {row.verdict}: {row.stage}"
    if new:
        verdict = f"**{verdict}, new**"
    why = [_code(row.reason)]
    if row.explanation:
        why.append(f"error comes from {_code(row.explanation.summary)}")
    if row.link:
        why.append(f"known issue {_code(row.link)}")
    return f"| {_code(row.id)} | {verdict} | {', '.join(filter(None, why))} | {_code(row.place)} |"


def _changes(diff: RunDiff | None) -> list[_Block]:
    if diff is None:
        return []
    title = ("", f"### Changes since {inert_markdown(diff.before.id)}", "", f"{headline(diff)}.")
    notes = tuple(f"Note: {_code(note)}." for note in diff.notes)
    moved = [case for movement in _MOVED for case in diff.of(movement)]
    figures = [case for case in diff.cases if case.figures]
    blocks = [_Block((*title, *notes))]
    if moved:
        head = ("", "| case | now | verdict |", "| --- | --- | --- |")
        blocks.append(_Block(head, tuple(_moved(case) for case in moved)))
    if figures:
        head = ("", "| case | figures that changed |", "| --- | --- |")
        blocks.append(_Block(head, tuple(_figures(case) for case in figures)))
    told = environment_sentences(diff.environment)
    if told:
        head = ("", "<details><summary>The environment changed</summary>", "")
        lines = tuple(f"- {_code(line)}" for line in told)
        blocks.append(_Block(head, lines, ("", "</details>")))
    return blocks


def _moved(case: CaseChange) -> str:
    return f"| {_code(case.id)} | {case.movement} | {verdicts(case)} |"


def _figures(case: CaseChange) -> str:
    return f"| {_code(case.id)} | {'; '.join(map(figure_sentence, case.figures))} |"


def _totals(report: RunReport) -> _Block:
    counted = [f"{v.glyph} {count} {v}" for v, count in report.totals.items() if count]
    lines = ["", "### Totals", "", ", ".join(counted) or "no case was selected", ""]
    lines += [f"- {_code(score.name)}: {score}" for score in scores(report.cases)]
    worst = _worst(report)
    lines += [f"- {line}" for line in (sensitivity(report.cases), worst) if line]
    if report.vanished:
        lines.append(f"- vanished since the last run: {len(report.vanished)}")
    return _Block(tuple(lines))


def _worst(report: RunReport) -> str | None:
    """The passing case that is nearest to its limit."""
    ratios = [
        (worst.ratio, row)
        for row in report.cases
        if row.verdict is Verdict.PASS
        and row.parity is not None
        and (worst := row.parity.worst_output) is not None
        and worst.ratio is not None
    ]
    if not ratios:
        return None
    _, row = max(ratios, key=lambda pair: pair[0])
    return f"nearest to its limit: {_code(row.id)} ({parity_phrase(row.parity)})"


def _code(text: str | None) -> str:
    line = text or ""
    return inert_markdown(line if len(line) <= _MAX_CHARS else f"{line[:_MAX_CHARS]}…")
