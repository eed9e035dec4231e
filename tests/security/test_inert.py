"""What models and errors say is shown and does nothing, wherever it is shown."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from conformance.reporters.inert import inert, inert_csv, inert_line, inert_markdown

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
#: Control characters but for the line feed and the tab, and what reorders or hides words.
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800]")
SIGNS = st.text(st.sampled_from("`|\\*_[]()<>!#@~&;:/.=+-\n\t\r a1\x1b\u202e"), max_size=24)
fuzz = settings(max_examples=300, derandomize=True, database=None, deadline=None)


def test_control_and_direction_characters_are_spelled_out():
    """Nothing in a text steers a terminal or reorders what is read; lines and tabs stay."""
    assert inert("a\x1b[2J\x9b\u202eb\u2028\ud800\n\tü") == (
        "a\\x1b[2J\\x9b\\u202eb\\u2028\\ud800\n\tü"
    )
    assert inert_line(" a\n\tb\x1b ") == "a b\\x1b"


def inline(line):
    """The pieces of a line of Markdown that are more than its paragraph."""
    tokens = MarkdownIt("commonmark").enable("table").parse(line)
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    return tokens[1].children


def cells(text):
    """The cells, as lists of pieces, of a table whose one row holds a text between two others."""
    table = f"| a | b | c |\n|---|---|---|\n| 1 | {inert_markdown(text)} | 3 |\n"
    tokens = MarkdownIt("commonmark").enable("table").parse(table)
    starts = [n for n, token in enumerate(tokens) if token.type == "td_open"]
    return [tokens[n + 1].children for n in starts]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a|b", "a¦b"),
        ("a\\|b", "a\\¦b"),
        ("`x`", "`x`"),
        ("a``b```c", "a``b```c"),
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
        ("[x](https://example.org) ![y](z)", "[x](https://example.org) ![y](z)"),
        ("@somebody fixes #1, https://example.org", "@somebody fixes #1, https://example.org"),
        ("# title\n- item\n```\ncode", "# title - item ``` code"),
        ("a\x1b[2J\u202eb", "a\\x1b[2J\\u202eb"),
    ],
)
def test_markdown_shows_a_text_as_code_and_makes_nothing_of_it(text, shown):
    """By a Markdown parser's own view: one piece of code in its cell, with the text in it."""
    for pieces in (inline(f"before {inert_markdown(text)} after")[1:-1], cells(text)[1]):
        assert [(piece.type, piece.content) for piece in pieces] == [("code_inline", shown)]
    assert inert_markdown("") == inert_markdown(" \n") == ""


def test_markdown_as_it_comes_would_do_what_it_says():
    """The parser of these tests does see links and cells: without the function they are there."""
    assert "link_open" in {piece.type for piece in inline("[x](https://example.org)")}
    table = "| a | b |\n|---|---|\n| x|y | z |\n"
    parsed = MarkdownIt("commonmark").enable("table").parse(table)
    assert [t.content for t in parsed if t.type == "inline"][2:] == ["x", "y"]


@fuzz
@given(SIGNS)
def test_no_text_leaves_its_cell_or_its_code(text):
    """Whatever signs it is made of, it is one piece of code in the second of three cells."""
    row = cells(text)
    assert len(row) == 3
    expected = ["code_inline"] if text.split() else []
    assert [piece.type for piece in row[1]] == expected


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d", "\uff20"])
@pytest.mark.parametrize("before", ["", " ", "\t", "\r", "\n", "\r\n\t"])
def test_a_field_of_csv_is_no_formula(sign, before):
    """Also behind blanks, tabs and line ends, and behind another country's separator."""
    field = f"{before}{sign}cmd|' /C calc'!A0"
    assert inert_csv(field) == f"'{sign}cmd|' /C calc'!A0"
    assert inert_csv(f"a;{sign}1") == f"a; '{sign}1"


