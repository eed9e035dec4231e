"""The page of a profile: a chart as plain SVG, and the same figures as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from conformance.profiling import NodeTime, Profile
from conformance.reporters.inert import inert
from conformance.reporters.page import inlined, page_environment
from conformance.reporters.profile_text import calls, headline, percent, place, rest
from conformance.reporters.wording import NOTHING, duration

#: In SVG units, which are pixels at full width.
_WIDTH, _ROW, _BAR = 900.0, 34.0, 14.0
_LEFT, _RIGHT = 330.0, 130.0
_LABEL_CHARS, _DETAIL_CHARS = 46, 56


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a chart; what is cut off for the chart stands in the table."""

    y: float
    width: float
    label: str
    detail: str
    value: str
    #: "kernel", "outside" (of kernels) or "more": told by pattern and label, not by colour.
    kind: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars below each other, the longest as wide as there is room."""

    bars: tuple[Bar, ...]
    height: float
    #: The chart in a sentence.
    alternative: str


def profile_html(profile: Profile, top: int) -> str:
    """The profile as one self-contained page without script.

    Args:
        profile: to be shown.
        top: how many operators and nodes are drawn; the tables hold them all.
    """
    environment = page_environment()
    environment.filters |= {
        "duration": duration,
        "percent": percent,
        "calls": calls,
        "place": place,
    }
    environment.globals |= {"nothing": NOTHING}
    html: str = environment.get_template("profile.html.j2").render(
        profile=profile,
        headline=headline(profile),
        charts={
            "Operators": operator_chart(profile, top),
            "Slowest nodes": node_chart(profile, top),
        },
        geometry={"width": _WIDTH, "row": _ROW, "bar": _BAR, "left": _LEFT},
        style=inlined("profile.css"),
    )
    return html


def operator_chart(profile: Profile, top: int) -> Chart:
    """Time by operator, what is left of the operators, and what is outside of kernels."""
    rows = [
        (
            o.op_type,
            f"{o.nodes} {'node' if o.nodes == 1 else 'nodes'} on {o.provider}",
            o.share,
            duration(o.median_ns),
            "kernel",
        )
        for o in profile.operators[:top]
    ]
    left = profile.operators[top:]
    if left:
        share = sum(operator.share for operator in left)
        rows.append((f"{len(left)} more operators", "", share, "", "more"))
    outside = profile.outside
    rows.append(("outside of kernels", "", outside.share, duration(outside.median_ns), "outside"))
    return _chart("Share of the time by operator", rows)


def node_chart(profile: Profile, top: int) -> Chart:
    """The slowest nodes with the module that they come from, and what is left of the nodes."""
    rows = [
        (_title(node), _detail(node), node.share, duration(node.median_ns), "kernel")
        for node in profile.nodes[:top]
    ]
    left, share = rest(profile.nodes, top)
    if left:
        rows.append((f"{left} more nodes", "", share, "", "more"))
    return _chart("Share of the time of the slowest nodes", rows)


def _title(node: NodeTime) -> str:
    return node.module or place(node) if node.module or node.source else node.node


def _detail(node: NodeTime) -> str:
    return f"{node.op_type}, {' > '.join((*node.inside, node.node))}"


def _chart(about: str, rows: Sequence[tuple[str, str, float, str, str]]) -> Chart:
    longest = max((share for _, _, share, _, _ in rows), default=0.0) or 1.0
    room = _WIDTH - _LEFT - _RIGHT
    bars = tuple(
        Bar(
            y=number * _ROW,
            width=round(room * max(share, 0.0) / longest, 1),
            label=_cut(label, _LABEL_CHARS),
            detail=_cut(detail, _DETAIL_CHARS),
            value=", ".join(word for word in (percent(share), time) if word),
            kind=kind,
        )
        for number, (label, detail, share, time, kind) in enumerate(rows)
    )
    return Chart(bars, len(bars) * _ROW, f"{about}: {_sentence(rows)}")


def _sentence(rows: Iterable[tuple[str, str, float, str, str]]) -> str:
    return "; ".join(f"{inert(label)} {percent(share)}" for label, _, share, _, _ in rows)


def _cut(text: str, most: int) -> str:
    """The end tells more than the beginning: ``…ayer.0.attention``."""
    line = " ".join(inert(text).split())
    return line if len(line) <= most else f"…{line[1 - most :]}"
