from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest
from sample_evidence import (
    BLUNT,
    DIVERGENCE,
    EXPLANATION,
    FLIP,
    FOLDER,
    MISSED,
    SHAPES,
    SHARP,
    every_finding,
    generator,
    partly,
)
from sample_report import (
    HOSTILE,
    LOGITS,
    every_verdict,
    make_report,
    make_row,
    make_unmeasured,
)

from conformance.evidence import ErrorStep, MutationReport, ParityReport, ReducedModel, Worst
from conformance.model import Stage, Verdict
from conformance.reporters import report_html
from conformance.reporters.links import safe_link, safe_path
from conformance.reporters.sparkline import sparkline

VOID = {"meta", "input", "rect", "circle", "line", "polyline", "link", "br", "img"}


class Page(HTMLParser):
    """A page taken apart: its elements with their attributes, and the text it shows."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts, self.open = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def all(self, tag, **wanted):
        wanted = {name.rstrip("_"): value for name, value in wanted.items()}
        return [a for t, a in self.elements if t == tag and wanted.items() <= a.items()]


@pytest.fixture(scope="module")
def page():
    return Page(report_html(make_report(vanished=("pytorch/gru@dynamo-op18-fp32-cpu",))))


@pytest.fixture(scope="module")
def evidence():
    return Page(report_html(make_report(every_finding())))


def test_every_case_is_in_the_page_without_script(page):
    """The table is there when the file is opened, one body of rows per case."""
    assert len(page.all("tbody", class_="case")) == len(every_verdict())
    assert page.open == []


def test_every_verdict_is_a_glyph_and_a_word(page):
    """No verdict is told by colour alone."""
    for verdict in Verdict:
        assert f"{verdict.glyph} {verdict}" in page.text
        assert page.all("tbody", **{"data-verdict": verdict.value})


@pytest.mark.parametrize(
    "text",
    [
        "passed 0 of 1 checked; not counted: 1 infra-error",
        "1.3× noise, limit 3.1×",  # noqa: RUF001 - as shown
        "0.4 of limit",
        "2.3× faster",  # noqa: RUF001 - as shown
        "output 'logits': error 2.1e-05 at [2, 7]",
        "expected 4.17352 , actual 4.173522",
        "RuntimeError: aten::foo",
        "'model_zoo.yaml::test_parity[pytorch/cnn@dynamo-op18-fp32-cpu]'",
        "1.24 MB, 87 nodes",
        "18.4 ms, 2.05 ms",
        "pytorch/gru@dynamo-op18-fp32-cpu",
        "AMD EPYC 7763",
        "onnxruntime 1.31.1",
        "finished after 17 min 13 s",
        "3f2a9c1be0 with local changes",
        "How to read this report",
    ],
)
def test_the_page_tells(page, text):
    """What people look for in a report is in its text."""
    assert text in page.text


def test_the_page_needs_nothing_else(page):
    """No network and no other file: all style and script are inside, links lead by click only."""
    assert not page.all("link")
    assert not page.all("img")
    assert not any("src" in attributes for _, attributes in page.elements)
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"].startswith("default-src 'none'; style-src 'sha256-")


@pytest.mark.parametrize("cases", [every_verdict(), every_finding()], ids=["verdicts", "findings"])
def test_the_page_is_accessible(cases):
    """Language, one first heading, scopes, captions, labels and alternatives are there."""
    page = Page(report_html(make_report(cases)))
    assert page.all("html", lang="en")
    assert len(page.all("h1")) == 1
    assert len(page.all("caption")) == 2  # the static table, and the one that the script fills
    assert all("scope" in th for th in page.all("th"))
    assert all(svg.get("aria-label") or "aria-hidden" in svg for svg in page.all("svg"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {label["for"] for label in page.all("label") if "for" in label} <= set(ids)
    targets = {unquote(a["href"][1:]) for a in page.all("a") if a["href"].startswith("#")}
    assert targets <= set(ids)


@pytest.mark.parametrize(
    "text",
    [
        "✗ ONNX error 1937x the framework's own rounding noise (limit 3.1x)",
        "constant by design: it depends on the length alone",
        "1.6e-06 8 sets",
        "because tree ensembles compare thresholds in float32; 2 rows set aside as ties",
        "11 of 12 0 0.21 ✗ 1 of 12 labels differs",
        "10 of 12 2 1.1e-07 ✓ 2 ties: both answers are within the accepted error",
        "398 of 400 2 0.5 ulp",
        "Axis size 0 size 1 size 4 size 11 size 64 size 128",
        "≠ wrong values 41 of limit",
        "= silently static",
        "· source rejects",
        "Axis batch at size 0: rejects: ONNX Runtime: zero dimension",
        "✓ Padding masked by 'attention_mask' along 'sequence': 6 padded rows agree",
        "· Padding masked by 'token_type_ids' along 'sequence': not compared",
        "it kills 19/20, 1 missed, 3 equivalent; 2 refused (seed 7, 10% may be missed)",
        (
            "✗ missed flip attribute AveragePool_3 count_include_pad 0.61 moves 'logits' by 3e-06 "
            "where 4.9e-06 is accepted inputs whose border is not zero = equivalent"
        ),
        "Where the error of logits comes from: graph optimization",
        "ONNX Runtime, optimizations on ◀ graph optimization 0.0031 0.0031 > limit",
        "limit 4.9e-06; logarithmic scale",
        "CUDAExecutionProvider this ONNX Runtime has no such provider",
        "First diverging node: /encoder/layer.0/attention/Softmax (Softmax), 14 of 87 in order.",
        (
            "differs by 0.0029 between ONNX Runtime, optimizations off and ONNX Runtime, "
            "optimizations on. It originates the error"
        ),
        "From fixtures/attention.py:41 .",
        "Smallest model that still shows it: reduced , 3 nodes, error 0.0029.",
        "Note: the reference evaluator was not run",
        "1 intra-op thread; 61% of nodes, 14 fell back",
        "CUDAExecutionProvider 0, CPUExecutionProvider 41: none of 41 nodes ran on CUDA",
        "1.23 ms ⚠ 61% of nodes",
        "1.23 ms ⚠ 0% of nodes",
        "⚠ 2 of 8 shapes wrong ⚠ 1 wrong model missed",
    ],
)
def test_the_page_tells_what_was_found(evidence, text):
    """Sentences, decisions, shapes, mutants, the error's way and partial providers are text."""
    assert " ".join(text.split()) in evidence.text


