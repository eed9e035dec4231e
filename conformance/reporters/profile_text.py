"""A profile at a terminal: what was run, the operators, the slowest nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from conformance.profiling import NodeTime, Profile
from conformance.reporters.console import printed
from conformance.reporters.inert import inert
from conformance.reporters.wording import NOTHING, duration, two_digits

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_BAR_COLUMNS = 16
#: Columns from which a node's name has a column of its own.
_ROOMY = 110


def render_profile(profile: Profile, top: int, width: int, *, color: bool) -> str:
    """The text of a profile.

    Args:
        profile: to be shown.
        top: how many operators and nodes are listed.
        width: of the terminal, in columns.
        color: whether the terminal understands colours; ``NO_COLOR`` overrules it.
    """
    return printed(_parts(profile, top, compact=width < _ROOMY), width, color=color)


def headline(profile: Profile) -> str:
    """How long a run took, what of it was in no kernel, and what the profiler adds."""
    return (
        f"{duration(profile.median_ns)} a run in ONNX Runtime, {percent(profile.outside.share)} of "
        f"it outside of kernels; the fastest call took {duration(profile.fastest_ns)} under the "
        f"profiler, {duration(profile.unprofiled_fastest_ns)} without it"
    )


def percent(share: float) -> str:
    """``0.42%``, ``3.1%``, ``48%``."""
    return f"{two_digits(100 * share)}%"


def calls(count: float) -> str:
    """Executions in a run: whole, or with the two digits that a branch needs."""
    return f"{count:g}" if count == int(count) else f"{count:.2f}"


def place(node: NodeTime) -> str:
    """Module and source line, or the exporter's nodes where it wrote neither down."""
    known = [word for word in (node.module, node.source) if word]
    if known:
        return ", ".join(known)
    names = [name for name in node.origins if name != node.node]
    return f"node {names[0]}" if names else NOTHING


def rest(nodes: Sequence[NodeTime], top: int) -> tuple[int, float]:
    """How many nodes are not among the first, and their share."""
    left = nodes[top:]
    return len(left), sum(node.share for node in left)


def _parts(profile: Profile, top: int, *, compact: bool) -> list[RenderableType]:
    from rich.text import Text

    runs = f"{profile.runs} runs after {profile.warm_up_runs} to warm up"
    threads = "1 thread" if profile.threads == 1 else f"{profile.threads} threads"
    lines = [
        f"{profile.case} on {profile.provider}, {threads}, {runs}",
        f"onnxruntime {profile.onnxruntime}, {profile.cpu}",
        f"inputs: {', '.join(profile.inputs) or 'none'} ({profile.inputs_from})",
        headline(profile),
    ]
    parts: list[RenderableType] = [Text(inert(line)) for line in lines]
    parts += [Text(""), _operators(profile, top), Text(""), _nodes(profile, top, compact=compact)]
    parts += [Text(f"note: {inert(note)}", style="yellow") for note in profile.notes]
    return parts


def _operators(profile: Profile, top: int) -> Table:
    several = len({operator.provider for operator in profile.operators}) > 1
    table = _table("operator", *(["provider"] if several else []), "nodes", "calls")
    for operator in profile.operators[:top]:
        given = [_lines(operator.op_type), *([_lines(operator.provider)] if several else [])]
        given += [str(operator.nodes), calls(operator.calls)]
        _add(table, given, operator.median_ns, operator.share)
    left = profile.operators[top:]
    if left:
        text = f"{len(left)} more"
        _add(table, [text, *[""] * (2 + several)], None, sum(other.share for other in left))
    outside = profile.outside
    given = ["outside of kernels", *[""] * (2 + several)]
    _add(table, given, outside.median_ns, outside.share)
    return table


def _nodes(profile: Profile, top: int, *, compact: bool) -> Table:
    table = _table("slowest nodes", *([] if compact else ["from"]), "operator", "calls")
    for node in profile.nodes[:top]:
        name = " > ".join((*node.inside, node.node))
        columns = [_lines(name, place(node))] if compact else [_lines(name), _lines(place(node))]
        given = [*columns, _lines(node.op_type), calls(node.calls)]
        _add(table, given, node.median_ns, node.share)
    left, share = rest(profile.nodes, top)
    if left:
        _add(table, [f"{left} more", *[""] * (2 if compact else 3)], None, share)
    return table


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
    for column in columns:
        number = column in ("nodes", "calls")
        table.add_column(
            column, justify="right" if number else "left", overflow="fold", no_wrap=number
        )
    table.add_column("a run", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, min_width=_BAR_COLUMNS)
    return table


def _add(table: Table, given: list[str], median_ns: int | None, share: float) -> None:
    from rich.bar import Bar
    from rich.text import Text

    figures = [NOTHING if median_ns is None else duration(median_ns), percent(share)]
    bar = Bar(1.0, 0.0, min(max(share, 0.0), 1.0), width=_BAR_COLUMNS, color="cyan")
    table.add_row(*map(Text, given), *map(Text, figures), bar)


def _lines(*texts: str) -> str:
    """Texts below each other, and no line feed but those: one in a name would fake a row."""
    return "\n  ".join(inert(text).replace("\n", "\\n").replace("\t", "\\t") for text in texts)
