"""What a run tells GitHub, where it is a step of one of its jobs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from conformance.history import RunDiff
from conformance.history.folder import warn
from conformance.model import RunReport
from conformance.reporters.annotations import annotate
from conformance.reporters.markdown import append_job_summary


def add_summary(report: RunReport, diff: RunDiff | None, environment: Mapping[str, str]) -> None:
    """Add the run to the job's summary, if it has one; a warning where it cannot be written.

    Args:
        report: the run.
        diff: against the run before; None where there is none.
        environment: variables of the process.
    """
    summary = environment.get("GITHUB_STEP_SUMMARY")
    if not summary:
        return
    try:
        append_job_summary(report, diff, Path(summary))
    except OSError as error:
        warn(f"the job's summary was not written ({error.strerror}): see report.md")


def without_commands(text: str, environment: Mapping[str, str]) -> str:
    """A text of several lines, of which a job of GitHub's takes none for a command to itself.

    A command is a line that begins with ``::``, or has ``##[`` anywhere; what a model prints
    could set outputs or hide the job's own lines. Elsewhere the text is as it was.

    Args:
        text: such as an error with the tail of a process's output.
        environment: variables of the process.
    """
    if environment.get("GITHUB_ACTIONS") != "true":
        return text
    lines = (f"| {line}" if line.lstrip().startswith("::") else line for line in text.split("\n"))
    return "\n".join(lines).replace("##[", "## [")


def annotation_lines(
    report: RunReport, diff: RunDiff | None, environment: Mapping[str, str]
) -> tuple[str, ...]:
    """Lines that make GitHub mark the models that newly fail; none elsewhere.

    Args:
        report: the run.
        diff: against the run before; None where there is none.
        environment: variables of the process.
    """
    if environment.get("GITHUB_ACTIONS") != "true":
        return ()
    workspace = Path(environment.get("GITHUB_WORKSPACE") or Path.cwd()).resolve()
    return annotate(report, diff, workspace)
