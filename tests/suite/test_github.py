"""A run as a step of a GitHub job: its summary and its annotations, by real runs of pytest."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def job(suite, monkeypatch):
    """Be a step of a job whose workspace is the suite's folder; gives the summary's path."""
    summary = suite.path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(suite.path))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    return summary


def test_a_failure_is_annotated_once_and_summarized(suite, job):
    """The new failure points at its line, under xdist too; the next run has nothing new."""
    suite.zoo("Honest", "CannotLoad")
    first = suite.run("-n", "2")
    (mark,) = [line for line in first.outlines if line.startswith("::")]
    assert mark.startswith("::error file=zoo.yaml,line=10,title=CannotLoad/cannotload%3A fail::")
    assert job.read_text().startswith("## ✗ ONNX conformance: 1 of 2 cases fail the run")
    second = suite.run()
    assert not [line for line in second.outlines if line.startswith("::")]
    assert "1 still failing; 1 of 2 compared cases unchanged" in job.read_text()


def test_what_a_model_prints_commands_no_job(suite, job):
    """A line of an error or of a process's output is no command to GitHub, and still readable."""
    (suite.path / "own_adapter.py").write_text(
        "from miniatures import Honest\n"
        "class Commanding(Honest):\n"
        "    def load(self, job):\n"
        "        print('::set-output name=x::1\\n  ::stop-commands::t\\n##[add-mask]x')\n"
        "        raise RuntimeError('wrong\\n::error::forged')\n"
    )
    suite.zoo("Commanding")
    zoo = suite.path / "zoo.yaml"
    zoo.write_text(zoo.read_text().replace("miniatures:Commanding", "own_adapter:Commanding"))
    lines = suite.run().outlines
    (mark,) = [line for line in lines if line.lstrip().startswith("::")]
    assert mark.startswith("::error file=zoo.yaml,line=2,title=Commanding/commanding")
    assert not [line for line in lines if "##[" in line]
    assert "|     ::set-output name=x::1" in lines
    assert "|       ::stop-commands::t" in lines


def test_elsewhere_nothing_is_annotated(suite):
    """Outside of a job the run says nothing to GitHub, and still writes its Markdown and badge."""
    suite.zoo("CannotLoad")
    result = suite.run()
    assert not [line for line in result.outlines if line.startswith("::")]
    reports = suite.path / "reports"
    assert "### Failures" in (reports / "report.md").read_text()
    assert json.loads((reports / "badge.json").read_text())["message"] == "0 of 1 pass"
    (case,) = suite.report["cases"]
    assert case["place"] == "zoo.yaml:2"


def test_a_summary_that_cannot_be_written_is_a_warning(suite, job):
    """The run's own reports and its exit code do not depend on GitHub's file."""
    job.mkdir()
    suite.zoo("Honest")
    result = suite.run()
    assert result.ret == 0
    assert "the job's summary was not written" in result.stdout.str() + result.stderr.str()
    assert (suite.path / "reports" / "report.md").is_file()
