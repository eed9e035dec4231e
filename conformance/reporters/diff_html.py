"""The page of a comparison of two runs: self-contained, without script."""

from __future__ import annotations

from conformance.history import Movement, RunDiff
from conformance.reporters.differences import (
    MEANINGS,
    environment_sentences,
    figure_sentence,
    headline,
    verdicts,
)
from conformance.reporters.page import inlined, page_environment


def diff_html(diff: RunDiff) -> str:
    """Two runs compared, as one page."""
    environment = page_environment()
    environment.filters |= {"verdicts": verdicts, "figure": figure_sentence}
    html: str = environment.get_template("diff.html.j2").render(
        diff=diff,
        headline=headline(diff),
        sections=[
            (movement, MEANINGS[movement], moved)
            for movement in Movement
            if (moved := diff.of(movement))
        ],
        environment=environment_sentences(diff.environment),
        style=inlined("profile.css"),
    )
    return html
