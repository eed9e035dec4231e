"""The ``conformance`` command: exit codes, what goes to which stream, and what it imports."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys

import pytest

import conformance
from conformance.bundle import BundleManifest, digest_files, write_manifest
from conformance.cli import main
from conformance.entry import ZooEntry
from conformance.model import Case

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
#: The entry of a bundle that lies in a cache.
CACHED = ZooEntry.model_validate(
    {
        "id": "m",
        "framework": "sklearn",
        "source": {"factory": "a:b"},
        "inputs": {"spec": {"x": {"shape": [2]}}},
    }
)
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
    assert not loaded & (HEAVY | {"rich", "pydantic", "numpy", "yaml"})


def test_report_help_teaches_and_imports_next_to_nothing():
    """``conformance report --help`` has examples and exit codes, and loads no index or template."""
    ran = run("report", "--help")
    assert ran.returncode == 0
    for taught in ("conformance report --report out --run", "--rebuild", "exit code: 0", "crashed"):
        assert taught in ran.stdout
    code = (
        "from conformance.cli import main\ntry: main(['report', '--help'])\n"
        "except SystemExit as e: assert e.code == 0"
    )
    assert not imported_by(code) & (HEAVY | {"rich", "pydantic", "numpy", "yaml"})


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


@pytest.fixture
def stored(zoo):
    """A function that stores a run of the zoo: id, and how the export of each case ended."""

    def stored(run_id, **ends):
        from conformance.adapters import catalog
        from conformance.history import RunWriter
        from conformance.model import Record, RunHeader, RunPlan, Stage, TestKind, TestRef, Verdict
        from conformance.zoo import read_zoo

        records = []
        for located in read_zoo([zoo], catalog()).cases():
            case = located.case
            tests = ((TestKind.EXPORT, None), (TestKind.PARITY, "cpu"))
            for test, provider in tests:
                identity = case.key if provider is None else case.id_on(provider)
                ref = TestRef(
                    test, identity, case.key, case.entry.id, "sklearn", None, (), case.exporter,
                    case.opset, "fp32", provider, "pytest",
                )  # fmt: skip
                verdict, reason = ends.get(f"{case.entry.id}_{case.opset}", ("pass", None))
                stage = Stage.EXPORT if verdict == "fail" else Stage.PARITY
                ended = Verdict(verdict)
                records.append(Record(ref, ended, stage, reason, "2026-11-21T09:23:50+00:00", 1.0))
        header = RunHeader(run_id, "2026-11-21T09:23:49+00:00", None, {}, {}, 0, ("z",), "pytest")
        writer = RunWriter(zoo.parent / "reports", header)
        writer.plan(RunPlan(tuple(record.ref for record in records)))
        for record in records:
            writer.append(record)
        return zoo.parent / "reports"

    return stored


NO_CONVERTER = ("fail", "ExportError: no converter for 3 steps")


def test_update_proposes_a_patch_that_patch_applies(zoo, stored):
    """Only a unified diff goes to stdout; the file is as it was; exit code 1."""
    reports = stored("r1", pca_18=NO_CONVERTER)
    ran = run("zoo", "update", zoo, "--from", "r1", "--report", reports)
    assert ran.returncode == 1
    assert zoo.read_text() == ZOO
    assert ran.stderr.splitlines() == [
        "run r1 has 3 of 3 cases",
        "'expect' of 1 model would change; --write changes the files",
    ]
    subprocess.run(["patch", "-p0", zoo], input=ran.stdout, text=True, check=True)
    assert zoo.read_text() == (
        f"{ZOO}    expect:\n      stage: export\n      opset: 18\n"
        '      match: "ExportError: no converter for"\n'
        '      reason: "seen in run r1: ExportError: no converter for 3 steps"\n'
    )
    assert run("zoo", "validate", zoo).returncode == 0


def test_update_writes_and_is_then_content(zoo, stored):
    """``--write`` changes the file with exit code 0, and a second time there is nothing to do."""
    reports = stored("r1", pca_18=NO_CONVERTER)
    arguments = ("zoo", "update", zoo, "--from", "latest", "--report", reports)
    ran = run(*arguments, "--write")
    assert ran.returncode == 0
    assert ran.stdout.startswith(f"--- {zoo}\n+++ {zoo}\n")
    assert zoo.read_text().startswith(f"{ZOO}    expect:\n")
    again = run(*arguments, "--write")
    assert (again.returncode, again.stdout) == (0, "")
    assert again.stderr.splitlines()[-1] == "the zoo files agree with the run"


def test_update_takes_back_what_is_gone(zoo, stored):
    """The latest run decides: a failure that is gone leaves the file as it was before it."""
    reports = stored("r1", pca_18=NO_CONVERTER)
    assert run("zoo", "update", zoo, "--from", "r1", "--report", reports, "--write").returncode == 0
    stored("r2", pca_18=("unexpected-pass", "works now"))
    done = run("zoo", "update", zoo, "--from", "latest", "--report", reports, "--write")
    assert done.returncode == 0
    assert zoo.read_text() == ZOO


@pytest.mark.parametrize("name", ["runs/r1.jsonl", "report.json"])
def test_update_reads_a_run_by_its_path(name, zoo, stored):
    """A run's own file, or a report that lies in another folder than its run."""
    from conformance.history import load_report, update_index
    from conformance.reporters.json import report_json

    reports = stored("r1", pca_18=NO_CONVERTER)
    path = reports / name
    if name == "report.json":
        update_index(reports)
        path = zoo.parent / "elsewhere.json"
        path.write_text(json.dumps(report_json(load_report(reports, "r1"))))
    ran = run("zoo", "update", zoo, "--from", path)
    assert ran.returncode == 1
    assert '+      match: "ExportError: no converter for"\n' in ran.stdout


