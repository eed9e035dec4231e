"""What a graph means: its answers by ONNX's reference evaluator, in float64 if asked for.

The reference evaluator is NumPy code and slow; every evaluation has a budget of time, and
tensors are let go when no node needs them any more.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.errors import ConformanceError
from conformance.graph.corrections import corrected_operators, misread
from conformance.graph.deadline import OutOfTime, deadline
from conformance.graph.float64 import NoFloat64, in_float64, widened
from conformance.graph.names import names_read
from conformance.redaction import hide_secrets
from conformance.tensors import Arrays

#: Most weights that are copied to float64: 1.6 GB.
_MOST_WEIGHTS = 200_000_000
#: Most bytes of the columns that the reference's convolution lays out.
_MOST_COLUMN_BYTES = 1 << 30


class NotAffordable(ConformanceError):
    """The reference evaluator cannot answer, or not within its budget; says why."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One node, ready to run on its own."""

    node: Any
    reads: list[str]
    #: Gives the node's outputs by name, from what it reads by name.
    run: Callable[[dict[str, Any]], dict[str, Any]]


class Evaluator:
    """A model made ready for the reference evaluator; can be asked many times."""

    def __init__(self, model: Any, *, float64: bool) -> None:
        """Get ready.

        Args:
            model: ``ModelProto`` with its external data in memory; unchanged.
            float64: compute in float64 what the model computes in float32 or less.

        Raises:
            NotAffordable: when the evaluator lacks an operator, or there is no float64 form.
        """
        weights = sum(math.prod(tensor.dims) for tensor in model.graph.initializer)
        if weights > _MOST_WEIGHTS:
            raise NotAffordable(
                f"{weights / 1e6:.0f} million weights are more than the {_MOST_WEIGHTS / 1e6:.0f} "
                "million that are evaluated"
            )
        self._float64 = float64
        try:
            self._model = in_float64(model) if float64 else _inlined(model)
        except NoFloat64 as error:
            raise NotAffordable(str(error)) from error
        self._outputs = [output.name for output in self._model.graph.output]
        self._constants = _constants(self._model.graph)
        self._steps = [_ready(self._model, node) for node in self._model.graph.node]
        self._uses = Counter(name for step in self._steps for name in step.reads)
        self._uses.update(self._outputs)

    def __call__(self, feeds: Mapping[str, np.ndarray], budget_s: float) -> Arrays:
        """Answer, in the order of the graph's outputs.

        Args:
            feeds: input name to array, in the model's own dtypes.
            budget_s: seconds that it may take.

        Returns:
            Output name to array; float64 ones where the evaluator computes in float64.

        Raises:
            NotAffordable: when it takes longer, or an operator fails.
        """
        at = [0]
        try:
            with deadline(budget_s) as ends:
                return self._run(feeds, ends, at)
        except OutOfTime:
            node = self._steps[at[0]].node
            raise NotAffordable(
                f"the reference evaluator needs more than {budget_s:.3g} s: it stood at node "
                f"{at[0] + 1} of {len(self._steps)} ({node.op_type})"
            ) from None

    def _run(self, feeds: Mapping[str, np.ndarray], ends: float, at: list[int]) -> Arrays:
        fed = {name: widened(a) if self._float64 else a for name, a in feeds.items()}
        values: dict[str, Any] = {**self._constants, **fed}
        left = self._uses.copy()
        for number, step in enumerate(self._steps):
            at[0] = number
            if time.monotonic() > ends:
                raise OutOfTime
            given = {name: values[name] for name in step.reads if name in values}
            values.update(self._answers(step, given))
            for name in step.reads:
                left[name] -= 1
                if not left[name]:
                    values.pop(name, None)
        return {name: _as_array(name, values[name]) for name in self._outputs}

    def _answers(self, step: _Step, given: dict[str, Any]) -> dict[str, Any]:
        node = step.node
        if node.op_type == "Conv":
            _check_columns(node, given)
        try:
            with np.errstate(all="ignore"):
                answers = step.run(given)
        except (OutOfTime, KeyboardInterrupt):
            raise
        except Exception as error:
            text = hide_secrets(" ".join(f"{type(error).__name__}: {error}".split()))
            raise NotAffordable(f"the reference {_words(node)} fails: {text[:200]}") from error
        if self._float64:
            for name, value in answers.items():
                if isinstance(value, np.ndarray) and value.dtype in (np.float32, np.float16):
                    raise NotAffordable(
                        f"{_words(node)} answers '{name}' in {value.dtype} by its definition"
                    )
        return answers


def evaluate(
    model: Any, feeds: Mapping[str, np.ndarray], *, float64: bool, budget_s: float
) -> Arrays:
    """Evaluate a model once; :class:`Evaluator` does so many times.

    Args:
        model: ``ModelProto`` with its external data in memory; unchanged.
        feeds: input name to array, in the model's own dtypes.
        float64: compute in float64 what the model computes in float32 or less.
        budget_s: seconds that the evaluation may take.

    Returns:
        Output name to array, in graph order.

    Raises:
        NotAffordable: when the evaluator cannot do it, or not in time.
    """
    return Evaluator(model, float64=float64)(feeds, budget_s)


def _inlined(model: Any) -> Any:
    import onnx.inliner

    return onnx.inliner.inline_local_functions(model) if model.functions else model


def _constants(graph: Any) -> dict[str, np.ndarray]:
    from onnx import numpy_helper

    if graph.sparse_initializer:
        raise NotAffordable("sparse initializers are not evaluated")
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def _ready(model: Any, node: Any) -> _Step:
    from onnx import GraphProto, ModelProto
    from onnx.reference import ReferenceEvaluator

    if wrong := misread(node):
        raise NotAffordable(f"the reference evaluator reads past {wrong}: {_words(node)}")
    # a graph of this one node; whatever its subgraphs capture is fed as well
    alone = GraphProto(name=node.name or node.op_type)
    alone.node.append(node)
    for name in filter(None, node.output):
        alone.output.add(name=name)
    one = ModelProto(ir_version=model.ir_version, graph=alone)
    one.opset_import.extend(model.opset_import)
    try:
        evaluator = ReferenceEvaluator(one, new_ops=list(corrected_operators()))
    except Exception as error:
        text = hide_secrets(" ".join(str(error).split()))
        raise NotAffordable(f"no reference for {_words(node)}: {text[:200]}") from error
    outputs = [output.name for output in alone.output]

    def run(given: dict[str, Any]) -> dict[str, Any]:
        return dict(zip(outputs, evaluator.run(outputs, given), strict=True))

    return _Step(node, names_read(node), run)


def _check_columns(node: Any, given: Mapping[str, Any]) -> None:
    """Refuse a convolution whose columns would fill the memory: no timer stops that."""
    images, kernels = given[node.input[0]], given[node.input[1]]
    # one column of kernel size for each position, strides left aside: an upper bound
    needed = images.size * math.prod(kernels.shape[2:]) * images.itemsize
    strides = next((list(a.ints) for a in node.attribute if a.name == "strides"), [1])
    needed //= math.prod(strides)
    if needed > _MOST_COLUMN_BYTES:
        raise NotAffordable(
            f"{_words(node)} would lay out {needed / 2**30:.1f} GiB in the reference evaluator"
        )


def _as_array(name: str, value: Any) -> np.ndarray:
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if not isinstance(value, np.ndarray):
        raise NotAffordable(f"output '{name}' is a {type(value).__name__}, not a tensor")
    return value


def _words(node: Any) -> str:
    return f"{node.op_type} '{node.name}'" if node.name else str(node.op_type)
