"""What Allure gets, and what its own command makes of it."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import shutil
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from conformance.model import Record, RunHeader, Stage, TestKind, TestRef, Verdict
from conformance.suite.allure import categories_of_allure_2, environment_properties
from conformance.suite.items import failure_text

pytest.importorskip("allure_pytest", reason="allure-pytest is not installed")

#: The version whose command the test renders with.
ALLURE = "allure@3.18.0"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def allure(tmp_path_factory):
    """Allure's command, from PATH or else from npm; skips where there is neither."""
    if found := shutil.which("allure"):
        return found
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("neither allure nor npm is installed")
    folder = tmp_path_factory.mktemp("allure")
    options = ("--silent", "--no-audit", "--no-fund", "--fetch-retries=1", "--prefix", str(folder))
    command = [npm, "install", *options, ALLURE]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm could not install {ALLURE}: {error}")
    return str(folder / "node_modules" / ".bin" / "allure")


#: A busy machine takes its time.
PATIENCE_MS = 240_000
REF = TestRef(
    *(TestKind.PARITY, "a@b-op18-fp32-cpu", "a@b-op18-fp32", "a", "pytorch", None, ()),
    *("dynamo", 18, "fp32", "cpu", "pytest"),
)


@contextlib.contextmanager
def served(folder):
    """Serve a folder on this machine, as ``allure open`` does; gives its address."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/index.html"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def results(suite, every_plugin):
    """A run of a model that works and one that does not, with its Allure results."""
    suite.zoo("Honest", "CannotLoad")
    suite.run("--alluredir", "allure")
    return suite.path / "allure"


def test_allures_own_page_shows_categories_environment_and_history(allure, results, suite):
    """Its command takes the results and the configuration, and its page shows the failure."""
    for _ in range(2):
        command = [allure, "generate", "-c", "reports/allurerc.json", "-o", "page", "allure"]
        done = subprocess.run(
            command, cwd=suite.path, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    history = (suite.path / "reports" / "allure-history.jsonl").read_text().splitlines()
    assert len(history) == 2, "each page adds a point to the history that the next one shows"
    if CHROMIUM is None:
        pytest.skip("the page was made, and chromium is not installed to look at it")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with served(suite.path / "page") as address, playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        # Allure's page asks for a script of Google's, which a machine without network waits for
        page.route(re.compile("^https:"), lambda route: route.abort())
        page.goto(address, wait_until="commit")
        page.get_by_text("CannotLoad").first.wait_for()
        page.get_by_text("Categories").first.click()
        page.get_by_text("fails at load").first.wait_for()
        browser.close()
    # the failing export is a failure of the model, in Allure's words, not a broken test
    found = [json.loads(path.read_text()) for path in results.glob("*-result.json")]
    statuses = {r["name"]: r["status"] for r in found}
    assert statuses["export of CannotLoad/cannotload@mini-op18-fp32"] == "failed"
    environment = (results / "environment.properties").read_text()
    assert re.search(r"^onnxruntime = \d+\.\d+", environment, re.MULTILINE)
    assert re.search(r"^hardware_class = \S+", environment, re.MULTILINE)
    labels = next(r["labels"] for r in found if r["status"] == "failed")
    assert {"name": "stage", "value": "load"} in labels


@pytest.mark.parametrize(
    ("verdict", "stage", "category"),
    [
        *((Verdict.FAIL, stage, f"fails at {stage}") for stage in Stage),
        (Verdict.VACUOUS, Stage.PARITY, "vacuous"),
        (Verdict.UNEXPECTED_PASS, Stage.CHECK, "unexpected-pass"),
        (Verdict.INFRA_ERROR, Stage.EXPORT, "infra-error"),
    ],
)
def test_a_trace_is_in_one_category_of_allure_2(verdict, stage, category):
    """What a failed test prints is matched by the category of its verdict and stage alone."""
    record = Record(REF, verdict, stage, "wrong\nand: fail at", "2026", 1.0, details="a\nb")
    trace = failure_text(record, "zoo.yaml:3")
    found = [c["name"] for c in categories_of_allure_2() if re.fullmatch(c["traceRegex"], trace)]
    assert found == [category]


def test_a_value_is_one_line_of_properties():
    """A backslash, a line feed or an equals sign of a command makes no second property."""
    header = RunHeader(
        "r", "2026", None, {"cpu": "a\\b\nrun = x"}, {"torch": "2.13"}, 0, ("z",), "p"
    )
    assert environment_properties(header).splitlines() == [
        "run = r",
        "commit = unknown",
        "zoo = z",
        "seed = 0",
        r"cpu = a\\b run = x",
        "torch = 2.13",
    ]
