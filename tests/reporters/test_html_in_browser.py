"""What only a browser can tell; skipped where there is none."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from sample_evidence import QUANTIZED, every_finding
from sample_report import HOSTILE, TIMED, every_verdict, make_report, make_row

from conformance.evidence import Ratio
from conformance.model import RunPlan, Verdict
from conformance.reporters import report_html

CNN = "pytorch/cnn@dynamo-op18-fp32-cpu"
LSTM = "pytorch/lstm@dynamo-op18-fp32-cpu"


def lines(page):
    """The text of each row of the present view, in order."""
    return [" ".join(text.split()) for text in page.locator("#grid tr.row").all_inner_texts()]


def shown(page):
    """How many cases the filter leaves, as the page says."""
    number, _ = page.text_content("#shown").split(" of ")
    return int(number)


def fragment(page):
    return page.evaluate("location.hash")


def many(count):
    return [
        make_row(f"model-{n}", latency=replace(TIMED, median_ns=1000 + n)) for n in range(count)
    ]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 10),
        ("   ", 10),
        ("bert", 2),
        ('"bert-tiny"', 2),
        ("-bert", 8),
        ("BERT fill-mask", 1),
        ("framework:transformers", 2),
        ("framework:transformers,sklearn", 3),
        ("FRAMEWORK:Transformers", 2),
        ("framework:trans*", 2),
        ("-framework:pytorch", 5),
        ("framework:pytorch -verdict:pass", 3),
        ("verdict:fail", 1),
        ("verdict:fail verdict:pass", 0),
        ("provider:cuda", 1),
        ("tag:vision", 10),
        ("-tag:vision", 0),
        ("task:fill-mask", 1),
        ("opset:18", 10),
        ("opset:>=18", 10),
        ("opset:>18", 0),
        ("opset:17..19", 10),
        ("ratio:>0.42", 6),
        ("ratio:<=0.4", 1),
        ("latency:<20us", 2),
        ("latency:>1ms", 3),
        ("latency:>1", 3),
        ("size:>1MB", 7),
        ("size:>1", 7),
        ("speedup:<1", 2),
        ("reason:remove", 1),
        ("stage:export", 2),
        ("id:pytorch/*", 5),
        ("cnn torchscript", 1),
        ("c*n torchscript", 2),
        ("[.*", 0),
        ("\"output 'logits': error\"", 1),
    ],
)
def test_the_query_language_narrows_the_cases(show_once, query, count):
    """Keys, lists, wildcards, exclusion, comparisons, units, ranges, quotes and plain words."""
    show_once.fill("#query", query)
    assert shown(show_once) == count
    assert show_once.is_visible("#empty") == (count == 0)


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("framwork:pytorch", "did you mean framework?"),
        ("zzzzzz:1", "(keys: framework, model,"),
        ("opset:many", "opset takes a figure"),
        ("latency:>3parsec", "latency takes a figure"),
        ("verdict:broken", 'No case has verdict "broken".'),
        ('"open', "A quotation mark is not closed."),
        ("verdict:fail", ""),
    ],
)
def test_a_query_that_is_wrong_says_so(show_once, query, hint):
    """An unknown key, figure or value is named, with the next step; a right one is silent."""
    show_once.fill("#query", query)
    told = show_once.text_content("#hint")
    assert hint in told
    assert bool(hint) == bool(told)


@pytest.fixture(scope="module")
def show_once(browser, tmp_path_factory):
    """One page for tests that only type into its filter."""
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(report_html(make_report()), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    yield page
    page.close()


def test_facets_count_and_write_the_query(show):
    """A box shows how many cases it stands for among the others' choice, and fills in the query."""
    page = show()
    page.click(".facets summary")
    framework = page.locator("#facets fieldset", has_text="framework")
    assert "pytorch 5" in " ".join(framework.inner_text().split())
    page.check("#facets input[name=framework][value=pytorch]")
    assert page.input_value("#query") == "framework:pytorch"
    assert shown(page) == 5
    page.check("#facets input[name=framework][value=sklearn]")
    assert page.input_value("#query") == "framework:pytorch,sklearn"
    verdicts = " ".join(page.locator("#facets fieldset", has_text="verdict").inner_text().split())
    assert "pass 3" in verdicts
    assert "infra-error 0" in verdicts
    page.uncheck("#facets input[name=framework][value=pytorch]")
    page.uncheck("#facets input[name=framework][value=sklearn]")
    assert page.input_value("#query") == ""
    assert shown(page) == 10


