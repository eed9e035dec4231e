"""Check kernels one by one, where the graph as a whole cannot be evaluated exactly.

An operator that the reference evaluator lacks, or cannot afford, hides the others from it.
So each node is run alone, in ONNX Runtime and in the reference, on what ONNX Runtime made of
the nodes before it. Only the tensors that are still needed are held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.evidence import Divergence
from conformance.explain.executions import CannotRun, Clock, Execution
from conformance.explain.locate import divergence_at
from conformance.explain.yardstick import distance
from conformance.graph.cut import submodel
from conformance.graph.names import names_read

#: Relative to the largest magnitude of a node's output: more is no rounding of float32.
_BOUND = 1e-3


@dataclass(frozen=True, slots=True)
class KernelCheck:
    """What running each node alone showed."""

    #: The first node that ONNX Runtime computes otherwise than the reference.
    wrong: Divergence | None
    checked: int
    nodes: int
    #: Operators that the reference could not be asked about, with how many nodes they have.
    unknown: Mapping[str, int]
    #: Why not all nodes were looked at; ``None`` where all were.
    stopped: str | None


def check_kernels(  # noqa: PLR0913, PLR0917 - the graph, its data, who runs it, how long
    model: Any,
    output: str,
    feeds: Mapping[str, np.ndarray],
    trusted: Execution,
    suspect: Execution,
    clock: Clock,
) -> KernelCheck:
    """Run every node that an output depends on alone, in two executions.

    Args:
        model: ``ModelProto`` with its external data in memory.
        output: the explained output.
        feeds: input name to array.
        trusted: the reference evaluator.
        suspect: ONNX Runtime, optimizations off; its values are what the next nodes get.
        clock: the time that is left; the check ends with it.
    """
    part = submodel(model, list(feeds), [output], feeds)
    nodes = list(part.graph.node)
    uses = Counter(name for node in nodes for name in names_read(node))
    values = dict(feeds)
    unknown: Counter[str] = Counter()
    checked = 0
    for at, node in enumerate(nodes):
        given = {name: values[name] for name in names_read(node) if name in values}
        try:
            clock.check()
            alone = submodel(part, list(given), [name for name in node.output if name], given)
            answers = suspect.run(alone, given)
        except CannotRun as reason:
            return KernelCheck(None, checked, len(nodes), unknown, f"at node {at + 1}: {reason}")
        try:
            wanted = trusted.run(alone, given)
        except CannotRun:
            unknown[node.op_type] += 1
        else:
            checked += 1
            for name, array in wanted.items():
                error = distance(answers[name], array)
                if not error <= _BOUND * _scale(array):
                    between = (trusted.name, suspect.name)
                    wrong = divergence_at(
                        node, name, error, model, between=between, originates=True
                    )
                    return KernelCheck(wrong, checked, len(nodes), unknown, None)
        values |= answers
        for name in names_read(node):
            uses[name] -= 1
            if not uses[name]:
                values.pop(name, None)
    return KernelCheck(None, checked, len(nodes), unknown, None)


def _scale(array: np.ndarray) -> float:
    if array.dtype.kind not in "fiu":
        return 0.0
    finite = np.abs(array[np.isfinite(array)].astype(np.float64))
    return float(np.max(finite, initial=0.0))
