from __future__ import annotations

from dataclasses import replace

import pytest
from markdown_it import MarkdownIt
from sample_gate import CASE, PASSED, SLOWER, STOPPED
from sample_report import HOSTILE, every_verdict, make_report, make_row

from conformance.history import compare_runs
from conformance.model import RunReport, Stage, Verdict
from conformance.reporters.markdown import LIMIT_BYTES, append_job_summary, report_markdown

MIB = 1 << 20


def failing(model, reason="wrong"):
    return make_row(model, verdict=Verdict.FAIL, stage=Stage.PARITY, reason=reason)


def tables(text):
    """Every table as rows of plain cells, and every kind of token outside of code."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    found, kinds = [], set()
    for number, token in enumerate(tokens):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("td_open", "th_open"):
            found[-1][-1].append("".join(t.content for t in tokens[number + 1].children))
        kinds |= {token.type} | {t.type for t in token.children or ()}
    return found, kinds


def yesterday(report: RunReport, *rows) -> RunReport:
    header = replace(report.header, id="20261120T000000Z-0000", versions={"torch": "2.12.0"})
    return replace(report, header=header, cases=rows or report.cases)


def test_failures_come_first_then_changes_then_totals():
    """The order in which somebody who is woken up reads; new failures before old ones."""
    now = make_report([failing("old"), failing("new"), make_row("mended"), make_row("cnn")])
    before = yesterday(now, failing("old"), make_row("new"), failing("mended"), make_row("cnn"))
    text = report_markdown(now, compare_runs(before, now))
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == [
        "## ✗ ONNX conformance: 2 of 4 cases fail the run",
        "### Failures",
        "### Changes since `20261120T000000Z-0000`",
        "### Totals",
    ]
    (failures, moved), _ = tables(text)
    assert [(row[0].split("@")[0], row[1]) for row in failures[1:]] == [
        ("pytorch/new", "✗ fail: parity, new"),
        ("pytorch/old", "✗ fail: parity"),
    ]
    assert [row[0].split("@")[0] for row in moved[1:]] == ["pytorch/mended"]
    assert "1 regressed, 1 still failing, 1 fixed; 1 of 4 compared cases unchanged." in text
    assert "- `torch 2.12.0 → 2.13.0`" in text


def test_a_run_in_which_all_is_well_says_so():
    """No section of failures, and totals with their denominators."""
    text = report_markdown(make_report([make_row()]))
    assert text.startswith("## ✓ ONNX conformance: none of 1 case fails the run\n")
    assert "Failures" not in text
    assert "- `pytorch`: passed 1 of 1 checked" in text


def test_what_the_gate_found_stands_before_the_failures():
    """A run whose tests all pass and that was stopped says so at once, with what was accepted."""
    whole = make_report([make_row()])
    text = report_markdown(replace(whole, footer=replace(whole.footer, gate=STOPPED)))
    assert text.startswith("## ✗ ONNX conformance: none of 1 case fails the run, the gate failed\n")
    assert "### ✗ Gate\n\n`gate failed: 1 latency, 1 coverage, 1 accepted; compared" in text
    assert f"- latency: `{CASE}`: `{SLOWER}`\n" in text
    assert "- coverage: `1 of 3 cases pass (33.3%), limit 90%`\n" in text
    assert "(accepted: `a wider head`)" in text
    passed = report_markdown(replace(whole, footer=replace(whole.footer, gate=PASSED)))
    assert "### ✓ Gate\n\n`gate passed; nothing to compare with yet" in passed


@pytest.mark.parametrize("status", ["interrupted", "crashed"])
def test_a_run_that_did_not_end_says_so_in_its_title(status):
    """Nobody takes half a run for a whole one."""
    title = report_markdown(make_report([make_row()], status=status)).splitlines()[0]
    assert title.endswith(f"; the run was **{status}**")


def test_a_hostile_text_is_only_text():
    """Ids, reasons, links, versions and notes are code: no markup, link, mention or new row."""
    text = f"{HOSTILE}\n| a | b |\n</details> <b>@everyone</b> [x](http://y) `tick` #1"
    row = failing(text, text)
    now = make_report([replace(row, link=text, place=text), make_row("cnn")])
    before = yesterday(now, make_row("cnn", framework=text))
    found, kinds = tables(report_markdown(now, compare_runs(before, now)))
    assert not kinds & {"link_open", "image", "html_inline", "em_open"}
    assert [len(table) for table in found[:1]] == [2]
    assert "everyone" in found[0][1][0]


def test_what_is_cut_is_counted_and_lesser_rows_go_first():
    """Ten thousand failures stay below the limit, with a notice, and the totals still stand."""
    reason = "x" * 2_000
    now = make_report([failing(f"m{n}", reason) for n in range(10_000)], runs=0)
    text = report_markdown(now, compare_runs(yesterday(now, make_row()), now))
    size = len(text.encode())
    assert LIMIT_BYTES * 0.99 < size <= LIMIT_BYTES < MIB
    shown = sum(line.startswith("| `pytorch/m") for line in text.splitlines())
    assert f"**{10_000 - shown} more rows are left out here" in text
    assert "✗ 10000 fail" in text
    found, _ = tables(text)
    assert len(found[0]) == shown + 1


@pytest.mark.parametrize("limit", [2_000, 3_000, 5_000, 8_000])
def test_any_limit_that_holds_the_frame_is_kept(limit):
    """Cutting never exceeds the limit and never splits a row."""
    now = make_report([failing(f"m{n}", "é" * 50) for n in range(40)])
    text = report_markdown(now, limit_bytes=limit)
    assert len(text.encode()) <= limit
    assert all(line.endswith("|") for line in text.splitlines() if line.startswith("|"))


def test_a_summary_is_appended_to_what_is_there(tmp_path):
    """Other steps' words stay, and the heading begins a line of its own."""
    path = tmp_path / "summary"
    path.write_text("words without an end")
    append_job_summary(make_report(every_verdict()), None, path)
    text = path.read_text()
    assert text.startswith("words without an end\n## ✗ ONNX conformance: 4 of 10 cases")


@pytest.mark.parametrize("there", [0, 100_000, MIB - 50_000, MIB - 10, MIB])
def test_a_summary_stays_below_what_github_takes(tmp_path, there):
    """A step's file above 1 MiB would be refused as a whole: less is written, or nothing."""
    path = tmp_path / "summary"
    path.write_bytes(b"x" * there)
    now = make_report([failing(f"m{n}", "y" * 400) for n in range(5_000)], runs=0)
    append_job_summary(now, None, path)
    assert path.stat().st_size <= MIB
    if there < MIB - 10:
        assert path.stat().st_size > there
