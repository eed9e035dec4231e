"""What only a browser can tell; skipped where there is none."""

import shutil

import pytest
from sample_evidence import every_finding
from sample_report import HOSTILE, every_verdict, make_report, make_row

from conformance.reporters import write_reports

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
if CHROMIUM is None:
    pytest.skip("chromium is not installed", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def show(browser, tmp_path):
    """Open a report from disk; fails the test on any script error or request to a network."""
    troubles = []
    contexts = []

    def show_report(cases=None, **options):
        write_reports(make_report(cases, status=options.pop("status", "finished")), tmp_path)
        anchor = options.pop("anchor", "")
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: troubles.append(message.text))
        page.on("dialog", lambda dialog: (troubles.append(dialog.message), dialog.dismiss()))
        page.on(
            "request",
            lambda request: request.url.startswith("file:") or troubles.append(request.url),
        )
        page.goto((tmp_path / "index.html").as_uri() + anchor)
        return page

    yield show_report
    for context in contexts:
        context.close()
    assert troubles == []


def shown(page):
    return page.locator("tbody.case:visible").count()


def test_the_text_filter_narrows_the_table(show):
    """A plain substring of id, framework, task, tag or verdict; special characters are plain."""
    page = show()
    everything = shown(page)
    assert everything == len(every_verdict())
    for text, count in [("BERT", 2), ("fill-mask", 1), ("sklearn", 1), ("op18-fp32-cuda", 1)]:
        page.fill("#text", text)
        assert shown(page) == count
        assert page.text_content("#shown") == f"{count} of {everything} cases shown"
    page.fill("#text", "[.*")
    assert shown(page) == 0
    assert page.is_visible("#empty")
    assert page.locator("tbody.group:visible").count() == 0
    page.fill("#text", "")
    assert shown(page) == everything


def test_the_verdict_boxes_narrow_the_table(show):
    """A box that is cleared hides that verdict's rows, together with the text filter."""
    page = show()
    page.uncheck("input[value=pass]")
    assert page.locator("tbody.case[data-verdict=pass]:visible").count() == 0
    assert shown(page) == 6
    page.fill("#text", "pytorch")
    assert shown(page) == 3


def test_a_click_unfolds_a_row(show):
    """Details open by click on the row or its mark, and by keyboard."""
    page = show()
    row = page.locator("tbody.case").nth(0)
    assert not row.locator(".certificate").is_visible()
    row.locator("tr.main td").nth(1).click()
    assert row.locator(".certificate").is_visible()
    row.locator("summary").press("Enter")
    assert not row.locator(".certificate").is_visible()
    row.locator("summary").click()
    assert row.locator(".certificate").is_visible()


def test_a_link_to_a_case_unfolds_it(show):
    """The map of a framework leads to the case, and so does an address that was shared."""
    page = show()
    page.locator("a.cell").nth(2).click()
    case = page.locator("tbody.case").nth(2)
    assert case.locator("details").get_attribute("open") is not None
    anchor = "#" + case.get_attribute("id")
    page = show(anchor=anchor)
    assert page.locator(f"{anchor} details").get_attribute("open") is not None


def test_columns_sort_and_go_back(show):
    """Up, down, and the zoo's order again; what has no figure comes last either way."""
    page = show()

    def column():
        return [
            " ".join(text.split())
            for text in page.locator("td[data-label=Latency]").all_inner_texts()
        ]

    order = column()
    latency = page.get_by_role("button", name="Latency")
    latency.click()
    assert column()[:2] == ["18.4 µs", "18.4 µs"]
    assert column()[-1] == "–"  # noqa: RUF001 - as shown
    assert page.locator("th[aria-sort=ascending]").count() == 1
    latency.click()
    assert column()[0] == "1.23 ms"
    assert column()[-1] == "–"  # noqa: RUF001 - as shown
    latency.click()
    assert column() == order
    assert page.locator("th[aria-sort]").count() == 0