def test_conversions_of_most_rows_come_first(show):
    """What one model alone has does not push what all have out of sight; then by name."""
    models = [make_row(f"m{n}", exporter="torchscript") for n in range(3)]
    page = show([make_row("lone", exporter="auto"), *models, make_row("one")])
    heads = [" ".join(text.split()) for text in page.locator("#grid thead th").all_inner_texts()]
    assert heads[1:4] == ["torchscript op18 fp32", "auto op18 fp32", "dynamo op18 fp32"]


def test_the_matrix_has_models_against_conversions_and_providers(show):
    """A cell tells verdict by glyph and word, ratio and latency; a conversion folds up and back."""
    page = show()
    heads = [" ".join(text.split()) for text in page.locator("#grid thead th").all_inner_texts()]
    assert heads[1:6] == [
        "dynamo op18 fp32",
        "tf2onnx op18 fp32",
        "skl2onnx op18 fp32",
        "torchscript op18 fp32",
        "cpu",
    ]
    assert heads[5:] == ["cpu", "cuda", "cpu", "cpu", "cpu"]
    cells = page.locator("#grid tr.row", has_text="cnn").locator("td")
    assert cells.count() == 5
    assert " ".join(cells.nth(0).inner_text().split()) == "✓pass 0.43 of limit · 1.23 ms"
    sections = page.locator("#grid tr.section").all_inner_texts()
    assert sections[0] == "pytorch · image-classification 4 models"
    page.get_by_role("button", name="dynamo op18 fp32").click()
    assert "fold=dynamo" in fragment(page)
    assert cells.count() == 4
    assert page.locator("#grid tr.row", has_text="cnn").locator("td.folded a").inner_text() == "✓"
    page.get_by_role("button", name="dynamo op18 fp32").click()
    assert cells.count() == 5


def heads(page):
    """The headings of the matrix: conversions first, providers below them."""
    return [" ".join(text.split()) for text in page.locator("#grid thead th").all_inner_texts()]


def cells_of(page, model):
    row = page.locator("#grid tr.row", has=page.locator("th", has_text=re.compile(f"^{model}$")))
    return [" ".join(text.split()) for text in row.locator("td").all_inner_texts()]


def test_columns_without_a_case_are_not_shown(show):
    """The filter takes columns away as it takes rows away, and counts afresh which come first."""
    page = show()
    page.fill("#query", "framework:sklearn,tensorflow")
    assert heads(page) == ["Model", "tf2onnx op18 fp32", "skl2onnx op18 fp32", "cpu", "cpu"]
    page.fill("#query", "provider:cuda")
    assert heads(page) == ["Model", "dynamo op18 fp32", "cuda"]
    page.fill("#query", "model:nobody")
    assert page.is_visible("#empty")
    page.fill("#query", "")
    assert len(heads(page)) == 10


def test_a_folded_conversion_keeps_every_provider(show):
    """Its column has a glyph for each, named for those who do not see it, that opens the case."""
    page = show()
    page.get_by_role("button", name="dynamo op18 fp32").click()
    assert heads(page)[5] == "2 providers"
    bert = page.locator("#grid tr.row", has_text="bert-tiny").locator("td.folded a")
    assert [link.inner_text() for link in bert.all()] == ["·", "✓"]
    names = [link.get_attribute("aria-label") for link in bert.all()]
    assert names == ["cuda: not-run", "cpu: pass"]
    address = fragment(page)
    bert.nth(1).click()
    page.wait_for_selector("#panel .told h4")
    assert "bert-tiny@dynamo-op18-fp32-cpu" in page.inner_text("#panel .facts")
    again = show(anchor=address)
    assert heads(again)[5] == "2 providers"
    assert again.get_by_role("button", name="dynamo op18 fp32").get_attribute("aria-expanded") == (
        "false"
    )


def test_cells_stand_below_their_conversion_and_provider(show):
    """Whatever the order of columns, a case is in the column of its own conversion."""
    page = show([
        make_row("a", exporter="auto"), make_row("b"), make_row("b", provider="cuda"),
        make_row("b", exporter="torchscript", verdict=Verdict.VACUOUS),
        make_row("c", verdict=Verdict.FAIL, provider="cuda"),
    ])  # fmt: skip
    assert heads(page) == [
        *("Model", "dynamo op18 fp32", "auto op18 fp32", "torchscript op18 fp32"),
        *("cpu", "cuda", "cpu", "cpu"),
    ]
    verdicts = {m: [cell.split()[0] if cell else "" for cell in cells_of(page, m)] for m in "abc"}
    assert verdicts == {
        "a": ["", "", "✓pass", ""],
        "b": ["✓pass", "✓pass", "", "∅vacuous"],
        "c": ["", "✗fail", "", ""],
    }


