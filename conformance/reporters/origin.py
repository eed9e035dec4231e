"""Where an error comes from, as blocks: its way step by step, the first node that shows it."""

from __future__ import annotations

from dataclasses import asdict

from conformance.evidence import Divergence, Explanation, ReducedModel
from conformance.model import BASE
from conformance.reporters import blocks, findings, wording
from conformance.reporters.blocks import Block, Parts, Text
from conformance.reporters.links import safe_path
from conformance.reporters.waterfall import Bar, waterfall
from conformance.reporters.wording import figure


def explained(explanation: Explanation, folder: str | None) -> list[Block]:
    """The steps of an error with the guilty one marked.

    Args:
        explanation: what was found out.
        folder: of the failure, relative to the report's; what it holds is linked.
    """
    guilty = explanation.guilty.value if explanation.guilty else "no step exceeds the limit"
    told = [
        blocks.head(
            ["Where the error of ", blocks.code(explanation.output), f" comes from: {guilty}"]
        ),
        blocks.para(explanation.summary),
    ]
    if explanation.steps:
        told.append(_steps(explanation))
    if explanation.divergence:
        told.append(blocks.para(_diverges(explanation.divergence)))
    if explanation.reduced:
        told.append(blocks.para(_reduced(explanation.reduced, folder)))
    return told + [blocks.para(f"Note: {note}", "muted") for note in explanation.notes]


def _steps(explanation: Explanation) -> Block:
    drawing = waterfall(explanation)
    return {
        "t": "steps",
        "label": f"The error of {explanation.output}, step by step",
        "bars": [_bar(bar, explanation) for bar in drawing.bars],
        "ticks": [asdict(tick) for tick in drawing.ticks],
        "limit": drawing.limit,
        "key": f"limit {figure(explanation.limit)}; logarithmic scale",
    }


def _bar(bar: Bar, explanation: Explanation) -> Block:
    step = bar.step
    name: Parts = [step.name]
    if bar.guilty and explanation.guilty:
        name += [" ", blocks.strong(f"◀ {explanation.guilty}")]
    if step.note:
        name += [" ", blocks.muted(step.note)]
    return {
        "name": name,
        "from": figure(step.error),
        "brought": f"{figure(step.delta)}{' > limit' if bar.over else ''}",
        "error": bar.error,
        "delta": bar.delta,
        "over": bar.over,
        "guilty": bar.guilty,
    }


def _diverges(found: Divergence) -> Text:
    between, role = findings.divergence_sentences(found)
    by = "beyond comparison" if found.error is None else f"by {figure(found.error)}"
    text: Parts = [
        "Node at which most is lost: " if found.between[0] == BASE else "First diverging node: ",
        blocks.code(found.node),
        f" ({found.op_type}), {found.position + 1} of {found.nodes} in order. Its output ",
        blocks.code(found.output),
        f" differs {by} {between}. {role}",
    ]
    if found.location:
        text += [" From ", blocks.code(found.location), "."]
    return text


def _reduced(reduced: ReducedModel, folder: str | None) -> Text:
    place = safe_path(f"{folder}/{reduced.path}") if folder else None
    nodes = wording.count(reduced.nodes, "node", "nodes")
    return [
        "Smallest model that still shows it: ",
        blocks.link(reduced.path, place),
        f", {nodes}, error {figure(reduced.error)}.",
    ]