def test_update_lists_what_a_person_has_to_decide(zoo, stored):
    """Vacuous and infra errors never become expectations, and exit code 1 says so."""
    ends = {"pca_17": ("infra-error", "disk full\x1b[2J"), "pca_18": ("vacuous", "constant")}
    reports = stored("r1", **ends)
    ran = run("zoo", "update", zoo, "--from", "r1", "--report", reports, "--write")
    assert (ran.returncode, ran.stdout, zoo.read_text()) == (1, "", ZOO)
    left = [line for line in ran.stderr.splitlines() if line.startswith("  left to you: ")]
    assert [re.search(r"op\d+\S+: (\S+)", line)[1] for line in left] == ["infra-error", "vacuous"]
    assert "\x1b" not in ran.stderr


def test_update_says_what_it_could_not_change(zoo, stored):
    """A change that a person has to make is told in full, by the name of its entry."""
    shared = "  expect: {stage: export, reason: x}\n"
    reports = stored("r1", pca_18=NO_CONVERTER)
    zoo.write_text(ZOO.replace("models:", f"{shared}models:"))
    ran = run("zoo", "update", zoo, "--from", "r1", "--report", reports)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert "  left to you: forest: remove expect[0], by hand: its 'expect' comes from" in ran.stderr


@pytest.mark.parametrize(
    ("run_from", "why"),
    [
        ("r9", "r9.jsonl cannot be read (No such file or directory)"),
        ("absent.json", "absent.json: No such file or directory"),
        ("zoo.yaml.json", "zoo.yaml.json is not a report.json of this package"),
        ("r2", "run r2 has no case of these zoo files: it says nothing about them"),
    ],
)
def test_update_from_a_run_that_cannot_be_used(run_from, why, zoo, stored):
    """One line on stderr says which file and why, with exit code 2; nothing is written."""
    zoo.with_name("zoo.yaml.json").write_text("{}")
    stored("r2")
    zoo.write_text(ZOO.replace("id: forest", "id: wood").replace("id: pca", "id: svd"))
    with contextlib.chdir(zoo.parent):
        ran = run("zoo", "update", "zoo.yaml", "--from", run_from, "--write")
    assert (ran.returncode, ran.stdout) == (2, "")
    (line,) = ran.stderr.splitlines()
    assert line.startswith("conformance: error: ")
    assert why in line