def test_the_table_sorts_by_any_column(show):
    """Up, down, and the zoo's order again; what has no figure comes last either way."""
    page = show(anchor="#view=table")

    def column(name):
        number = page.locator("#grid thead th").all_inner_texts().index(name)
        return page.locator(f"#grid tr.row > *:nth-child({number + 1})").all_inner_texts()

    order = column("Latency")
    button = page.get_by_role("button", name="Latency")
    button.click()
    assert column("Latency")[:2] == ["18.4 µs", "18.4 µs"]
    assert column("Latency")[-1] == "–"  # noqa: RUF001 - as shown
    assert page.locator("th[aria-sort=ascending]").inner_text() == "Latency"
    assert fragment(page) == "#view=table&sort=latency"
    assert button.evaluate("button => button === document.activeElement")
    button.click()
    assert column("Latency")[0] == "1.23 ms"
    assert column("Latency")[-1] == "–"  # noqa: RUF001 - as shown
    button.click()
    assert column("Latency") == order
    assert page.locator("th[aria-sort]").count() == 0
    for name in page.locator("#grid thead button").all_inner_texts():
        page.get_by_role("button", name=name, exact=True).click()
        assert len(lines(page)) == 10


def test_the_address_holds_what_is_shown(show):
    """Query, view, sorting and case stand in the address, and come back from it."""
    page = show()
    page.fill("#query", 'framework:pytorch -tag:"full zoo"')
    page.click("[data-view=table]")
    page.get_by_role("button", name="Size").click()
    address = fragment(page)
    again = show(anchor=f"{address}&case={CNN}")
    again.wait_for_selector("#panel .told h4")
    assert again.inner_text("#panel-title") == "cnn"
    assert again.input_value("#query") == 'framework:pytorch -tag:"full zoo"'
    assert again.get_attribute("[data-view=table]", "aria-pressed") == "true"
    assert again.locator("th[aria-sort=ascending]").inner_text() == "Size"
    assert shown(again) == 5


def test_a_permalink_opens_its_case_also_in_the_next_run(show):
    """The address names the case by its id, wherever its row now is."""
    page = show(anchor=f"#case={LSTM}")
    page.wait_for_selector("#panel .told h4")
    assert page.inner_text("#panel-title") == "lstm"
    link = page.get_attribute("#panel .permalink", "href")
    assert link == f"#case={LSTM}"
    page = show([make_row("newcomer"), *every_verdict()], anchor=link)
    page.wait_for_selector("#panel .told h4")
    assert page.inner_text("#panel-title") == "lstm"


def test_an_unknown_permalink_says_that_the_case_is_not_here(show):
    """Nothing opens, and the page says which case is missing, and whether the zoo dropped it."""
    page = show(anchor="#case=pytorch/gone@dynamo-op18-fp32-cpu")
    told = page.text_content("#hint")
    assert told == 'Case "pytorch/gone@dynamo-op18-fp32-cpu" is not in this run.'
    assert not page.is_visible("#panel")
    report = make_report(vanished=("pytorch/gone@dynamo-op18-fp32-cpu",))
    page = show(report=report, anchor="#case=pytorch/gone@dynamo-op18-fp32-cpu")
    assert page.text_content("#hint").endswith("is not in this run: the zoo no longer has it.")


@pytest.mark.parametrize("view", ["matrix", "table"])
def test_the_keyboard_alone_is_enough(show, view):
    """/ goes to the filter, arrows move between rows, Enter opens, Escape closes and goes back."""
    page = show(anchor=f"#view={view}")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "query"
    page.keyboard.type("framework:pytorch")
    assert shown(page) == 5
    page.keyboard.press("ArrowDown")
    first = page.evaluate("document.activeElement.dataset.at")
    page.keyboard.press("ArrowDown")
    second = page.evaluate("document.activeElement.dataset.at")
    assert first != second
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.dataset.at") == first
    page.keyboard.press("Enter")
    page.wait_for_selector("#panel .told h4")
    assert page.inner_text("#panel-title") == "cnn"
    assert page.evaluate("document.activeElement.id") == "panel"
    assert f"case={CNN}" in fragment(page)
    page.keyboard.press("Escape")
    assert not page.is_visible("#panel")
    assert page.evaluate("document.activeElement.dataset.at") == first
    assert "case=" not in fragment(page)


