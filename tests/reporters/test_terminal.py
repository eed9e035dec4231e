# ruff: noqa: RUF001 - the multiplication sign is what reports show
import re
from dataclasses import replace

import pytest
from sample_evidence import EXPLANATION, FOLDER, SHARP, every_finding, partly
from sample_report import HOSTILE, every_verdict, make_report, make_row, make_unmeasured

from conformance.model import Stage, Verdict
from conformance.reporters.terminal import render


@pytest.fixture(autouse=True)
def _colours_unset(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)


def line_of(text, model):
    (line,) = [line for line in text.splitlines() if line.strip().startswith(model)]
    return line


def test_a_row_tells_verdict_parity_latency_and_speed():
    """On a wide terminal each case is one line with all that was measured, in words and units."""
    row = line_of(render(make_report([make_row()]), 120, color=False), "cnn")
    assert re.split(r"\s{2,}", row.strip()) == [
        "cnn",
        "dynamo op18 fp32 cpu",
        "✓ pass",
        "1.3× noise, limit 3.1×",
        "1.23 ms",
        "2.3× faster",
    ]


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_every_verdict_is_a_glyph_and_a_word(width):
    """No verdict is told by colour alone, and a table of any width fits the terminal."""
    text = render(make_report(), width, color=False)
    for verdict in Verdict:
        assert f"{verdict.glyph} {verdict}" in text
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) <= width
    found = render(make_report(every_finding()), width, color=False)
    # a path is never broken: nobody could copy it
    folded = [line for line in found.splitlines() if "kept in: " not in line]
    assert max(map(len, folded)) <= width