def test_a_failure_leads_to_what_it_left(evidence):
    """The folder, its zip and the reduced model are links relative to the report."""
    links = [a["href"] for a in evidence.all("a")]
    quoted = FOLDER.replace("+", "%2B").replace("@", "%40")
    for link in (f"{quoted}/", f"{quoted}.zip", f"{quoted}/reduced"):
        assert links.count(link) == 1


def test_every_component_and_the_exporter_that_stood_in_are_told():
    """A model in parts shows each part's certificate, its texts, and what failed before."""
    shown = Page(report_html(make_report([generator()]))).text
    for text in (
        "Certificate: 1 output, 2 data sets",
        "Component prefill: 1 output, 2 data sets",
        "5 of 5 prompts equal for 20 tokens",
        "exported by torchscript; dynamo failed: no trace",
    ):
        assert text in " ".join(shown.split())


def test_nothing_found_shows_nothing(page):
    """Rows without the new evidence have no empty headings for it."""
    for heading in ("Decisions", "Other shapes", "Sensitivity", "Where the error", "Kept for"):
        assert heading not in page.text
    assert not page.all("span", class_="mark note")


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("failures/a@b", "failures/a%40b"),
        ("failures/a b/", "failures/a%20b"),
        ("javascript:alert(1)", "javascript%3Aalert%281%29"),
        ('"onclick=x', "%22onclick%3Dx"),
        ("\ud800", "%3F"),
        ("//example.org", None),
        ("/etc", None),
        ("a/../../b", None),
        (".", None),
        ("", None),
    ],
)
def test_a_path_stays_below_the_report(path, address):
    """A folder becomes a relative address that runs nothing and leaves no folder, or none."""
    assert safe_path(path) == address


def test_a_check_that_is_too_blunt_is_a_problem():
    """More missed mutants than declared are shown as wrong, not as a figure among others."""
    blunt = Page(report_html(make_report([make_row(mutation=BLUNT)])))
    sharp = Page(report_html(make_report([make_row(mutation=SHARP)])))
    assert blunt.all("p", class_="problem")
    assert not sharp.all("p", class_="problem")