@pytest.mark.parametrize("text", ["-12.5", "+1e-7", "3", "bert-base", "a, b", "1.3x", "", "a@b"])
def test_figures_and_words_stay_as_they_are(text):
    """A negative figure is no formula, and a dash within a word neither."""
    assert inert_csv(text) == text


@fuzz
@given(st.lists(SIGNS, min_size=1, max_size=4))
def test_a_row_of_csv_is_one_line_with_its_fields(texts):
    """Written by Python's writer and read back: as many fields, none of which begins a formula."""
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerow([inert_csv(text) for text in texts])
    assert len(out.getvalue().splitlines()) == 1
    (row,) = csv.reader(io.StringIO(out.getvalue()))
    assert len(row) == len(texts)
    for field in row:
        assert not field.startswith(("=", "+", "-", "@", "\t", "\r")) or float(field) is not None


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A real run of a model whose error is hostile: once as a failure, once as a known one."""
    place = tmp_path_factory.mktemp("hostile")
    for module in (HERE / "leaking_adapters.py", HERE.parent / "miniatures.py"):
        shutil.copy(module, place)
    entry = (
        "  - id: {id}\n    framework: leaking_adapters:Hostile\n"
        "    source: {{factory: 'miniatures:unused'}}\n    exporters: [mini]\n    opsets: [18]\n"
        "    inputs: {{spec: {{x: {{shape: [batch, 3]}}}}, sets: [{{batch: 4}}, {{batch: 7}}]}}\n"
        "{more}"
    )
    known = "    expect: {stage: load, reason: known}\n"
    models = entry.format(id="fails", more="") + entry.format(id="known", more=known)
    (place / "zoo.yaml").write_text(f"models:\n{models}")
    (place / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "--zoo", "zoo.yaml", "--junitxml", "junit.xml"]
    command += ["-p", "no:cacheprovider", "--zoo-cache-dir", "cache", "-rA", "--color=no"]
    command += ["--alluredir", "allure"] if find_spec("allure_pytest") else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.fspath, (ROOT, HERE)))}
    # every plugin that is installed: Allure writes files, too
    for name in ("PYTEST_ADDOPTS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_PLUGINS"):
        environment.pop(name, None)
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, check=False)
    assert done.returncode == 1, done.stdout.decode() + done.stderr.decode()
    return place, done.stdout.decode()


def test_a_hostile_error_steers_no_terminal(run):
    """Not in pytest's own failure text, nor in its summary, nor in the table; yet it is told."""
    _, said = run
    assert "\\x1b[2J\\x1b]0;owned\\x07" in said
    assert "\\u202egnp.exe" in said
    assert not STEERING.search(said)


def test_a_hostile_error_leaves_junits_file_whole(run):
    """It parses, has its three tests per model, and its texts are texts."""
    place, _ = run
    text = (place / "junit.xml").read_text(encoding="utf-8")
    assert not STEERING.search(text)
    root = ET.fromstring(text)  # noqa: S314 - our own file
    assert len(list(root.iter("testcase"))) == 6
    (failure, *_) = root.iter("failure")
    assert "<script>alert(1)</script> ]]> </testcase>" in (failure.text or "")
    assert not list(root.iter("script"))


def test_a_hostile_error_is_a_text_in_the_page(run):
    """Escaped, and its control characters spelled out."""
    place, _ = run
    page = (place / "reports" / "index.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert not STEERING.search(page)


def test_a_hostile_error_is_inert_in_allures_files(run):
    """In each result's message, trace and parameters, once JSON's own escapes are undone."""
    pytest.importorskip("allure_pytest", reason="allure-pytest is not installed")
    place, _ = run
    results = [json.loads(f.read_text()) for f in place.glob("allure/*-result.json")]
    assert len(results) == 6
    for result in results:
        assert not STEERING.search(json.dumps(result, ensure_ascii=False).replace("\\n", "\n"))
        for text in (result["name"], *result.get("statusDetails", {}).values()):
            assert not STEERING.search(str(text))