def test_update_without_any_run(zoo, monkeypatch, capsys):
    """``latest`` of an empty folder names the folder."""
    monkeypatch.chdir(zoo.parent)
    assert main(["zoo", "update", "zoo.yaml", "--from", "latest"]) == 2
    assert "there are no runs in reports/runs" in capsys.readouterr().err


def test_update_of_a_broken_zoo(zoo):
    """What is wrong with the zoo comes first, as ``zoo validate`` would say it."""
    zoo.write_text("models: [")
    ran = run("zoo", "update", zoo, "--from", "latest")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"{zoo}:1:10: not valid YAML")


def test_update_shows_colour_where_it_is_wanted(zoo, stored):
    """Added lines are green on a terminal, and plain in a pipe."""
    reports = stored("r1", pca_18=NO_CONVERTER)
    arguments = ("zoo", "update", zoo, "--from", "r1", "--report", reports)
    forced = run(*arguments, FORCE_COLOR="1", TERM="xterm-256color", NO_COLOR="")
    assert "\x1b[32m+    expect:" in forced.stdout
    assert "\x1b" not in run(*arguments).stdout


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
    "arguments",
    [
        [],
        ["zoo"],
        ["zoo", "validate"],
        ["zoo", "lst"],
        ["zoo", "list", "--jsn", "x"],
        ["zoo", "update", "zoo.yaml"],
    ],
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    """Wrong usage is told on stderr with the usage line, and exit code 2."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: conformance")


@pytest.mark.parametrize("command", ["validate", "list", "update", "schema"])
def test_help_teaches(command, capsys):
    """Each command's help says what it does and shows an example."""
    with pytest.raises(SystemExit) as caught:
        main(["zoo", command, "--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert f"conformance zoo {command}" in shown.partition("example")[2]


@pytest.mark.parametrize("command", ["replay", "pack"])
def test_help_of_the_tools_is_light_and_tells_exit_codes(command):
    """Help shows an example and what each exit code means, and loads nothing heavy."""
    code = (
        f"from conformance.cli import main\ntry: main([{command!r}, '--help'])\n"
        "except SystemExit as e: assert e.code == 0"
    )
    assert not imported_by(code) & (HEAVY | {"rich", "pydantic", "numpy", "yaml"})
    shown = run(command, "--help").stdout
    assert f"conformance {command}" in shown.partition("examples:")[2]
    assert "exit code: 0 when" in shown


@pytest.fixture
def cache(tmp_path):
    """A cache of two bundles, used a day apart, the older one damaged."""
    root = tmp_path / "cache"
    for day, key in enumerate(("aa11", "bb22")):
        folder = root / "bundles" / key[:2] / key
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(bytes(10_000))
        case = Case(CACHED, "mini", 18, "fp32")
        write_manifest(
            folder,
            BundleManifest(
                case, 0, {}, (), (), 0, None, None, 1.0, 5, 1, None, digest_files(folder)
            ),
        )
        os.utime(folder, (day * 86_400, day * 86_400))
    with (root / "bundles/aa/aa11/model.onnx").open("r+b") as model:
        model.write(b"!")
    return root


def test_cache_info_tells_size_use_and_frameworks(cache, capsys):
    """Text for people, JSON for programs, the same facts."""
    assert main(["cache", "info", "--cache-dir", str(cache)]) == 0
    folder, total, used, framework = capsys.readouterr().out.splitlines()
    assert folder == str(cache / "bundles")
    assert re.fullmatch(r"2 bundles, 2\d(\.\d)? kB \(limit 20 GB\)", total)
    assert used == "last used from 1970-01-01T00:00:00Z to 1970-01-02T00:00:00Z"
    assert framework.split()[:2] == ["sklearn", "2"]
    assert main(["cache", "info", "--json", "--cache-dir", str(cache)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["frameworks"] == {"sklearn": {"bundles": 2, "size_bytes": facts["size_bytes"]}}
    assert (facts["bundles"], facts["limit_bytes"]) == (2, 20 * 10**9)
    assert facts["newest_use"] == "1970-01-02T00:00:00Z"


def test_cache_verify_names_damaged_bundles(cache, capsys):
    """The damaged file and why, exit code 1; after --remove the rest is whole."""
    verify = ["cache", "verify", "--cache-dir", str(cache)]
    assert main(verify) == 1
    damage, total = capsys.readouterr().out.splitlines()
    assert damage.startswith(f"{cache}/bundles/aa/aa11/model.onnx is damaged: 10000 bytes")
    assert total == "1 bundle whole, 1 damaged"
    assert main([*verify, "--remove"]) == 1
    assert main(verify) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 bundle whole, 0 damaged"


def test_cache_prune_removes_the_least_recently_used(cache, capsys):
    """A dry run says what the real one does then."""
    prune = ["cache", "prune", "--max-size", "15kB", "--cache-dir", str(cache)]
    assert main([*prune, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("aa11  ")
    assert "would remove 1 bundle (" in told
    assert main(prune) == 0
    assert capsys.readouterr().out == told.replace("would remove", "removed")
    assert [path.name for path in cache.glob("bundles/*/*")] == ["bb22"]


def test_cache_clear_asks_or_wants_yes(cache):
    """Nothing is removed where nobody can be asked, and all of it with --yes."""
    clear = ("cache", "clear", "--cache-dir", cache)
    refused = subprocess.run(
        [sys.executable, "-m", "conformance.cli", *map(str, clear)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "say --yes" in refused.stderr
    assert len(list(cache.glob("bundles/*/*"))) == 2
    cleared = run(*clear, "--yes")
    assert cleared.returncode == 0, cleared.stderr
    assert cleared.stdout.startswith("removed 2 bundles (")
    assert list(cache.glob("bundles/*/*")) == []


@pytest.mark.parametrize(("answer", "code", "left"), [("n\n", 1, 2), ("\x04", 1, 2), ("y\n", 0, 0)])
def test_cache_clear_asks_at_a_terminal(cache, answer, code, left):
    """The answer decides; an empty one is no."""
    terminal, stdin = os.openpty()
    clear = [sys.executable, "-m", "conformance.cli", "cache", "clear", "--cache-dir", str(cache)]
    with subprocess.Popen(clear, stdin=stdin, stdout=subprocess.PIPE, text=True) as process:
        os.write(terminal, answer.encode())
        out, _ = process.communicate()
    os.close(terminal)
    os.close(stdin)
    assert out.startswith("Remove 2 bundles (")
    assert process.returncode == code
    assert len(list(cache.glob("bundles/*/*"))) == left


@pytest.mark.parametrize("action", [["info"], ["verify"], ["prune"], ["clear", "--yes"]])
def test_a_cache_that_cannot_be_read_is_no_empty_cache(action, tmp_path, capsys):
    """What stands in the way is told, with exit code 2."""
    (tmp_path / "bundles").write_text("not a folder")
    assert main(["cache", *action, "--cache-dir", str(tmp_path)]) == 2
    assert "Not a directory" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["info", "verify", "prune", "clear"])
def test_a_cache_that_is_not_there_is_no_empty_cache(action, tmp_path, capsys):
    """A misspelled folder must not look like one without damage."""
    assert main(["cache", action, "--cache-dir", str(tmp_path / "cahce")]) == 2
    assert "cahce is not a folder" in capsys.readouterr().err


def test_a_size_that_is_none_is_wrong_usage(capsys):
    """The message shows what a size looks like."""
    with pytest.raises(SystemExit) as caught:
        main(["cache", "prune", "--max-size", "much"])
    assert caught.value.code == 2
    assert "'much' is not a size such as 500MB, 5GB or 1.5GiB" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["info", "verify", "prune", "clear"])
def test_help_of_the_cache_teaches(action, capsys):
    """Each command's help shows an example and what each exit code means."""
    with pytest.raises(SystemExit) as caught:
        main(["cache", action, "--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert f"conformance cache {action}" in shown.partition("examples:")[2]
    assert "exit code: 0 when" in shown
