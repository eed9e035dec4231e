from __future__ import annotations

import re
from pathlib import Path

import pytest
from sample_report import HOSTILE, make_report, make_row

from conformance.history import compare_runs
from conformance.model import Stage, Verdict
from conformance.reporters.annotations import MAX_SHOWN, annotate

COMMAND = re.compile(r"::(error|warning) ([^:]*)::(.*)")


def failing(model="lstm", verdict=Verdict.FAIL, **changes):
    fields = {"stage": Stage.PARITY, "reason": "wrong", "place": "model_zoo.yaml:12"}
    return make_row(model, verdict=verdict, **(fields | changes))


def parsed(line):
    """A line as GitHub's runner reads it: kind, properties, message."""
    kind, properties, message = COMMAND.fullmatch(line).groups()

    def plain(text):
        for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ",")):
            text = text.replace(code, char)
        return text.replace("%25", "%")

    pairs = (pair.split("=", 1) for pair in properties.split(","))
    return kind, {name: plain(value) for name, value in pairs}, plain(message)


def test_a_failure_points_at_the_models_line(tmp_path, monkeypatch):
    """File and line of the zoo, relative to the workspace, wherever pytest was started."""
    (tmp_path / "zoos").mkdir()
    monkeypatch.chdir(tmp_path / "zoos")
    (line,) = annotate(make_report([make_row(), failing()]), None, tmp_path)
    assert parsed(line) == (
        "error",
        {"file": "zoos/model_zoo.yaml", "line": "12", "title": "pytorch/lstm: fail"},
        "pytorch/lstm@dynamo-op18-fp32-cpu: fail at parity: wrong",
    )


def test_only_new_failures_are_annotated():
    """What failed in the run before is not marked again."""
    before = make_report([failing("old"), make_row("lstm")])
    now = make_report([failing("old"), failing("lstm")])
    (line,) = annotate(now, compare_runs(before, now), Path.cwd())
    assert parsed(line)[1]["title"] == "pytorch/lstm: fail"


def test_cases_of_a_model_share_an_annotation():
    """One mark a model, with a line per case; the machine's trouble is a warning."""
    rows = [failing(exporter=name) for name in ("dynamo", "torchscript")]
    rows.append(failing("bert", Verdict.INFRA_ERROR, place="model_zoo.yaml:30"))
    error, warning = map(parsed, annotate(make_report(rows), None, Path.cwd()))
    assert (error[0], len(error[2].splitlines())) == ("error", 2)
    assert (warning[0], warning[1]["line"]) == ("warning", "30")


def test_more_than_github_shows_is_counted():
    """The last line of its kind says how many are left out, rather than GitHub dropping them."""
    rows = [failing(f"m{n}", place=f"model_zoo.yaml:{n}") for n in range(25)]
    lines = [parsed(line) for line in annotate(make_report(rows), None, Path.cwd())]
    assert len(lines) == MAX_SHOWN
    assert lines[-1][1] == {"title": "16 more models"}


@pytest.mark.parametrize(
    "text",
    [HOSTILE, "a\n::error file=x::y", "50%0A::set-output", "x,line=1::", "\r::add-mask::a"],
)
def test_a_hostile_text_is_one_message(text):
    """No text of a model ends its line, adds a property or begins a command of its own."""
    rows = [failing(text, reason=text, place=f"zoo,{text}.yaml:3")]
    (line,) = annotate(make_report(rows), None, Path.cwd())
    assert len(line.splitlines()) == 1
    _, properties, _ = parsed(line)
    assert properties.keys() == {"file", "line", "title"}
    assert properties["line"] == "3"


def test_a_case_without_a_place_is_annotated_without_one():
    """Runs of older versions know no places."""
    (line,) = annotate(make_report([failing(place=None)]), None, Path.cwd())
    assert parsed(line)[1].keys() == {"title"}
