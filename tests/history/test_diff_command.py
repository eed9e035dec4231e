"""``conformance diff``: two runs compared, as a person types it."""

from __future__ import annotations

import json
from importlib.resources import files

import jsonschema
import pytest
from run_values import make_header, make_record, make_ref

from conformance.cli import main
from conformance.history import Movement, RunDiff, RunWriter
from conformance.model import RunFooter, RunPlan, TestKind, Verdict, from_json

FIRST, SECOND = "20261121T092349Z-3f2a", "20261122T092349Z-77aa"
SCHEMA = json.loads(files("conformance").joinpath("schemas/diff.schema.json").read_text("utf-8"))
HOSTILE = "</td><script>alert(1)</script>\x1b[2J\u202e[red]"


@pytest.fixture
def write(tmp_path):
    """Write a run with a verdict for the parity of each model."""

    def write(run_id, verdicts, **header):
        zoo_cases = tuple(f"pytorch/{model}@dynamo-op18-fp32-cpu" for model in verdicts)
        refs = [make_ref(test, model=m) for m in verdicts for test in TestKind]
        writer = RunWriter(tmp_path, make_header(run_id, zoo_cases=zoo_cases, **header))
        writer.plan(RunPlan(tuple(refs)))
        for ref in refs:
            verdict = Verdict.PASS if ref.test is TestKind.EXPORT else verdicts[ref.model]
            reason = None if verdict is Verdict.PASS else f"wrong: {HOSTILE}"
            writer.append(make_record(ref, verdict, reason=reason))
        writer.close(RunFooter("2026-11-21T09:30:00+00:00", "finished", 0))

    return write


@pytest.fixture
def command(tmp_path, capsys):
    """Run ``conformance diff`` on ``tmp_path``: exit code, stdout, stderr."""

    def run(*arguments):
        code = main(["diff", *arguments, "--report", str(tmp_path)])
        return code, *capsys.readouterr()

    return run


def test_a_regression_is_told_and_ends_with_one(command, write):
    """What regressed stands with verdict and reason, the environment below, and the code is 1."""
    write(FIRST, {"cnn": Verdict.PASS, "lstm": Verdict.FAIL, "gone": Verdict.FAIL})
    write(SECOND, {"cnn": Verdict.FAIL, "lstm": Verdict.PASS}, versions={"onnx": "1.24"}, seed=3)
    code, out, err = command("latest~1", "latest")
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert lines[:3] == [
        f"before: {FIRST} (finished)",
        f"now:    {SECOND} (finished)",
        "1 regressed, 1 vanished, 1 fixed; 0 of 2 compared cases unchanged",
    ]
    case = "pytorch/cnn@dynamo-op18-fp32-cpu"
    assert f"  {case}  ✓ pass → ✗ fail: parity" in lines
    assert r"      wrong: </td><script>alert(1)</script>\x1b[2J\u202e[red]" in lines
    assert {"  seed 0 → 3", "  onnx 1.23.2 → 1.24"} <= set(lines)
    assert "\x1b" not in out


def test_equal_or_better_ends_with_zero(command, write):
    """A run that fixed something, and a run against itself, are no worse."""
    write(FIRST, {"cnn": Verdict.FAIL})
    write(SECOND, {"cnn": Verdict.PASS})
    code, out, _ = command(FIRST, SECOND)
    assert (code, "1 fixed" in out) == (0, True)
    code, out, _ = command(SECOND, SECOND)
    assert code == 0
    assert "nothing regressed, nothing fixed; 1 of 1 compared cases unchanged" in out
    assert "  the same" in out


def test_the_json_follows_its_schema_and_comes_back(command, write):
    """``--json -`` prints nothing but the comparison, in the published form."""
    write(FIRST, {"cnn": Verdict.PASS, "gone": Verdict.PASS})
    write(SECOND, {"cnn": Verdict.FAIL, "new": Verdict.FAIL}, machine={"cores": 4})
    code, out, _ = command(FIRST, SECOND, "--json", "-")
    assert code == 1
    plain = json.loads(out)
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(plain, SCHEMA)
    plain.pop("schema_version")
    found = from_json(RunDiff, plain)
    assert [case.movement for case in found.cases] == [
        Movement.REGRESSED,
        Movement.VANISHED,
        Movement.NEW,
    ]


def test_files_are_written_where_they_are_asked_for(command, write, tmp_path):
    """The page holds the cases and no markup of theirs; both paths are printed."""
    write(FIRST, {"cnn": Verdict.PASS})
    write(SECOND, {"cnn": Verdict.FAIL})
    page, data = tmp_path / "diff.html", tmp_path / "diff.json"
    code, out, _ = command("latest~1", "latest", "--html", str(page), "--json", str(data))
    assert code == 1
    assert out.splitlines()[-2:] == [str(data), str(page)]
    html = page.read_text()
    assert "<script>" not in html
    assert r"&lt;script&gt;alert(1)&lt;/script&gt;\x1b[2J\u202e[red]" in html
    assert "regressed (1)" in html
    assert json.loads(data.read_text())["cases"][0]["movement"] == "regressed"


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("2031", "latest"), "'2031' is no run of"),
        (("latest", "latest~5"), "no run 'latest~5'"),
    ],
)
def test_runs_that_cannot_be_compared_end_with_two(command, write, names, reason):
    """What is no run is named, on standard error."""
    write(FIRST, {"cnn": Verdict.PASS})
    code, out, err = command(*names)
    assert (code, out) == (2, "")
    assert reason in err


def test_a_damaged_run_ends_with_two(command, write, tmp_path):
    """A run without a readable header cannot be compared."""
    write(FIRST, {"cnn": Verdict.PASS})
    (tmp_path / "runs" / f"{SECOND}.jsonl").write_text("{")
    code, _, err = command("latest~1", "latest")
    assert code == 2
    assert "has no readable header" in err


def test_a_page_that_cannot_be_written_ends_with_two(command, write, tmp_path):
    """A path in no folder is an error with its name."""
    write(FIRST, {"cnn": Verdict.PASS})
    path = tmp_path / "no" / "diff.html"
    code, _, err = command(FIRST, FIRST, "--html", str(path))
    assert code == 2
    assert f"{path} cannot be written" in err
