"""The smallest part of a model that still shows an error, as a test case of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.bundle import MODEL
from conformance.evidence import ReducedModel
from conformance.explain.locate import Bisection
from conformance.explain.yardstick import distance
from conformance.graph.cut import frontier, submodel
from conformance.graph.names import names_read
from conformance.tensors import Arrays, write_tensors

#: Name of the folder that a reduced model is written to.
REDUCED = "reduced"


@dataclass(frozen=True, slots=True)
class Part:
    """Some nodes in a row, with what goes in and what is expected to come out."""

    model: Any
    inputs: Arrays
    expected: Arrays


def smallest_window(bisection: Bisection, stop: int) -> int:
    """Where the shortest row of nodes before ``stop`` begins that alone shows the error.

    The row grows backwards, doubling, until the suspect's answer to it moves the output, and
    is then shortened by bisection: a single node errs by itself, a fused pattern only whole.

    Args:
        bisection: of the dispute.
        stop: number of nodes up to and with the first at which the sides part.
    """
    size = 1
    while size < stop and not bisection.shows(stop - size, stop):
        size *= 2
    if size == 1:
        return stop - 1
    shown, hidden = max(0, stop - size), stop - size // 2
    while hidden - shown > 1:
        middle = (shown + hidden) // 2
        if bisection.shows(middle, stop):
            shown = middle
        else:
            hidden = middle
    return shown


def cut_out(bisection: Bisection, start: int, stop: int) -> tuple[Part, float]:
    """Nodes ``[start, stop)`` with the trusted side's inputs and answers.

    Returns:
        The part, in the graph's own dtypes, and the suspect's largest error on it.

    Raises:
        CannotRun: when the part cannot be run.
    """
    about = bisection.about
    trusted, suspect = about.trusted, about.suspect
    nodes = about.nodes[start:stop]
    read = {name for node in nodes for name in names_read(node)}
    alive = bisection.computed(trusted, 0, start, about.feeds)
    inputs = bisection.fit(suspect, {n: a for n, a in alive.items() if n in read})
    made = {name for node in nodes for name in node.output}
    wanted = [name for name in frontier(suspect.model, stop) if name in made]
    right = trusted.execution.run(submodel(trusted.model, list(inputs), wanted, inputs), inputs)
    expected = bisection.fit(suspect, right)
    model = submodel(suspect.model, list(inputs), wanted, inputs | expected)
    got = suspect.execution.run(model, inputs)
    return Part(model, inputs, expected), max(distance(got[name], right[name]) for name in wanted)


def write_part(part: Part, folder: Path, error: float) -> ReducedModel:
    """Write ``reduced/`` below ``folder`` in the layout of ONNX's test data."""
    import onnx

    target = folder / REDUCED
    target.mkdir(parents=True, exist_ok=True)
    onnx.save(part.model, str(target / MODEL))
    write_tensors(target / "test_data_set_0", "input", part.inputs)
    write_tensors(target / "test_data_set_0", "output", part.expected)
    nodes = len(part.model.graph.node)
    return ReducedModel(REDUCED, nodes, error if math.isfinite(error) else None)
