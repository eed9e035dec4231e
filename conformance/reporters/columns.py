"""The rows of a report as columns, for the script of the page: small, and quick to filter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from conformance.model import CaseResult, RunReport
from conformance.reporters import findings, wording
from conformance.reporters.trends import letters

#: Columns that have few different values: the values once, and the number of one per row.
_WORDS: dict[str, Callable[[CaseResult], Any]] = {
    "framework": lambda case: case.framework,
    "model": lambda case: case.model,
    "task": lambda case: case.task or "",
    "exporter": lambda case: case.exporter,
    "opset": lambda case: case.opset,
    "variant": lambda case: case.variant,
    "provider": lambda case: case.provider or "",
    "verdict": lambda case: case.verdict.value,
    "stage": lambda case: case.stage.value,
    "tag": lambda case: list(case.tags),
    "trusted": lambda case: list(case.trusted),
    "reason": lambda case: case.reason or "",
    "parity": lambda case: wording.parity_phrase(case.parity),
    "marks": lambda case: [[mark.text, mark.tone] for mark in _marks(case)],
}


def columns(report: RunReport, changes: dict[str, str]) -> dict[str, Any]:
    """The rows as plain JSON.

    Args:
        report: the run.
        changes: by case id, what changed since the last run; missing where nothing did.

    Returns:
        ``words``: name to ``[values, [number of the value per row]]``; ``figures``: name to a
        list with a number or null per row; ``ids``: by row, the id where it cannot be put
        together from the columns, as :func:`_usual_id` does.
    """
    cases = report.cases
    words = {name: _encoded(map(of, cases)) for name, of in _WORDS.items()}
    words["change"] = _encoded(changes.get(case.id, "") for case in cases)
    words["runs"] = _encoded(letters(report.trends.get(case.id, ())) for case in cases)
    return {
        "count": len(cases),
        "words": words,
        "figures": {
            "ratio": [_short(_ratio(case), 3) for case in cases],
            "latency_us": [
                _short(case.latency.median_ns / 1000 if case.latency else None, 3) for case in cases
            ],
            "speedup": [_short(wording.speedup(case.latency), 3) for case in cases],
            "size_bytes": [
                _short(case.export.size_bytes if case.export else None, 3) for case in cases
            ],
            "export_s": [
                _short(case.export.export_seconds if case.export else None, 3) for case in cases
            ],
        },
        "ids": {
            str(number): case.id for number, case in enumerate(cases) if case.id != _usual_id(case)
        },
    }


def _usual_id(case: CaseResult) -> str:
    """The id as the script puts it together."""
    key = f"{case.framework}/{case.model}@{case.exporter}-op{case.opset}-{case.variant}"
    return key if case.provider is None else f"{key}-{case.provider}"


def _marks(case: CaseResult) -> Sequence[findings.Mark]:
    marks = list(findings.marks(case))
    if case.latency is not None:
        if case.latency.contended:
            marks.append(findings.Mark("timing contended", "note"))
        if case.latency.unstable:
            marks.append(findings.Mark("timing unstable", "note"))
        if case.latency.baseline and case.latency.baseline.slower:
            marks.append(findings.Mark("slower than the baseline", "alarm"))
    return marks


def _ratio(case: CaseResult) -> float | None:
    worst = case.parity.worst_output if case.parity else None
    return worst.ratio if worst else None


def _encoded(values: Iterable[Any]) -> list[Any]:
    """The different values in the order in which they appear, and per row which it is.

    Where all rows have the same value, one number stands for all of them.
    """
    known: dict[str, int] = {}
    different: list[Any] = []
    numbers = []
    for value in values:
        key = value if isinstance(value, str) else repr(value)
        if key not in known:
            known[key] = len(different)
            different.append(value)
        numbers.append(known[key])
    return [different, 0 if len(different) == 1 else numbers]


def _short(value: float | None, digits: int) -> float | int | None:
    """A figure with so many significant digits; a whole number where it is one."""
    if value is None:
        return None
    rounded = float(f"{value:.{digits}g}")
    if rounded in (float("inf"), float("-inf")) or rounded != rounded:  # noqa: PLR0124 - NaN
        return None
    return int(rounded) if rounded == int(rounded) else rounded
