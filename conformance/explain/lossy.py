"""Explain a lossy variant: at which nodes of its base the signal-to-noise ratio is lost.

Both models are run on the same inputs, and every float tensor that has the same name in both is
compared. The tools that make variants keep the names of what they do not replace.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from conformance import runtime
from conformance.bundle import Bundle, DataSet, read_bundle
from conformance.entry import ZooEntry
from conformance.evidence import Divergence, ErrorStep, Explanation, Guilty, OutputParity
from conformance.execution.progress import Progress
from conformance.explain.executions import CannotRun, Clock, Execution, onnx_runtime
from conformance.explain.failing import failing_data
from conformance.explain.question import worst_output
from conformance.explain.waterfall import SOURCE
from conformance.graph.cut import submodel
from conformance.graph.load import load_model
from conformance.graph.metadata import location
from conformance.graph.names import names_read
from conformance.graph.types import tensor_dtypes
from conformance.model import BASE, Stage, to_json
from conformance.parity.terms import terms_for

_BUDGET_S = 60.0
#: Tensors that are asked for in one run: those of a large model would not be held at once.
_AT_ONCE = 64
#: Nodes that are named beside the one that loses most.
_OTHERS = 4
#: Larger elements stand for infinity, in masks mostly, and would hide all others.
_HUGE = 1e30


@dataclass(frozen=True, slots=True)
class NodeLoss:
    """What becomes of the noise at one node of the base."""

    node: Any
    #: Position of the node in the base.
    position: int
    tensor: str
    #: Power of the noise over that of the signal, of the noisiest input and of the output.
    noise_in: float
    noise_out: float
    #: Largest difference of the output.
    error: float

    @property
    def added(self) -> float:
        """By how much the share of noise grows; negative where a sum or a mean drowns it."""
        if math.isinf(self.noise_in):
            return -math.inf
        return self.noise_out - self.noise_in

    @property
    def told(self) -> str:
        """Which node, and its ratios before and after."""
        place = location(self.node)
        where = f", {place}" if place else ""
        return (
            f"node '{self.node.name or self.tensor}' ({self.node.op_type}{where}): "
            f"{in_db(self.noise_in)} in, {in_db(self.noise_out)} out"
        )


@runtime.configured_by_entry
def explain_lossy(payload: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Find the nodes at which a lossy variant loses most against its base.

    Args:
        payload: ``bundle``, ``base``, the folder of the bundle that it was made of, ``provider``,
            ``entry``, and if there are any ``budget_s``, the seconds that it may take (60).
        progress: told the stage.

    Returns:
        ``explanation`` (an :class:`~conformance.evidence.Explanation`). Its limit is the accepted
        root mean square error, its errors are the largest ones.

    Raises:
        CorruptBundle: when a bundle cannot be read.
        ProviderAbsent, SessionError: when the variant does not run on the provider.
    """
    progress.enter(Stage.PARITY)
    clock = Clock(payload.get("budget_s", _BUDGET_S))
    bundle, base = (read_bundle(Path(payload[name])) for name in ("bundle", "base"))
    terms = terms_for(ZooEntry.model_validate(payload["entry"]), bundle.manifest)
    failing = failing_data(bundle, payload["provider"], terms)
    floats = [output for output in failing.report.outputs if output.rmse is not None]
    worst = worst_output(replace(failing.report, outputs=tuple(floats)))
    if worst is None or worst.rmse is None:
        why = "; ".join(failing.report.problems) or "no output of floats could be compared"
        return {"explanation": to_json(not_explained(why))}
    provider = onnx_runtime(clock, payload["provider"], optimize=False)
    asked = _Asked(base, bundle, onnx_runtime(clock, optimize=False), provider)
    notes = [failing.note] if failing.note else []
    data_set = max(failing.data_sets, key=lambda one: one.outputs[worst.name].size)
    losses: list[NodeLoss] = []
    steps: tuple[ErrorStep, ...] = ()
    try:
        compared = asked.compared(data_set)
        losses = node_losses(asked.model, compared.noise, compared.errors)
        notes.append(compared.told)
        steps = asked.steps(worst, data_set)
    except CannotRun as error:
        notes.append(f"not checked: the two models, tensor by tensor: {error}")
    guilty = Guilty.QUANTIZATION if failing.report.all_problems else None
    explanation = _explanation(worst, losses, asked, guilty)
    told = replace(explanation, steps=steps, notes=(*explanation.notes, *notes))
    return {"explanation": to_json(told)}


def node_losses(
    model: Any, noise: Mapping[str, float], errors: Mapping[str, float]
) -> list[NodeLoss]:
    """The nodes of a graph by the share of noise that each adds, the most first.

    Args:
        model: ``ModelProto`` of the base, its nodes in topological order.
        noise: tensor name to power of its noise over that of its signal. What is not known of
            a tensor is what is known of those that it is made of.
        errors: tensor name to its largest difference.
    """
    known: dict[str, float] = {}
    found = []
    for position, node in enumerate(model.graph.node):
        before = max((known.get(name, 0.0) for name in names_read(node)), default=0.0)
        for tensor in node.output:
            known[tensor] = noise.get(tensor, before)
            if tensor in noise:
                found.append(
                    NodeLoss(node, position, tensor, before, noise[tensor], errors[tensor])
                )
    found.sort(key=lambda loss: -loss.added)
    return found


