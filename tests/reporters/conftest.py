"""A browser for what only a browser can tell; such tests are skipped where there is none."""

import shutil

import pytest
from sample_report import make_report

from conformance.history import compare_runs
from conformance.reporters import report_html

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


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def show(browser, tmp_path):
    """Open a report from disk; fails the test on any script error or request to a network."""
    troubles = []
    contexts = []

    def show_report(cases=None, *, anchor="", report=None, before=None, baseline=None, **options):
        report = report or make_report(cases)
        diffs = [compare_runs(other, report) if other else None for other in (before, baseline)]
        path = tmp_path / "index.html"
        path.write_text(report_html(report, *diffs), encoding="utf-8")
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
        page.goto(path.as_uri() + anchor)
        return page

    yield show_report
    for context in contexts:
        context.close()
    assert troubles == []
