from __future__ import annotations

from dataclasses import replace

from sample_gate import CASE, PASSED, SLOWER, STOPPED
from sample_report import HOSTILE, make_report

from conformance.reporters.gate_text import gate_lines, gate_sentence, gate_verdict
from conformance.reporters.html import report_html
from conformance.reporters.terminal import render


def test_a_gate_that_stops_a_run_says_which_rule_on_which_model_by_how_much():
    """Findings first, accepted ones with their reason, then what each rule looked at."""
    assert [line.text for line in gate_lines(STOPPED)] == [
        "gate failed: 1 latency, 1 coverage, 1 accepted; compared with run 20261120T000000Z-0000",
        f"  ✗ latency: {CASE}: {SLOWER}",
        "  ✗ coverage: 1 of 3 cases pass (33.3%), limit 90%",
        f"  ≈ memory: {CASE}: more",
        "      accepted until 2027-01-31: a wider head",
        "  ! gate.accepted[1] (size of lstm): there is nothing to accept any more; remove it",
        "  judged        at least one   looked at 3 of 3",
        "  latency       of each entry  looked at 1 of 3, 1 found; 2 contended (a, b)",
        "  size          1.05x          looked at 0 of 3; 3 not in the baseline",
    ]


def test_a_gate_without_a_baseline_says_so():
    """A first run is not taken for one that was compared."""
    assert gate_verdict(PASSED).startswith("gate passed; nothing to compare with yet: ")


def test_the_gate_is_in_the_terminal_and_on_the_page():
    """After the table, and as one line at the top of index.html."""
    report = make_report(gate=STOPPED)
    text = render(report, 200, color=False)
    assert f"✗ latency: {CASE}: {SLOWER}" in text
    html = report_html(report)
    assert gate_sentence(STOPPED) in html
    assert html.index("Gate failed") < html.index("Totals")
    assert "Gate failed" not in report_html(make_report())


def test_names_in_the_gate_steer_nothing():
    """A case's id or reason is text, in a terminal and on the page."""
    found = replace(STOPPED.findings[0], case=HOSTILE, text=HOSTILE)
    report = make_report([], gate=replace(STOPPED, findings=(found,)))
    text = render(report, 200, color=False)
    assert not set(text) & {"\x1b", "\x07", "\u202e"}
    assert "<img src=x" not in report_html(report)
