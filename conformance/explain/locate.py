"""The first node at which two executions of one graph part, found by bisecting its cuts.

Below a cut the suspect computes, above it the trusted one, so only the tensors that cross
the cut are ever held. What counts is the explained output: the first node whose inclusion
in the suspect's part moves it beyond its limit is the one that is named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.evidence import Divergence
from conformance.explain.executions import CannotRun, Execution
from conformance.explain.yardstick import Yardstick, distance
from conformance.graph.cut import frontier, submodel
from conformance.graph.metadata import location
from conformance.graph.types import tensor_dtypes
from conformance.tensors import Arrays

#: Nodes that alone bring in this share of the limit are where the error originates.
_ORIGINATES = 0.5


@dataclass(frozen=True, slots=True)
class Side:
    """A graph and the execution that computes it."""

    model: Any
    execution: Execution


@dataclass(frozen=True, slots=True)
class Dispute:
    """Two sides that answer one question differently."""

    trusted: Side
    suspect: Side
    output: str
    feeds: Arrays
    yardstick: Yardstick
    data_set: int
    #: Of the graph's tensors, as far as they are known.
    dtypes: Mapping[str, np.dtype]

    @property
    def nodes(self) -> list[Any]:
        """The suspect's nodes in topological order."""
        return list(self.suspect.model.graph.node)


@dataclass(frozen=True, slots=True)
class Found:
    """Where two sides part."""

    divergence: Divergence
    #: Number of nodes, of those that matter, up to and with the one that was found.
    stop: int
    #: Why it could not be narrowed down to one node.
    note: str | None


def dispute(  # noqa: PLR0913 - who, about what, on which data
    trusted: Side,
    suspect: Side,
    *,
    output: str,
    feeds: Mapping[str, np.ndarray],
    yardstick: Yardstick,
    data_set: int,
) -> Dispute:
    """Two sides, reduced to the nodes that the output depends on.

    Args:
        trusted: the graph in the execution that is believed.
        suspect: a graph of the same nodes and tensor names in the other.
        output: the tensor on which they differ.
        feeds: input name to array.
        yardstick: what is accepted of the output.
        data_set: number of the data set that ``feeds`` belongs to.

    Raises:
        ValueError: when the graphs are not made of the same nodes.
    """
    first, second = (
        Side(submodel(side.model, list(feeds), [output], feeds), side.execution)
        for side in (trusted, suspect)
    )
    tensors = [[list(node.output) for node in side.model.graph.node] for side in (first, second)]
    if tensors[0] != tensors[1]:
        raise ValueError("the two graphs are not made of the same nodes")
    dtypes = tensor_dtypes(suspect.model)
    return Dispute(first, second, output, dict(feeds), yardstick, data_set, dtypes)


class Bisection:
    """Tells what becomes of the output when only some nodes are the suspect's."""

    def __init__(self, about: Dispute) -> None:
        """Get the answer of the trusted side.

        Raises:
            CannotRun: when it cannot answer.
        """
        self.about = about
        trusted = about.trusted
        self._expected = trusted.execution.run(trusted.model, about.feeds)[about.output]

    def share(self, start: int, stop: int) -> float:
        """Error over limit of the output when the suspect computes nodes ``[start, stop)``.

        Raises:
            CannotRun: when one of the parts cannot be run.
        """
        about = self.about
        before = self.computed(about.trusted, 0, start, about.feeds)
        within = self.computed(about.suspect, start, stop, before)
        after = self.computed(about.trusted, stop, len(about.nodes), within)
        return about.yardstick.share(after[about.output], self._expected, about.data_set)

    def shows(self, start: int, stop: int) -> bool:
        """Whether nodes ``[start, stop)`` of the suspect alone bring the error in.

        Not where they cannot be cut out: then a longer row of nodes is needed to show it.
        """
        try:
            return self.share(start, stop) >= _ORIGINATES
        except CannotRun:
            return False

    def computed(self, side: Side, start: int, stop: int, values: Mapping[str, Any]) -> Arrays:
        """What lives after node ``stop``, from what lives before node ``start``.

        Raises:
            CannotRun: when the part cannot be run.
        """
        known = frontier(side.model, start)
        alive = frontier(side.model, stop)
        wanted = [name for name in alive if name not in known]
        passed = {name: values[name] for name in alive if name in known}
        if not wanted:
            return passed
        given = self.fit(side, {name: values[name] for name in known})
        return passed | side.execution.run(submodel(side.model, list(given), wanted, given), given)

    def fit(self, side: Side, values: Mapping[str, np.ndarray]) -> Arrays:
        """Values as the side takes them: in the graph's dtypes, unless it computes in float64."""
        if side.execution.float64:
            return dict(values)
        return {name: self._narrowed(name, array) for name, array in values.items()}

    def _narrowed(self, name: str, array: np.ndarray) -> np.ndarray:
        if array.dtype != np.float64:
            return array
        return array.astype(self.about.dtypes.get(name, np.dtype(np.float32)), copy=False)


def first_divergence(bisection: Bisection, whole: Any) -> Found | None:
    """Find the first node at which the two sides of a dispute part.

    With the suspect's nodes up to and with that one, the output is beyond its limit; without
    it, it is not. Takes about ``log2(nodes)`` runs of the graph.

    Args:
        bisection: of the dispute.
        whole: the ``ModelProto`` that the position is counted in.

    Returns:
        None when the suspect, run by itself, is within the limit.

    Raises:
        CannotRun: when the sides cannot be run at all.
    """
    about = bisection.about
    low, high = 0, len(about.nodes)
    if not bisection.share(low, high) > 1:
        return None
    note = None
    while high - low > 1 and note is None:
        for middle in _from_the_middle(low, high):
            try:
                parted = bisection.share(0, middle) > 1
            except CannotRun as error:
                reason = str(error)
                continue
            low, high = (low, middle) if parted else (middle, high)
            break
        else:
            note = f"not narrowed further than nodes {low + 1} to {high} of those: {reason}"
    return Found(_divergence(bisection, high, whole), high, note)


def _from_the_middle(low: int, high: int) -> Iterator[int]:
    """Every cut between two others, the middle first: some cannot be made."""
    middle = (low + high) // 2
    return iter(sorted(range(low + 1, high), key=lambda cut: abs(cut - middle)))


def _divergence(bisection: Bisection, stop: int, whole: Any) -> Divergence:
    about = bisection.about
    node = about.nodes[stop - 1]
    sides = (about.trusted, about.suspect)
    wanted, got = (bisection.computed(side, 0, stop, about.feeds) for side in sides)
    errors = {name: distance(got[name], wanted[name]) for name in node.output if name in got}
    output = max(errors, key=lambda name: errors[name], default=node.output[0])
    error = errors.get(output, math.inf)
    between = (about.trusted.execution.name, about.suspect.execution.name)
    alone = bisection.shows(stop - 1, stop)
    return divergence_at(node, output, error, whole, between=between, originates=alone)


def divergence_at(  # noqa: PLR0913 - a node, what was found of it, where it is
    node: Any,
    output: str,
    error: float,
    whole: Any,
    *,
    between: tuple[str, str],
    originates: bool,
) -> Divergence:
    """What is reported of a node of the whole model."""
    outputs = [list(other.output) for other in whole.graph.node]
    return Divergence(
        node=node.name or node.output[0],
        op_type=node.op_type,
        output=output,
        position=outputs.index(list(node.output)),
        nodes=len(outputs),
        between=between,
        originates=originates,
        error=error if math.isfinite(error) else None,
        location=location(node),
    )
