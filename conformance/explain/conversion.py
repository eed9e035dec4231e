"""A converter's fault, followed to a module of the source and cut out of the graph."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from conformance.bundle import DataSet
from conformance.evidence import Divergence
from conformance.explain.executions import CannotRun, Clock, Execution, onnx_runtime, reference
from conformance.explain.lost import LostModule, first_lost_module
from conformance.explain.modules import read_activations
from conformance.explain.reduce import Part
from conformance.graph.cut import submodel
from conformance.graph.metadata import location, scopes, source_line
from conformance.graph.names import names_read
from conformance.graph.types import tensor_dtypes
from conformance.tensors import Arrays

#: A module counts as reproduced within this share of its largest magnitude: above what
#: float32 rounds off on the way there, and well below the error that is looked for.
_LEAST_BOUND, _MOST_BOUND = 1e-5, 1e-3
_BELOW_ERROR = 0.1


@dataclass(frozen=True, slots=True)
class Lost:
    """What asking the source's modules brought to light."""

    divergence: Divergence | None = None
    part: Part | None = None
    error: float = 0.0
    notes: tuple[str, ...] = ()


def lost_in_conversion(  # noqa: PLR0913, PLR0917 - the model, its data, what the source said, how hard to look
    model: Any,
    data_sets: Sequence[DataSet],
    number: int,
    file: Path,
    clock: Clock,
    relative_error: float,
) -> Lost:
    """Find the first module of the source that the graph does not reproduce.

    Args:
        model: ``ModelProto`` with its external data in memory.
        data_sets: of the bundle.
        number: of the data set on which the conversion is worst.
        file: that the modules' activations were written to.
        clock: the time that is left.
        relative_error: of the explained output, over its largest magnitude.

    Raises:
        CannotRun: when the graph can be executed in no way.
    """
    known = read_activations(file, number)
    named = {name for node in model.graph.node for name in scopes(node)}
    if not named.intersection(known):
        return Lost(notes=("the graph's nodes name no module of the source",))
    feeds = data_sets[number].inputs
    bound = float(np.clip(_BELOW_ERROR * relative_error, _LEAST_BOUND, _MOST_BOUND))
    lost, execution = _first_lost(known, model, feeds, clock, bound)
    if lost is None:
        note = f"the graph reproduces every module of the source that it names, to {bound:.1g}"
        return Lost(notes=(note,))
    node = model.graph.node[lost.last]
    line = source_line(node)
    divergence = Divergence(
        node=node.name or node.output[0],
        op_type=node.op_type,
        output=lost.tensor,
        position=lost.last,
        nodes=len(model.graph.node),
        between=("source fp32", execution.name),
        originates=True,
        error=lost.error if math.isfinite(lost.error) else None,
        location=f"module '{lost.name}'" + (f", {line}" if line else ""),
    )
    notes = []
    if not lost.inside:
        first = model.graph.node[lost.nodes[0]]
        notes.append(
            f"the error is in module '{lost.name}' or between it and the modules before it, "
            f"from node '{first.name}' ({location(first) or 'no location'}) on"
        )
    part = _part(lost, model, feeds, execution)
    return Lost(divergence, part, lost.error, tuple(notes))


def _first_lost(
    known: Arrays, model: Any, feeds: Mapping[str, np.ndarray], clock: Clock, bound: float
) -> tuple[LostModule | None, Execution]:
    # the activations are in float32: float64 could take a step otherwise than they did
    evaluator = reference(clock, float64=False)
    try:
        return first_lost_module(known, model, feeds, evaluator.run, bound=bound), evaluator
    except CannotRun:
        plain = onnx_runtime(clock, optimize=False)
        return first_lost_module(known, model, feeds, plain.run, bound=bound), plain


def _part(
    lost: LostModule, model: Any, feeds: Mapping[str, np.ndarray], execution: Execution
) -> Part | None:
    """The nodes that may be wrong, with the source's answer as the expected one."""
    nodes = [model.graph.node[at] for at in lost.nodes]
    made = {name for node in nodes for name in node.output}
    constants = {tensor.name for tensor in model.graph.initializer}
    read = dict.fromkeys(name for node in nodes for name in names_read(node))
    inner = [name for name in read if name not in made and name not in constants]
    asked = [name for name in inner if name not in feeds]
    inputs = {name: feeds[name] for name in inner if name in feeds}
    if asked:
        inputs |= execution.run(submodel(model, list(feeds), asked, feeds), feeds)
    dtypes = tensor_dtypes(model)
    inputs = {name: array.astype(dtypes.get(name, array.dtype)) for name, array in inputs.items()}
    part = submodel(model, list(inputs), [lost.tensor], inputs)
    found = execution.run(part, inputs)[lost.tensor]
    if found.shape != lost.activation.shape:
        return None  # what the source's module answers is laid out in another way
    return Part(part, inputs, {lost.tensor: lost.activation})
