"""Two runs compared, at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.history import CaseChange, Movement, RunDiff
from conformance.reporters.console import printed
from conformance.reporters.differences import (
    MEANINGS,
    environment_sentences,
    figure_sentence,
    headline,
    verdicts,
)
from conformance.reporters.inert import inert_line

if TYPE_CHECKING:
    from rich.text import Text

_STYLES = {
    Movement.REGRESSED: "bold red",
    Movement.STILL_FAILING: "red",
    Movement.UNCHECKED: "bold blue",
    Movement.VANISHED: "bold blue",
    Movement.ACCEPTED: "yellow",
    Movement.FIXED: "green",
}


def render_diff(diff: RunDiff, width: int, *, color: bool) -> str:
    """The text of a comparison.

    Args:
        diff: to be shown.
        width: of the terminal, in columns.
        color: whether the terminal understands colours; ``NO_COLOR`` overrules it.
    """
    # a line that is broken could not be searched for or copied
    return printed(_lines(diff), width, color=color, unfolded=lambda _: True)


def _lines(diff: RunDiff) -> list[Text]:
    from rich.text import Text

    lines = [
        Text(f"before: {inert_line(diff.before.id)} ({diff.before.status})"),
        Text(f"now:    {inert_line(diff.now.id)} ({diff.now.status})"),
        Text(headline(diff), style="bold"),
    ]
    for movement in Movement:
        moved = diff.of(movement)
        if moved:
            lines += [Text(""), _title(movement, len(moved))]
            lines += [line for change in moved for line in _case(change)]
    lines += [Text(""), Text("environment", style="bold")]
    told = environment_sentences(diff.environment)
    lines += [Text(f"  {inert_line(line)}") for line in told] or [Text("  the same")]
    if not diff.environment.same_hardware:
        text = "not known to be one hardware class: latencies are not compared"
        lines.append(Text(f"  {text}", style="yellow"))
    lines += [Text(f"note: {inert_line(note)}", style="yellow") for note in diff.notes]
    return lines


def _title(movement: Movement, count: int) -> Text:
    from rich.text import Text

    name = "same verdict, other figures" if movement is Movement.SAME else str(movement)
    title = Text(f"{name} ({count})", style=_STYLES.get(movement, "bold"))
    if movement is not Movement.SAME:
        title.append(f"  {MEANINGS[movement]}", style="dim")
    return title


def _case(change: CaseChange) -> list[Text]:
    from rich.text import Text

    lines = [Text(f"  {inert_line(change.id)}  {verdicts(change)}")]
    told = change.after or change.before
    if told is not None and told.reason and change.movement is not Movement.SAME:
        lines.append(Text(f"      {inert_line(told.reason)}"))
    lines += [Text(f"      {figure_sentence(figure)}") for figure in change.figures]
    return lines