def test_arrows_move_between_the_cells_of_a_model(show):
    """In the matrix, right and left go from conversion to conversion, over empty cells."""
    page = show()
    page.focus("#grid tr.row a >> nth=0")
    page.keyboard.press("ArrowRight")
    at = page.evaluate("document.activeElement.closest('td').cellIndex")
    assert at == 5
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.closest('td').cellIndex") == 1


def test_the_panel_tells_all_that_is_known(show):
    """Certificate, error waterfall, divergence, shapes, mutants, versions: as without script."""
    page = show(every_finding(), anchor="#case=pytorch/encoder@dynamo-op18-fp32-cpu")
    page.wait_for_selector("#panel .certificate")
    text = " ".join(page.inner_text("#panel").split())
    for told in (
        "Certificate: 2 outputs, 3 data sets",
        "constant by design",
        "wrong values 41 of limit",
        "kills 19/20, 1 missed, 3 equivalent; 2 refused",
        "inputs whose border is not zero",
        "onnxruntime 1.31.1",
        "Last 12 runs",
    ):
        assert told in text
    page.evaluate("location.hash = '#case=pytorch/attention@dynamo-op18-fp32-cpu'")
    page.wait_for_selector("#panel .waterfall")
    assert "graph optimization" in page.inner_text("#panel tr.guilty")
    assert "/encoder/layer.0/attention/Softmax" in page.inner_text("#panel")


def test_the_panel_and_the_page_without_script_say_the_same(show):
    """Both are made of the same blocks: the words of a case's details are equal."""
    cases = every_finding()
    plain = show(cases, java_script_enabled=False)
    plain.locator("tbody.case summary").nth(0).click()
    static = " ".join(plain.locator("tbody.case .body").nth(0).text_content().split())
    page = show(cases, anchor=f"#case={cases[0].id}")
    page.wait_for_selector("#panel .told h4")
    told = " ".join(page.text_content("#panel .told").split())
    for word in static.split():
        assert word in told


def test_the_panel_leads_on(show):
    """To the known issue, to what the failure left, and to the same case in any run."""
    known = make_row(
        "known",
        verdict=Verdict.EXPECTED_FAIL,
        link="https://example.org/issues/7",
        failure_folder="failures/pytorch__known@dynamo-op18-fp32-cpu",
    )
    page = show([known], anchor=f"#case={known.id}")
    page.wait_for_selector("#panel .told h4")
    links = {a.inner_text(): a.get_attribute("href") for a in page.locator("#panel a").all()}
    folder = "failures/pytorch__known%40dynamo-op18-fp32-cpu"
    assert links == {
        "link to this case": f"#case={known.id}",
        "https://example.org/issues/7": "https://example.org/issues/7",
        "failures/pytorch__known@dynamo-op18-fp32-cpu": f"{folder}/",
        "as a zip": f"{folder}.zip",
    }
    assert "Known issue: https://example.org/issues/7" in page.inner_text("#panel")


def test_a_partial_run_says_why_a_case_is_not_there(show):
    """A permalink of a case that was not selected does not claim that it is gone."""
    plan = RunPlan((), deselected=3, selected_by="-k cnn")
    page = show(report=replace(make_report(), plan=plan), anchor="#case=pytorch/gru@x-cpu")
    assert page.text_content("#hint").endswith(": only a part of the zoo was selected.")
    assert "Partial run: " in page.inner_text("main [role=note]")


def timed_case():
    samples = tuple(1_000_000 + 1_000 * (n * n % 300) for n in range(200))
    latency = replace(
        TIMED,
        samples_ns=samples,
        speedup=Ratio(2.31, 2.2, 2.4, 20),
        unstable="its blocks differ by 31%",
    )
    return make_row("timed", latency=latency)


def test_latency_is_drawn_and_told(show):
    """The distribution has a picture and words; the interval and why it is unstable stand there."""
    page = show([timed_case()], anchor="#case=pytorch/timed@dynamo-op18-fp32-cpu")
    page.wait_for_selector("#panel svg.bars")
    text = page.inner_text("#panel")
    assert "2.31x faster than PyTorch [2.2, 2.4]" in text
    assert "Unstable: its blocks differ by 31%" in text
    label = page.get_attribute("#panel svg.bars", "aria-label")
    assert label.startswith("200 runs, 1 ms to 1.29 ms")
    assert page.locator("#panel svg.bars rect").count() == 20
    lines_ = page.locator("#panel svg.chart polyline")
    assert lines_.count() >= 1