def test_the_command_can_be_copied(show):
    """The button puts the command that repeats the case on the clipboard."""
    page = show(permissions=["clipboard-read", "clipboard-write"])
    page.locator("tbody.case summary").nth(0).click()
    page.locator("button.copy").nth(0).click()
    page.wait_for_function("document.querySelector('button.copy').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == every_verdict()[0].repro


def test_the_page_is_complete_without_script(show):
    """Without JavaScript every row is there and unfolds, and no dead control is shown."""
    page = show(java_script_enabled=False)
    assert shown(page) == len(every_verdict())
    assert not page.is_visible("#filter")
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
    """Paper is white whatever the screen is, and keeps the table a table without controls."""
    page = show(color_scheme="dark", viewport={"width": 1030, "height": 720})
    page.emulate_media(media="print", color_scheme="dark")
    assert luminance(page) == 3 * 255
    assert page.is_visible("#table thead")
    assert not page.is_visible("#filter")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1030


@pytest.mark.parametrize("width", [360, 800, 1247, 1260, 1600])
def test_the_page_never_scrolls_sideways(show, width):
    """From a phone to a wide screen, also with every row unfolded and unbroken long words."""
    long = "x" * 300
    rows = (
        *every_verdict(),
        *every_finding(),
        make_row("model-with-a-long-name", reason=long, details=long, task=long),
    )
    page = show(rows, viewport={"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(
    ("scheme", "width", "script"),
    [("light", 1440, True), ("dark", 1440, False), ("light", 390, True)],
)
def test_a_failure_explains_itself(show, scheme, width, script):
    """Unfolded, a case shows the error's way as bars with the limit, and names the guilty step."""
    page = show(
        every_finding(),
        color_scheme=scheme,
        java_script_enabled=script,
        viewport={"width": width, "height": 900},
    )
    case = page.locator("tbody.case").nth(0)
    case.locator("summary").click()
    steps = case.locator(".waterfall tbody tr")
    assert steps.count() == 5
    widths = [steps.nth(n).locator("rect.error").bounding_box()["width"] for n in range(4)]
    assert widths[3] == max(widths)
    assert widths[3] > 100
    limit = steps.nth(0).locator("line.limit")
    assert limit.evaluate("line => getComputedStyle(line).stroke") != "none"
    marked = limit.bounding_box()["x"]
    ends = [steps.nth(n).locator("rect.error").bounding_box()["x"] + widths[n] for n in range(4)]
    assert [end > marked for end in ends] == [False, False, False, True]
    assert "graph optimization" in case.locator("tr.guilty").inner_text()
    assert "/encoder/layer.0/attention/Softmax" in case.inner_text()
    colours = {
        part: case.locator(f"rect.{part}").last.evaluate("bar => getComputedStyle(bar).fill")
        for part in ("error", "delta")
    }
    assert "rgb(0, 0, 0)" not in colours.values()


def test_the_limit_is_at_the_same_place_in_every_step(show):
    """The marks of the rows are one line that bars can be held against."""
    page = show(every_finding())
    case = page.locator("tbody.case").nth(0)
    case.locator("summary").click()
    places = [box.bounding_box()["x"] for box in case.locator("line.limit").all()]
    assert len(places) == 5
    assert max(places) - min(places) < 1


def test_shapes_and_mutants_are_shown(show):
    """Unfolded, a case shows its outcomes by axis and size, and the mutants that survived."""
    page = show(every_finding())
    case = page.locator("tbody.case").nth(1)
    assert "2 of 8 shapes wrong" in case.locator("tr.main").inner_text()
    case.locator("summary").click()
    shapes = case.locator(".shapes tbody tr")
    assert shapes.count() == 2
    assert "wrong values" in shapes.nth(1).inner_text()
    text = case.inner_text()
    assert "kills 19/20, 1 missed, 3 equivalent; 2 refused" in text
    assert "inputs whose border is not zero" in text


def test_explanations_print(show):
    """On paper the bars stay, and nothing is wider than the page."""
    page = show(every_finding(), viewport={"width": 1030, "height": 720})
    page.locator("tbody.case summary").nth(0).click()
    page.emulate_media(media="print")
    assert page.locator(".waterfall rect.delta.over").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1030


def test_hostile_text_runs_nothing(show):
    """Nothing that a model or a message says becomes an element or runs."""
    row = make_row(HOSTILE, HOSTILE, reason=HOSTILE, details=HOSTILE, link="javascript:alert(1)")
    page = show([row])
    page.locator("tbody.case summary").nth(0).click()
    assert page.locator("img").count() == 0
    assert page.locator("a[href^=javascript]").count() == 0
    assert shown(page) == 1
