"""A run of a part of the zoo says so wherever it is read."""

import json
from dataclasses import replace
from importlib.resources import files

import jsonschema
import pytest
from sample_report import HOSTILE, make_report, make_row

from conformance.model import RunPlan, TestKind, TestRef
from conformance.reporters import report_html, report_json
from conformance.reporters.markdown import report_markdown
from conformance.reporters.selection import selection
from conformance.reporters.terminal import render

SCHEMA = json.loads(files("conformance").joinpath("schemas/report.schema.json").read_text())
MODELS = ("cnn", "lstm", "mlp")
WHOLE = "20261120T000000Z-0000"


def ref(test, model, provider="cpu"):
    case = f"pytorch/{model}@dynamo-op18-fp32"
    shown = None if test is TestKind.EXPORT else provider
    return TestRef(
        *(test, case if shown is None else f"{case}-{shown}", case, model, "pytorch", None, ()),
        *("dynamo", 18, "fp32", shown, "pytest"),
    )


def partial(refs, *, by="-k cnn", last_whole=WHOLE):
    """A run of these tests, of a zoo of three models with three tests each."""
    rows = [make_row(model) for model in MODELS]
    report = make_report(rows)
    plan = RunPlan(tuple(refs), 9 - len(refs), by)
    return replace(report, cases=tuple(rows[:1]), plan=plan, last_whole=last_whole)


def part(*tests, models=("cnn",)):
    return [ref(test, model) for model in models for test in tests]


@pytest.mark.parametrize(
    ("refs", "cases", "tests"),
    [
        (part(*TestKind), 1, 3),
        (part(TestKind.PARITY, models=MODELS), 3, 3),
        (part(TestKind.LATENCY), 1, 1),
        (part(TestKind.EXPORT, models=("cnn", "lstm")), 2, 2),
    ],
)
def test_what_was_selected_is_counted(refs, cases, tests):
    """Cases of which any test was selected, among those of the zoo; tests among all tests."""
    found = selection(partial(refs))
    assert (found.cases, found.of_cases) == (cases, 3)
    assert (found.tests, found.of_tests) == (tests, 9)


@pytest.mark.parametrize(
    "plan", [None, RunPlan(tuple(part(*TestKind, models=MODELS)), 0)], ids=["unknown", "whole"]
)
def test_a_whole_run_says_nothing_of_it(plan):
    """No banner, no line and no data where nothing was left out."""
    report = replace(make_report(), plan=plan, last_whole=WHOLE)
    assert report_json(report)["run"]["selection"] is None
    told = report_html(report), report_markdown(report), render(report, 100, color=False)
    assert not [text for text in told if "Partial run" in text]


def test_every_reader_is_told_before_the_figures():
    """Page, job summary and terminal tell the counts, the option, and the way back, up front."""
    report = partial(part(*TestKind))
    line = (
        "Partial run: 1 of 3 cases were selected, 3 of 9 tests, by -k cnn. "
        "What is told is of these alone."
    )
    way_back = f"The last whole run: conformance report --run {WHOLE}"
    page, markdown = report_html(report), report_markdown(report)
    terminal = " ".join(render(report, 400, color=False).split())
    for text, figures in ((page, 'id="totals"'), (markdown, "### Totals"), (terminal, "1 cases")):
        assert line in text
        assert way_back in text
        assert text.index(line) < text.index(way_back) < text.index(figures)


def test_the_data_says_what_was_selected():
    """report.json has the counts and the last whole run, as its schema says."""
    data = report_json(partial(part(*TestKind)))
    jsonschema.validate(data, SCHEMA)
    assert data["run"]["selection"] == {
        "cases": 1,
        "of_cases": 3,
        "tests": 3,
        "of_tests": 9,
        "by": "-k cnn",
        "last_whole_run": WHOLE,
    }
    unknown = partial(part(*TestKind), by=None, last_whole=None)
    unknown = replace(unknown, header=replace(unknown.header, zoo_cases=()))
    data = report_json(unknown)
    jsonschema.validate(data, SCHEMA)
    assert data["run"]["selection"]["of_cases"] is None
    assert "Partial run: 3 of 9 tests were selected. What" in report_html(unknown)


def test_an_option_that_is_markup_is_shown_as_it_is():
    """What somebody wrote behind -k runs nowhere."""
    report = partial(part(*TestKind), by=f"-k {HOSTILE}", last_whole=HOSTILE)
    assert "<img" not in report_html(report)
    assert "\x1b[2J" not in render(report, 100, color=False)
    assert "\x1b" not in report_markdown(report)