def test_every_picture_has_words(show):
    """Each chart is an image with a label, or decoration beside figures."""
    page = show([timed_case(), *every_finding()], anchor=f"#case={every_finding()[0].id}")
    page.wait_for_selector("#panel .told h4")
    unnamed = page.locator("svg:not([aria-label]):not([aria-hidden])")
    assert unnamed.count() == 0


def test_the_command_can_be_copied(show):
    """The button puts the command that repeats the case on the clipboard."""
    page = show(anchor=f"#case={CNN}", permissions=["clipboard-read", "clipboard-write"])
    page.click("#panel button.copy")
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == every_verdict()[0].repro


def test_changes_and_the_environment_stand_at_the_top(show):
    """What regressed, was fixed and is new, with the packages that changed; also in rows."""
    before = make_report()
    now = make_report()
    turned = [
        replace(c, verdict=Verdict.FAIL, reason="it broke") if c.model == "cnn" else c
        for c in now.cases
    ]
    versions = now.header.versions | {"torch": "2.14.0"}
    now = replace(
        now,
        header=replace(now.header, id="20261122T092349Z-aaaa", versions=versions),
        cases=tuple(turned),
    )
    page = show(report=now, before=before)
    section = " ".join(page.inner_text("section[aria-labelledby=changed]").split())
    assert "2 regressed" in section
    assert CNN in section
    assert "torch 2.13.0 → 2.14.0" in section
    page.fill("#query", "change:regressed")
    assert shown(page) == 2
    page.click(f"section[aria-labelledby=changed] a >> text={CNN}")
    page.wait_for_selector("#panel .told h4")
    assert "regressed" in page.inner_text("#panel header")


def test_thousands_of_rows_are_drawn_a_screen_at_a_time(show):
    """Only lines in sight are elements; scrolling and the keyboard reach the last one."""
    page = show(many(2000), anchor="#view=table&sort=-model")
    assert shown(page) == 2000
    assert page.locator("#grid tr.row").count() < 100
    assert "model-1999" in lines(page)[0]
    page.evaluate("document.getElementById('scroller').scrollTop = 1e9")
    page.get_by_role("link", name="model-0", exact=True).wait_for()
    assert page.locator("#grid tr.row").count() < 100
    page.evaluate("location.hash = '#case=pytorch/model-777@dynamo-op18-fp32-cpu'")
    page.wait_for_selector("#panel .told h4")
    assert "pytorch/model-777@dynamo-op18-fp32-cpu" in page.inner_text("#panel .facts")
    static = page.locator("section.static").text_content()
    assert "none of them fails the run" in static


def test_the_page_is_complete_without_script(show):
    """Without JavaScript every row is there and unfolds, and no dead control is shown."""
    page = show(java_script_enabled=False)
    assert page.locator("tbody.case:visible").count() == len(every_verdict())
    assert not page.is_visible("#explore")
    page.locator("tbody.case summary").nth(0).click()
    assert page.locator("tbody.case").nth(0).locator(".certificate").is_visible()
    assert page.locator("button:visible").count() == 0


def luminance(page):
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(int(part) for part in colour[4:-1].split(","))


def test_the_page_follows_the_colour_scheme(show):
    """Dark where people ask for dark, light where they ask for light."""
    assert luminance(show(color_scheme="dark")) < 150
    assert luminance(show(color_scheme="light")) > 600


def test_the_page_prints_dark_on_white(show):
    """Paper is white whatever the screen is, and has the whole table without controls."""
    page = show(every_finding(), color_scheme="dark", viewport={"width": 1030, "height": 720})
    page.emulate_media(media="print", color_scheme="dark")
    assert luminance(page) == 3 * 255
    assert page.is_visible("table.models thead")
    assert page.locator("tbody.case:visible").count() == len(every_finding())
    assert not page.is_visible("#explore")
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")
    assert page.locator(".waterfall rect.delta.over").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1030