def test_colour_is_used_where_it_is_wanted(monkeypatch):
    """Colour is for terminals that have it, and NO_COLOR has the last word."""
    assert "\x1b[" in render(make_report(), 120, color=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in render(make_report(), 120, color=True)


def test_totals_scores_and_paths_follow_the_table(tmp_path):
    """After the table: every verdict counted, honest scores, what vanished, where to look."""
    report = make_report(vanished=("pytorch/gru@dynamo-op18-fp32-cpu",))
    lines = render(report, 200, color=False, report_dir=tmp_path).splitlines()
    assert "10 cases: ✓ 4 pass, ✗ 1 fail, ≈ 1 expected-fail, ! 1 unexpected-pass" in "\n".join(
        lines
    )
    assert "  tensorflow: passed 0 of 1 checked; not counted: 1 infra-error" in lines
    assert "vanished since the last run: pytorch/gru@dynamo-op18-fp32-cpu" in lines
    assert lines[-2:] == [
        f"report: {tmp_path / 'index.html'}",
        f"        {tmp_path / 'report.json'}",
    ]


def test_what_did_not_pass_says_why_and_equal_reasons_are_told_once():
    """Reasons stand below the table: those that fail the run first, the others grouped."""
    absent = "torch not installed: pip install 'x[pytorch]'"
    rows = [make_row(f"m{n}", verdict=Verdict.NOT_RUN, reason=absent) for n in range(3)]
    text = render(
        make_report([*rows, make_row("bad", verdict=Verdict.FAIL, reason="opset is 17")]),
        120,
        color=False,
    )
    assert text.index("opset is 17") < text.index(absent)
    assert text.count(absent) == 1
    assert "not-run: 3 cases" in text


def test_a_large_run_shows_what_fails_and_says_so():
    """Beyond 150 rows only failing ones are listed; the others are counted, not dropped."""
    passing = [make_row(f"model-{number}") for number in range(150)]
    text = render(make_report([*passing, *every_verdict()]), 120, color=False)
    assert "156 of 160 rows not shown: none of them fails the run" in text
    assert "model-1" not in text
    assert "✗ fail: parity" in text
    assert "pytorch: passed 152 of 155 checked" in text


@pytest.mark.parametrize("status", ["interrupted", "crashed"])
def test_a_run_that_did_not_finish_says_so_first(status):
    """Nobody takes the totals of a broken-off run for the zoo's."""
    assert render(make_report(status=status), 120, color=False).startswith(
        f"! this run was {status}"
    )
    assert "this run was" not in render(make_report(), 120, color=False)


@pytest.mark.parametrize("width", [80, 140])
def test_hostile_text_is_inert(width):
    """Escape codes and markup in names come out as the characters they are."""
    row = make_unmeasured(
        Verdict.FAIL, Stage.EXPORT, HOSTILE, model="[bold]x[/bold]\x1b[31m", framework="\x07fw"
    )
    text = render(make_report([row], vanished=(HOSTILE,)), width, color=True)
    assert not re.search(r"[\x00-\x09\x0b-\x1a\x1c-\x1f\u202e]", text)
    assert set(re.findall(r"\x1b\[([\d;]*)m", text)) <= {"0", "1", "1;31"}
    assert "\x1b[2J" not in text
    assert "[bold]x[/bold]" in text


def test_an_empty_run_is_no_error():
    """Nothing selected is a report with nothing in it."""
    assert render(make_report([]), 80, color=False) == "0 cases:\n"


def test_a_failure_says_where_it_comes_from_and_where_it_is_kept(tmp_path):
    """Below its reason: the explanation's summary and the folder that the failure left."""
    text = render(make_report(every_finding()), 200, color=False, report_dir=tmp_path)
    lines = text.splitlines()
    at = lines.index(f"    error comes from: {EXPLANATION.summary}")
    assert lines[at - 2].startswith("✗ fail: pytorch/attention@")
    assert lines[at + 1] == f"    kept in: {tmp_path / FOLDER}"


def test_failures_with_the_same_reason_are_told_apart_by_what_they_left():
    """Of many, the first few name themselves and their folder; the others are counted."""
    rows = [
        make_row(f"m{n}", verdict=Verdict.FAIL, reason="same", failure_folder=f"failures/m{n}")
        for n in range(5)
    ]
    lines = render(make_report(rows), 200, color=False).splitlines()
    kept = [line for line in lines if "kept in" in line]
    assert kept == [f"    kept in: failures/m{n}" for n in range(3)]
    assert lines[lines.index(kept[0]) - 1] == f"    {rows[0].id}:"
    assert "    2 more of these: see the report" in lines


def test_sensitivity_is_summed_up_where_mutation_ran():
    """One line at the end tells how many wrong models the checks caught, and none without."""
    text = render(make_report([make_row(mutation=SHARP)]), 120, color=False)
    assert text.splitlines()[-1] == "check sensitivity: 19 of 20 wrong models caught"
    assert "sensitivity" not in render(make_report(), 120, color=False)


def test_figures_of_a_partial_provider_say_so():
    """Beside parity and latency, and in a line of their own that a long table cannot hide."""
    rows = [partly("resnet18", 22, 14), partly("embedding-bag", 0, 41)]
    text = render(make_report(rows), 140, color=False)
    assert "61% of nodes, 14 fell back" in text
    assert "none of 41 nodes ran on CUDAExecutionProvider" in " ".join(text.split())
    assert re.search(r"back +61% of nodes", text)
    assert "2 of 2 rows ran only in part on their provider, 1 of them not at all" in text
    hidden = [make_row(f"m{n}") for n in range(150)]
    large = render(make_report([*hidden, rows[0]]), 140, color=False)
    assert "resnet18" not in large
    assert "1 of 151 rows ran only in part" in large
    assert "in part" not in render(make_report([partly("cnn", 41, 0)]), 140, color=False)


def test_hostile_evidence_is_inert():
    """What a summary, a folder or a provider is called steers no terminal."""
    row = make_row(
        provider=HOSTILE,
        verdict=Verdict.FAIL,
        reason="x",
        explanation=replace(EXPLANATION, summary=HOSTILE),
        failure_folder=HOSTILE,
    )
    text = render(make_report([row]), 300, color=False)
    assert text.count("\\x1b[2J") >= 4
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", text)
