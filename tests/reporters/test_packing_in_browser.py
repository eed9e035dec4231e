"""What the script of the page unpacks is what was packed, and what report.json says."""

import json
from dataclasses import replace

import pytest
from sample_evidence import every_finding, generator
from sample_report import (
    EXPORT,
    HOSTILE,
    LOGITS,
    TIMED,
    every_verdict,
    make_report,
    make_row,
)

from conformance.evidence import ParityReport, Ratio
from conformance.model import Verdict
from conformance.reporters import report_json
from conformance.reporters.detail import detail
from conformance.reporters.html import IN_FULL
from conformance.reporters.inert import inert_json
from conformance.reporters.packing import OWN_ID, PART

#: Every row of the page as its script knows it, with its details.
UNPACKED = """async () => {
    const words = Object.keys(data.rows.words);
    const figures = Object.keys(data.rows.figures);
    return Promise.all(rows.all.map(async (row) => ({
        id: rows.id(row),
        found: rows.find(rows.id(row)) === row,
        words: Object.fromEntries(words.map((name) => [name, rows.word(name, row)])),
        figures: Object.fromEntries(figures.map((name) => [name, rows.figure(name, row)])),
        details: await details(row),
    })));
}"""


def odd_rows():
    """Rows that a careless packing confuses: alike but for type, absence, zero or identity."""
    return (
        make_row("zero", parity=ParityReport((replace(LOGITS, ratio=0.0, noise_ratio=0.0),), 1)),
        make_row("__proto__", "constructor", task="toString", tags=("valueOf",)),
        make_row(HOSTILE, HOSTILE, id=HOSTILE, reason=HOSTILE, details=HOSTILE, task=None),
        make_row("own", details=f"the id {OWN_ID} of another", reason=OWN_ID),
        make_row("untagged", tags=(), export=None, latency=None, parity=None, placement=None),
        make_row("overrun", latency=replace(TIMED, median_ns=10**15, speedup=Ratio(1e-9, 0, 1, 3))),
        make_row("of-its-own", id="an/id@of-its-own"),
        make_row("exported", provider=None),
    )


def many_rows():
    """Two parts of rows that differ in their figures and verdicts alone."""
    verdicts = list(Verdict)
    return tuple(
        make_row(
            f"model-{n}",
            verdict=verdicts[n % 7],
            parity=ParityReport((replace(LOGITS, ratio=n / 300, max_abs=n * 1.7e-8),), 1 + n % 3),
            latency=replace(TIMED, median_ns=1000 + 977 * n) if n % 3 else None,
            export=replace(EXPORT, size_bytes=10**6 + n, export_seconds=n / 7),
        )
        for n in range(PART + 7)
    )


@pytest.fixture(scope="module")
def packed(browser, tmp_path_factory):
    """A report, and what the page made of it; unpacked once."""
    from conformance.reporters import report_html

    # the same id twice is no report
    rows = {}
    for row in (*every_verdict(), *every_finding(), generator(), *odd_rows(), *many_rows()):
        rows.setdefault(row.id, row)
    report = make_report(rows.values())
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(report_html(report), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    found = page.evaluate(UNPACKED)
    page.close()
    return report, found


def inert_value(value):
    """A value as the page may show it: control characters spelt out."""
    return json.loads(inert_json(value))


def test_no_case_is_lost_doubled_or_moved(packed):
    """The page has every case of report.json, in its order, found by its id."""
    report, found = packed
    assert len(report.cases) > PART
    assert [row["id"] for row in found] == [
        inert_value(case["id"]) for case in report_json(report)["cases"]
    ]
    assert all(row["found"] for row in found)


@pytest.mark.parametrize(
    ("column", "of"),
    [
        ("framework", lambda case: case["framework"]),
        ("model", lambda case: case["model"]),
        ("task", lambda case: case["task"] or ""),
        ("exporter", lambda case: case["exporter"]),
        ("opset", lambda case: case["opset"]),
        ("variant", lambda case: case["variant"]),
        ("provider", lambda case: case["provider"] or ""),
        ("verdict", lambda case: case["verdict"]),
        ("stage", lambda case: case["stage"]),
        ("tag", lambda case: case["tags"]),
        ("trusted", lambda case: case["trusted"]),
        ("reason", lambda case: case["reason"] or ""),
    ],
)
def test_words_are_those_of_report_json(packed, column, of):
    """A word of each row, whatever other rows share it."""
    report, found = packed
    expected = [inert_value(of(case)) for case in report_json(report)["cases"]]
    assert [row["words"][column] for row in found] == expected


def worst_ratio(case):
    if not case["parity"]:
        return None
    # a model in parts is as good as the worst of them
    parts = [case["parity"], *case["parity"]["components"]]
    ratios = [output["ratio"] for part in parts for output in part["outputs"]]
    return max((ratio for ratio in ratios if ratio is not None), default=None)


def speedup(case):
    latency = case["latency"]
    if not latency:
        return None
    if latency["speedup"]:
        return latency["speedup"]["value"]
    source = latency["source_median_ns"]
    return source / latency["median_ns"] if source else None


@pytest.mark.parametrize(
    ("figure", "of"),
    [
        ("ratio", worst_ratio),
        ("latency_us", lambda case: case["latency"] and case["latency"]["median_ns"] / 1000),
        ("speedup", speedup),
        ("size_bytes", lambda case: case["export"] and case["export"]["size_bytes"]),
        ("export_s", lambda case: case["export"] and case["export"]["export_seconds"]),
    ],
)
def test_figures_are_those_of_report_json(packed, figure, of):
    """To the three digits that the page keeps; what is absent is absent, and zero is zero."""
    report, found = packed
    for row, case in zip(found, report_json(report)["cases"], strict=True):
        value = of(case)
        if value is None:
            assert row["figures"][figure] is None, row["id"]
        else:
            assert row["figures"][figure] == pytest.approx(value, rel=5e-3), row["id"]


def test_the_last_runs_are_those_of_report_json(packed):
    """A letter per run of the trend, oldest first."""
    report, found = packed
    for row, case in zip(found, report_json(report)["cases"], strict=True):
        assert row["words"]["runs"] == "".join(point["verdict"][0] for point in case["trend"])


def test_details_come_out_as_they_went_in(packed):
    """Every block of every case: texts, figures, structure; no case has another's."""
    report, found = packed
    assert len(report.cases) < IN_FULL
    for row, case in zip(found, report.cases, strict=True):
        # the mark of a case's own id is nobody's: it is shown as the id
        expected = json.dumps(inert_value(detail(case, report)))
        shown = json.dumps(row["details"])
        assert shown == expected.replace(json.dumps(OWN_ID)[1:-1], row["id"]), row["id"]