def hostile_report():
    step = ErrorStep(HOSTILE, 1.0, 1.0, HOSTILE)
    row = make_row(
        HOSTILE,
        HOSTILE,
        id=HOSTILE,
        verdict=Verdict.FAIL,
        stage=Stage.PARITY,
        task=HOSTILE,
        tags=(HOSTILE,),
        variant=HOSTILE,
        provider=HOSTILE,
        reason=HOSTILE,
        link="javascript:alert(1)",
        details=HOSTILE,
        repro=HOSTILE,
        placement={HOSTILE: 1, "CPUExecutionProvider": 1},
        parity=ParityReport(
            (
                replace(
                    LOGITS,
                    name=HOSTILE,
                    dtype=HOSTILE,
                    rule="declared",
                    rule_reason=HOSTILE,
                    problem=HOSTILE,
                    worst=Worst((0,), HOSTILE, HOSTILE, 0),
                    constant=HOSTILE,
                ),
            ),
            1,
            (HOSTILE,),
            decisions=(replace(FLIP, kind=HOSTILE, output=HOSTILE, detail=HOSTILE),),
            generalization=replace(
                SHAPES,
                probes=(replace(SHAPES.probes[5], axis=HOSTILE, detail=HOSTILE),),
                padding=(
                    replace(SHAPES.padding[0], mask=HOSTILE, axis=HOSTILE),
                    replace(SHAPES.padding[0], problem=HOSTILE),
                ),
            ),
        ),
        mutation=MutationReport(
            (replace(MISSED, operator=HOSTILE, target=HOSTILE, detail=HOSTILE),), 0, 0, 0.0
        ),
        explanation=replace(
            EXPLANATION,
            output=HOSTILE,
            summary=HOSTILE,
            steps=(step, step),
            divergence=replace(
                DIVERGENCE,
                node=HOSTILE,
                op_type=HOSTILE,
                output=HOSTILE,
                between=(HOSTILE, HOSTILE),
                location=HOSTILE,
            ),
            reduced=ReducedModel(HOSTILE, 1, 1.0),
            notes=(HOSTILE,),
        ),
        failure_folder=HOSTILE,
    )
    report = make_report([row], vanished=(HOSTILE,))
    header = replace(
        report.header,
        id=HOSTILE,
        command=HOSTILE,
        commit=HOSTILE,
        zoos=(HOSTILE,),
        machine={HOSTILE: HOSTILE, "cpu": HOSTILE},
        versions={HOSTILE: HOSTILE},
        started=HOSTILE,
    )
    return replace(report, header=header)


def test_hostile_text_is_inert():
    """Names and messages that try to be markup are shown as the characters they are."""
    html = report_html(hostile_report())
    page = Page(html)
    harmless = Page(report_html(make_report([make_row(), *every_finding()])))
    assert not page.all("img")
    (executed,) = [script for script in page.all("script") if "type" not in script]
    assert executed == {}
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert {tag for tag, _ in page.elements} - {tag for tag, _ in harmless.elements} <= {
        "pre",
        "ul",
        "li",
    }
    assert page.text.count("<img src=x onerror=alert(1)>") >= 50
    assert "49" not in page.text.replace("20261121", "")
    links = [a["href"] for a in page.all("a")]
    assert not [link for link in links if "<" in link or urlsplit(link).scheme]
    for character in "\x1b\x07\u202e":
        assert character not in html


@pytest.mark.parametrize(
    ("link", "safe"),
    [
        ("https://example.org/1?a=b", True),
        ("http://example.org", True),
        ("javascript:alert(1)", False),
        ("JaVaScRiPt:alert(1)", False),
        ("data:text/html,x", False),
        ("//example.org", False),
        ("https:", False),
        ("http://[", False),
        ("", False),
        (None, False),
    ],
)
def test_only_web_addresses_become_links(link, safe):
    """What a browser would run or cannot open is shown as text."""
    assert safe_link(link) == (link if safe else None)
    row = make_unmeasured(Verdict.EXPECTED_FAIL, Stage.EXPORT, "known", link=link)
    linked = [a["href"] for a in Page(report_html(make_report([row]))).all("a")]
    assert (link in linked) == safe


@pytest.mark.parametrize("status", ["interrupted", "crashed"])
def test_a_run_that_did_not_finish_is_marked(status):
    """The first thing the page says is that the run broke off."""
    text = Page(report_html(make_report(status=status))).text
    assert f"This run was {status}." in text
    assert text.index(f"This run was {status}.") < text.index("Totals")


def test_a_finished_run_is_not_marked(page):
    """No warning without a cause."""
    assert "This run was" not in page.text


@pytest.mark.parametrize("runs", [1, 2, 30])
def test_a_trend_is_told_in_words(runs):
    """The picture of a trend has an alternative with its runs, verdicts and latencies."""
    report = make_report([make_row()], runs=runs)
    (row,) = report.cases
    label = sparkline(report.trends[row.id]).label
    assert label.startswith("1 run: 1 pass; now pass" if runs == 1 else f"{runs} runs: ")
    page = Page(report_html(report))
    (svg,) = [svg for svg in page.all("svg") if svg.get("aria-label")]
    assert svg["aria-label"] == label
    marks = [rect for rect in page.all("rect") if rect["class"].startswith("t-")]
    assert len(marks) == runs


def test_a_provider_that_ran_nothing_alarms():
    """Figures of another provider altogether are told from those of a part."""
    part, nothing = (
        Page(report_html(make_report([partly("cnn", asked, 14)]))) for asked in (22, 0)
    )
    assert len(part.all("span", class_="mark note")) == 2
    assert not part.all("span", class_="mark alarm")
    assert len(nothing.all("span", class_="mark alarm")) == 2


def test_an_empty_run_is_a_page():
    """A run that recorded nothing still has a report."""
    assert "0 cases" in Page(report_html(make_report([]))).text
