"""New failures as GitHub shows them: at the model's line in the zoo file.

The form of a line: https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from conformance.history import RunDiff
from conformance.model import CaseResult, RunReport, Verdict
from conformance.reporters.inert import inert, inert_line

#: GitHub shows so many of each kind per step, and drops the rest without a word.
MAX_SHOWN = 10
_MAX_CASES = 5
_MAX_CHARS = 400


def annotate(report: RunReport, diff: RunDiff | None, workspace: Path) -> tuple[str, ...]:
    """One line for each model with cases that fail the run and did not before.

    Trouble of the machine is a warning. What is more than GitHub shows is counted in the last
    line of its kind.

    Args:
        report: the run.
        diff: against the run before; None where there is none, and every failure is new.
        workspace: the folder that GitHub's paths are relative to.
    """
    new = None if diff is None else {case.id for case in diff.new_failures}
    failing = [
        row for row in report.cases if row.verdict.fails_gate and (new is None or row.id in new)
    ]
    errors = [row for row in failing if row.verdict is not Verdict.INFRA_ERROR]
    warnings = [row for row in failing if row.verdict is Verdict.INFRA_ERROR]
    return (*_lines("error", errors, workspace), *_lines("warning", warnings, workspace))


def _lines(kind: str, rows: Sequence[CaseResult], workspace: Path) -> list[str]:
    models: dict[tuple[str | None, str], list[CaseResult]] = {}
    for row in rows:
        models.setdefault((row.place, f"{row.framework}/{row.model}"), []).append(row)
    lines = [
        _command(kind, place, f"{model}: {alike[0].verdict}", _message(alike), workspace)
        for (place, model), alike in models.items()
    ]
    if len(lines) > MAX_SHOWN:
        more = len(lines) - MAX_SHOWN + 1
        lines[MAX_SHOWN - 1 :] = [
            _command(kind, None, f"{more} more models", "See the job's summary.", workspace)
        ]
    return lines


def _message(rows: Sequence[CaseResult]) -> str:
    told = [
        f"{row.id}: {row.verdict} at {row.stage}: {inert_line(row.reason or '')}"[:_MAX_CHARS]
        for row in rows[:_MAX_CASES]
    ]
    if len(rows) > _MAX_CASES:
        told.append(f"and {len(rows) - _MAX_CASES} more cases")
    return "\n".join(told)


def _command(kind: str, place: str | None, title: str, message: str, workspace: Path) -> str:
    properties = {"title": title}
    if place is not None:
        file, _, line = place.rpartition(":")
        path = (Path.cwd() / file).resolve()
        shown = path.relative_to(workspace) if path.is_relative_to(workspace) else path
        properties = {"file": shown.as_posix(), "line": line, **properties}
    told = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {told}::{_data(message)}"


def _data(text: str) -> str:
    return inert(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(inert_line(text)).replace(":", "%3A").replace(",", "%2C")