@pytest.mark.parametrize("width", [360, 800, 1260, 1600])
@pytest.mark.parametrize("script", [True, False])
def test_the_page_never_scrolls_sideways(show, width, script):
    """From a phone to a wide screen, also with everything unfolded and unbroken long words."""
    long = "x" * 300
    hostile = make_row("model-with-a-long-name", reason=long, details=long, task=long)
    page = show(
        (*every_verdict(), *every_finding(), hostile),
        anchor=f"#case={hostile.id}",
        viewport={"width": width, "height": 800},
        java_script_enabled=script,
    )
    if script:
        page.wait_for_selector("#panel .told h4")
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_what_changed_does_not_widen_the_page(show):
    """Words for screen readers in columns out of sight are no part of the page's width."""
    rows = [make_row(f"m{n}", variant=f"variant-{n}") for n in range(20)]
    failed = [replace(row, verdict=Verdict.FAIL) for row in rows]
    before = make_report(failed)
    before = replace(before, header=replace(before.header, id="20261120T092349Z-0000"))
    page = show(rows, before=before, viewport={"width": 1000, "height": 800})
    scroller = page.locator("#scroller")
    assert scroller.evaluate("box => box.scrollWidth > 2 * box.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_failure_explains_itself(show, scheme):
    """The error's way is bars with one limit for all, and the guilty step's is beyond it."""
    page = show(every_finding(), color_scheme=scheme, anchor=f"#case={every_finding()[0].id}")
    page.wait_for_selector("#panel .waterfall")
    steps = page.locator("#panel .waterfall tbody tr")
    assert steps.count() == 5
    widths = [steps.nth(n).locator("rect.error").bounding_box()["width"] for n in range(4)]
    assert widths[3] == max(widths)
    places = [box.bounding_box()["x"] for box in page.locator("#panel line.limit").all()]
    assert len(places) == 5
    assert max(places) - min(places) < 1
    ends = [steps.nth(n).locator("rect.error").bounding_box()["x"] + widths[n] for n in range(4)]
    assert [end > places[0] for end in ends] == [False, False, False, True]
    colours = {
        part: page.locator(f"#panel rect.{part}").last.evaluate("b => getComputedStyle(b).fill")
        for part in ("error", "delta")
    }
    assert "rgb(0, 0, 0)" not in colours.values()


def hostile_rows():
    return [
        make_row(
            HOSTILE, HOSTILE, id=HOSTILE, reason=HOSTILE, details=HOSTILE, task=HOSTILE,
            tags=(HOSTILE,), provider=HOSTILE, repro=HOSTILE, link="javascript:alert(1)",
            failure_folder="javascript:alert(1)",
        ),
        make_row("__proto__", "constructor", task="toString"),
    ]  # fmt: skip


@pytest.mark.parametrize("view", ["matrix", "table"])
def test_hostile_text_runs_nothing(show, view):
    """Nothing that a model or a message says becomes an element or runs, wherever it is shown."""
    page = show(hostile_rows(), anchor=f"#view={view}")
    page.click(".facets summary")
    assert shown(page) == 2
    page.locator("#grid tr.row a").nth(0).click()
    page.wait_for_selector("#panel pre")
    assert "</script><img src=x onerror=alert(1)>" in page.inner_text("#panel pre")
    assert page.locator("img").count() == 0
    assert page.locator("a[href^='javascript:']").count() == 0
    page.fill("#query", "</script><img src=x onerror=alert(1)>")
    assert shown(page) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("anchor", ["", "#view=table", f"#case={every_finding()[0].id}"])
def test_axe_finds_nothing(show, scheme, anchor):
    """The checks of axe-core: names, roles, contrast, keyboard reach, in both colour schemes."""
    axe = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    rows = (timed_case(), *every_finding(), *every_verdict()[1:4])
    report = replace(make_report(rows), plan=RunPlan((), 3, "-k cnn"))
    turned = {Verdict.PASS: Verdict.FAIL, Verdict.FAIL: Verdict.PASS}
    smaller = [
        replace(row, verdict=turned.get(row.verdict, row.verdict), export=QUANTIZED)
        for row in rows[2:]
    ]
    before = make_report([*smaller, make_row("gone")])
    page = show(report=report, before=before, anchor=anchor, color_scheme=scheme, bypass_csp=True)
    if "case=" in anchor:
        page.wait_for_selector("#panel .told h4")
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")
    page.evaluate(Path(axe.__file__).with_name("axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")
    told = [
        (v["id"], v["nodes"][0]["html"], v["nodes"][0]["failureSummary"])
        for v in found["violations"]
    ]
    assert not told, json.dumps(told, indent=1)
