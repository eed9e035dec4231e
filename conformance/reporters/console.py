"""What is printed at a terminal, as text."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType


def never(_: RenderableType) -> bool:
    """Every part is folded at the terminal's width."""
    return False


def printed(
    parts: Iterable[RenderableType],
    width: int,
    *,
    color: bool,
    unfolded: Callable[[RenderableType], bool] = never,
) -> str:
    """Lines as a terminal of ``width`` columns shows ``parts``, each ended by a newline.

    Args:
        parts: rich's tables and texts, one below the other.
        width: of the terminal, in columns.
        color: whether the terminal understands colours; ``NO_COLOR`` overrules it.
        unfolded: which parts stay on one line, however long, to be searched for and copied.
    """
    from rich.console import Console

    out = io.StringIO()
    colored = color and not os.environ.get("NO_COLOR")
    console = Console(
        file=out,
        width=width,
        force_terminal=colored,
        color_system="standard" if colored else None,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
    )
    for part in parts:
        console.print(part, soft_wrap=unfolded(part))
    # trailing blanks only pad a table; lines are easier to copy without them
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