def not_explained(why: str) -> Explanation:
    """An explanation that says why there is none."""
    return Explanation("", 0.0, (), None, f"not checked: {why}")


def in_db(noise: float) -> str:
    """A share of noise as a signal-to-noise ratio."""
    if noise == 0:
        return "no noise"
    return f"{-10 * math.log10(noise):.1f} dB" if math.isfinite(noise) else "no signal"


@dataclass(frozen=True, slots=True)
class _Compared:
    noise: dict[str, float]
    errors: dict[str, float]
    #: Of how many tensors that is.
    told: str


class _Asked:
    """The two models, and how they are run."""

    def __init__(
        self, base: Bundle, variant: Bundle, trusted: Execution, suspect: Execution
    ) -> None:
        self.model = load_model(base.model_path)
        self.variant = variant.manifest.case.variant
        self._lossy = load_model(variant.model_path)
        self._trusted = trusted
        self._suspect = suspect

    def compared(self, data_set: DataSet) -> _Compared:
        """Every float tensor that both models make, by name.

        Raises:
            CannotRun: when either cannot be cut, or run.
        """
        dtypes = tensor_dtypes(self.model)
        made = [name for node in self.model.graph.node for name in node.output if name]
        floats = [name for name in made if dtypes.get(name) == np.float32]
        theirs = {name for node in self._lossy.graph.node for name in node.output}
        common = [name for name in floats if name in theirs]
        noise: dict[str, float] = {}
        errors: dict[str, float] = {}
        for start in range(0, len(common), _AT_ONCE):
            some = common[start : start + _AT_ONCE]
            for name, wanted, got in self._both(some, data_set):
                if wanted.shape == got.shape:
                    noise[name], errors[name] = _noise(wanted, got)
        told = f"{len(noise)} of the base's {len(floats)} float tensors were compared"
        if len(noise) < len(floats):
            told += ", the others are not in the variant by that name"
        return _Compared(noise, errors, told)

    def steps(self, worst: OutputParity, data_set: DataSet) -> tuple[ErrorStep, ...]:
        """How far base and variant are from the exact answer.

        Raises:
            CannotRun: when either cannot be run.
        """
        source = data_set.outputs[worst.name].astype(np.float64)
        exact = source
        if data_set.outputs_fp64 is not None:
            exact = data_set.outputs_fp64[worst.name]
        ((_, base, lossy),) = self._both([worst.name], data_set)
        return (
            ErrorStep(SOURCE, _largest(source, exact) if exact is not source else None),
            ErrorStep("fp32, ONNX Runtime", _largest(base, exact)),
            ErrorStep(
                f"{self.variant}, ONNX Runtime", _largest(lossy, exact), _largest(lossy, base)
            ),
        )

    def _both(
        self, names: Sequence[str], data_set: DataSet
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        feeds = data_set.inputs
        answers = [
            execution.run(submodel(model, list(feeds), list(names), feeds), feeds)
            for model, execution in ((self.model, self._trusted), (self._lossy, self._suspect))
        ]
        for name in names:
            wanted, got = (answer[name].astype(np.float64) for answer in answers)
            yield name, wanted, got


def _noise(wanted: np.ndarray, got: np.ndarray) -> tuple[float, float]:
    """Power of the noise over that of the signal, and the largest difference."""
    told = np.isfinite(wanted) & (np.abs(wanted) < _HUGE)
    signal, error = wanted[told], got[told] - wanted[told]
    if not error.any():
        return 0.0, 0.0
    if not np.isfinite(error).all():
        return math.inf, math.inf
    power = float(signal @ signal)
    return (float(error @ error) / power if power else math.inf), float(np.abs(error).max())


def _largest(one: np.ndarray, other: np.ndarray) -> float | None:
    error = float(np.abs(one - other).max(initial=0.0)) if one.shape == other.shape else math.inf
    return error if math.isfinite(error) else None


def _explanation(
    worst: OutputParity, losses: Sequence[NodeLoss], asked: _Asked, guilty: Guilty | None
) -> Explanation:
    ratio = "without noise" if worst.snr_db is None else f"at {worst.snr_db:.1f} dB"
    summary = f"output '{worst.name}' is {ratio} (limit {worst.limit or 0.0:.2g} RMSE)"
    telling = [loss for loss in losses[: 1 + _OTHERS] if loss.added > 0]
    divergence = None
    if telling:
        most = telling[0]
        summary += f"; most is lost at {most.told}"
        divergence = Divergence(
            node=most.node.name or most.tensor,
            op_type=most.node.op_type,
            output=most.tensor,
            position=most.position,
            nodes=len(asked.model.graph.node),
            between=(BASE, asked.variant),
            originates=most.added > most.noise_in,
            error=most.error if math.isfinite(most.error) else None,
            location=location(most.node),
        )
    return Explanation(
        output=worst.name,
        limit=worst.limit or 0.0,
        steps=(),
        guilty=guilty,
        summary=f"{guilty or 'no step brings in more than the budget accepts'}: {summary}",
        divergence=divergence,
        notes=tuple(f"next most at {loss.told}" for loss in telling[1:]),
    )
