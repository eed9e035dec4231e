"""What differs between two runs, in words: the same at a terminal, in a page and in Markdown."""

from __future__ import annotations

from collections import Counter

from pydantic import JsonValue

from conformance.history import (
    CaseChange,
    EnvironmentDiff,
    FactChange,
    Figure,
    FigureChange,
    Finding,
    Movement,
    RunDiff,
)
from conformance.model import Verdict
from conformance.reporters.wording import NOTHING, size, two_digits

_SHORT_COMMIT = 12
_COMMIT, _BYTES = "commit", "_bytes"
#: What a section says of itself, for people who read it for the first time.
MEANINGS = {
    Movement.REGRESSED: "converted well or failed as expected, and fails now",
    Movement.STILL_FAILING: "failed in both runs",
    Movement.UNCHECKED: "was judged, and is not now: nothing is known of it",
    Movement.VANISHED: "is not in the zoo files any more",
    Movement.ACCEPTED: "fails as the zoo has come to expect",
    Movement.FIXED: "failed, and converts well now",
    Movement.NEW: "was not in the zoo files before",
    Movement.CHECKED: "is judged now and was not before",
    Movement.SAME: "has the same verdict and other figures",
}


def headline(diff: RunDiff) -> str:
    """``2 regressed, 1 fixed; 40 of 43 compared cases unchanged, 5 not selected``."""
    counted = Counter(case.movement for case in diff.cases)
    moved = [f"{counted[m]} {m}" for m in Movement if counted[m] and m is not Movement.SAME]
    slower = _timed(diff, worse=True)
    faster = _timed(diff, worse=False)
    moved += [
        f"{count} {word}" for count, word in ((slower, "slower"), (faster, "faster")) if count
    ]
    text = ", ".join(moved) or "nothing regressed, nothing fixed"
    text += f"; {diff.unchanged} of {diff.compared} compared cases unchanged"
    return f"{text}, {diff.not_selected} not selected" if diff.not_selected else text


def _timed(diff: RunDiff, *, worse: bool) -> int:
    return sum(f.figure is Figure.LATENCY and f.worse is worse for _, f in diff.figures)


def verdicts(change: CaseChange) -> str:
    """``✓ pass → ✗ fail: parity``."""
    if change.before is None and change.after is None:
        return NOTHING
    if change.before is None or change.after is None:
        return _verdict(change.after or change.before)
    then, now = _verdict(change.before), _verdict(change.after)
    return now if then == now else f"{then} → {now}"


def _verdict(finding: Finding | None) -> str:
    if finding is None:
        return NOTHING
    where = f": {finding.stage}" if finding.verdict is Verdict.FAIL else ""
    return f"{finding.verdict.glyph} {finding.verdict}{where}"


def figure_sentence(change: FigureChange) -> str:
    """``parity ratio 0.4 → 0.7``, ``latency 1.2x [1.1, 1.3], slower``, ``nodes 17 → 16``."""
    if change.figure is Figure.LATENCY and change.ratio is not None:
        interval = ""
        if change.low is not None and change.high is not None:
            interval = f" [{change.low:.3g}, {change.high:.3g}]"
        sure = "" if change.confirmed else ", not measured again"
        word = "slower" if change.worse else "faster"
        return f"latency {change.ratio:.3g}x{interval}, {word}{sure}"
    shown = {Figure.SIZE: size, Figure.NODES: "{:.0f}".format}.get(change.figure, two_digits)
    then = NOTHING if change.before is None else shown(change.before)
    now = NOTHING if change.after is None else shown(change.after)
    return f"{change.figure} {then} → {now}"


def environment_sentences(environment: EnvironmentDiff) -> tuple[str, ...]:
    """One line for each fact and package that was not the same."""
    packages = tuple(str(package) for package in environment.packages)
    return (*(fact_sentence(fact) for fact in environment.facts), *packages)


def fact_sentence(fact: FactChange) -> str:
    """``commit 3f2a9c1be0d4 → none``, ``isa: avx512f added``."""
    if isinstance(fact.before, list) and isinstance(fact.after, list):
        then, now = ([str(item) for item in listed] for listed in (fact.before, fact.after))
        moved = [f"{item} removed" for item in then if item not in now]
        moved += [f"{item} added" for item in now if item not in then]
        return f"{fact.name}: {', '.join(moved) or 'in another order'}"
    return f"{fact.name} {_fact(fact.name, fact.before)} → {_fact(fact.name, fact.after)}"


def _fact(name: str, value: JsonValue) -> str:
    if value is None:
        return "unknown"
    if name == _COMMIT:
        commit, dash, dirty = str(value).partition("-")
        return f"{commit[:_SHORT_COMMIT]}{dash}{dirty}"
    if name.endswith(_BYTES) and isinstance(value, int | float):
        return size(value)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
