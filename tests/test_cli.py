"""The ``conformance`` command: exit codes, what goes to which stream, and what it imports."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

import conformance
from conformance.cli import main

ZOO = """\
defaults:
  framework: sklearn
  inputs: {factory: "a:c"}
models:
  - id: forest
    source: {factory: "a:forest"}
    task: classification
    tags: [trees, full]
  - id: pca
    source: {factory: "a:pca"}
    opsets: [17, 18]
"""
#: Packages that no command may load before it needs them.
HEAVY = {
    "torch", "transformers", "tensorflow", "keras", "tf2onnx", "sklearn", "skl2onnx",
    "onnx", "onnxruntime", "onnxscript", "duckdb", "jinja2", "huggingface_hub",
}  # fmt: skip


@pytest.fixture
def zoo(tmp_path):
    """A valid zoo file of two models and three cases."""
    path = tmp_path / "zoo.yaml"
    path.write_text(ZOO)
    return path


def run(*arguments, **environment):
    """The command as a user starts it."""
    return subprocess.run(
        [sys.executable, "-m", "conformance.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def imported_by(code):
    """Top-level packages that are loaded after ``code`` ran in a fresh interpreter."""
    report = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return set(ran.stdout.splitlines()[-1].split())


def test_help_imports_next_to_nothing():
    """``conformance --help`` loads no framework, and neither rich, pydantic nor numpy."""
    code = (
        "from conformance.cli import main\ntry: main(['--help'])\nexcept SystemExit as e:"
        " assert e.code == 0"
    )
    loaded = imported_by(code)
    assert "conformance" in loaded
    assert not loaded & (HEAVY | {"rich", "pydantic", "numpy", "ruamel"})


def test_validate_imports_no_framework(zoo):
    """Checking a zoo knows the frameworks from the catalogue without loading any."""
    loaded = imported_by(
        f"from conformance.cli import main\nassert main(['zoo', 'validate', {str(zoo)!r}]) == 0"
    )
    assert not loaded & (HEAVY | {"rich"})


def test_validate_counts_models_and_cases(zoo):
    """A valid zoo is one line on stdout and exit code 0."""
    ran = run("zoo", "validate", zoo)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == f"{zoo}: 2 models, 3 cases\n"


def test_validate_counts_in_good_english(zoo, capsys):
    """One model is not "1 models"."""
    zoo.write_text(ZOO.partition("  - id: pca")[0])
    assert main(["zoo", "validate", str(zoo)]) == 0
    assert capsys.readouterr().out == f"{zoo}: 1 model, 1 case\n"


def test_validate_prints_every_problem(zoo):
    """Every problem is a line ``file:line:column: message`` on stderr, with exit code 1."""
    zoo.write_text(ZOO.replace("task:", "tsak:").replace("sklearn", "sklaern"))
    absent = zoo.with_name("absent.yaml")
    ran = run("zoo", "validate", zoo, absent)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.splitlines() == [
        f"{zoo}:2:14: unknown framework 'sklaern'; did you mean 'sklearn'?",
        f"{zoo}:7:5: unknown key 'tsak'; did you mean 'task'?",
        f"{absent}:1:1: there is no file {absent}",
    ]


def test_list_as_json(zoo, capsys):
    """``zoo list --json`` prints each model with what will be used, defaults filled in."""
    assert main(["zoo", "list", "--json", str(zoo)]) == 0
    forest, pca = json.loads(capsys.readouterr().out)
    assert (forest["id"], forest["task"], forest["tags"]) == (
        "forest", "classification", ["trees", "full"],
    )  # fmt: skip
    assert (forest["file"], forest["line"], forest["providers"]) == (str(zoo), 5, ["cpu"])
    assert pca["opsets"] == [17, 18]
    assert pca["cases"] == [f"sklearn/pca@{pca['exporters'][0]}-op{n}-fp32" for n in (17, 18)]


def test_list_is_one_line_per_model_in_a_pipe(zoo):
    """Without a terminal the table is not wrapped and has no colour codes."""
    ran = run("zoo", "list", zoo)
    header, forest, pca = ran.stdout.splitlines()
    assert header.split() == [
        "id", "framework", "task", "tags", "exporters", "opsets", "providers", "cases",
    ]  # fmt: skip
    assert re.search(r"^forest +sklearn +classification +trees, full .* 1$", forest.rstrip())
    assert re.search(r"^pca +sklearn .* 17, 18 +cpu +2$", pca.rstrip())
    assert "\x1b" not in ran.stdout


def test_no_color_is_honoured(zoo):
    """``NO_COLOR`` wins even where colour is forced; without it, colour appears."""
    forced = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    cyan = "\x1b[36m"
    assert cyan in run("zoo", "list", zoo, **forced, NO_COLOR="").stdout
    assert cyan not in run("zoo", "list", zoo, **forced, NO_COLOR="1").stdout


def test_list_of_a_broken_zoo(zoo):
    """Listing shows the problems instead of a part of the zoo."""
    zoo.write_text("models: [")
    ran = run("zoo", "list", zoo)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"{zoo}:1:10: not valid YAML")


def test_schema_is_the_published_one(capsys):
    """``zoo schema`` prints JSON Schema for the frameworks of the catalogue."""
    assert main(["zoo", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "framework-sklearn" in schema["$defs"]


def test_a_closed_pipe_is_no_traceback(zoo):
    """``conformance zoo schema | head -1`` ends quietly."""
    ran = subprocess.run(
        ["bash", "-c", '"$0" -m conformance.cli zoo schema | head -n 1', sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == ("{\n", "")


def test_version():
    """``--version`` prints the package's version."""
    assert run("--version").stdout == f"conformance {conformance.__version__}\n"


@pytest.mark.parametrize(
    "arguments", [[], ["zoo"], ["zoo", "validate"], ["zoo", "lst"], ["zoo", "list", "--jsn", "x"]]
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    """Wrong usage is told on stderr with the usage line, and exit code 2."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: conformance")


@pytest.mark.parametrize("command", ["validate", "list", "schema"])
def test_help_teaches(command, capsys):
    """Each command's help says what it does and shows an example."""
    with pytest.raises(SystemExit) as caught:
        main(["zoo", command, "--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert f"conformance zoo {command}" in shown.partition("example")[2]
