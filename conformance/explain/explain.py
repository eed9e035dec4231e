"""Explain one case: the waterfall, the guilty step, the node it begins at, a smaller model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from conformance import runtime
from conformance.bundle import Bundle, DataSet, read_bundle
from conformance.entry import ZooEntry
from conformance.evidence import (
    Divergence,
    ErrorStep,
    Explanation,
    Guilty,
    ParityReport,
    ReducedModel,
)
from conformance.execution.progress import Progress
from conformance.explain.conversion import lost_in_conversion
from conformance.explain.executions import CannotRun, Clock, Execution, onnx_runtime, reference
from conformance.explain.failing import failing_data
from conformance.explain.kernels import check_kernels
from conformance.explain.locate import Bisection, Side, dispute, first_divergence
from conformance.explain.question import Question, question, worst_output
from conformance.explain.reduce import cut_out, smallest_window, write_part
from conformance.explain.waterfall import SOURCE, Waterfall, decompose, ways
from conformance.explain.wording import summary
from conformance.graph.load import load_model
from conformance.model import Stage, to_json
from conformance.parity.terms import terms_for

_BUDGET_S = 60.0


@dataclass(slots=True)
class _Findings:
    """What is known so far of the case that is explained."""

    out: Path
    clock: Clock
    question: Question
    model: Any
    data_sets: list[DataSet]
    waterfall: Waterfall
    guilty: Guilty | None
    divergence: Divergence | None = None
    reduced: ReducedModel | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def feeds(self) -> Mapping[str, Any]:
        """The inputs on which the guilty step is worst."""
        return self.data_sets[self.waterfall.data_set].inputs


@runtime.configured_by_entry
def explain(payload: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Find out where the error of a bundle's worst output comes from.

    Args:
        payload: ``bundle``, ``provider``, ``entry`` and ``out``, a folder that a reduced model
            may be written to; and if there are any, ``activations``, the file of what the
            source's modules computed, and ``budget_s``, the seconds that it may take (60).
        progress: told the stage.

    Returns:
        ``explanation`` (an :class:`~conformance.evidence.Explanation`). What cannot be found
        out is among its notes.

    Raises:
        CorruptBundle: when the bundle cannot be read.
        ProviderAbsent, SessionError: when the model does not run on the provider.
    """
    progress.enter(Stage.PARITY)
    clock = Clock(payload.get("budget_s", _BUDGET_S))
    bundle, provider = read_bundle(Path(payload["bundle"])), payload["provider"]
    terms = terms_for(ZooEntry.model_validate(payload["entry"]), bundle.manifest)
    failing = failing_data(bundle, provider, terms)
    worst = worst_output(failing.report)
    if worst is None:
        return {"explanation": to_json(_incomparable(failing.report))}
    asked = question(worst, failing.data_sets, terms)
    out = Path(payload["out"])
    found = _decomposed(bundle, asked, failing.data_sets, provider, out, clock)
    if failing.note:
        found.notes.insert(0, failing.note)
    if worst.problem and found.guilty is None:
        found.notes.append(f"the problem of the output: {worst.problem}")
    activations = payload.get("activations") if failing.of_bundle else None
    try:
        _locate(found, activations)
    except CannotRun as error:
        found.notes.append(f"the node could not be found: {error}")
    return {"explanation": to_json(_explanation(found))}


def _decomposed(  # noqa: PLR0913, PLR0917 - the case, where to write, how long
    bundle: Bundle,
    asked: Question,
    data_sets: list[DataSet],
    provider: str,
    out: Path,
    clock: Clock,
) -> _Findings:
    model = load_model(bundle.model_path)
    answered = ways(model, asked, data_sets, provider, clock)
    waterfall = decompose(answered, asked)
    notes = [f"{way.name} is not known: {way.note}" for way in answered if way.note]
    return _Findings(
        out,
        clock,
        asked,
        model,
        data_sets,
        waterfall,
        waterfall.guilty,
        notes=[*notes, *waterfall.notes],
    )


def _locate(found: _Findings, activations: str | None) -> None:
    """Find the node that the guilty step begins at, and cut it out."""
    if found.waterfall.undecided:
        _tell_kernel_from_converter(found)
    if found.guilty is Guilty.CONVERTER:
        _locate_in_source(found, activations)
    elif found.waterfall.between is not None:
        _bisect(found, *found.waterfall.between)


def _tell_kernel_from_converter(found: _Findings) -> None:
    suspect = onnx_runtime(found.clock, optimize=False)
    trusted = reference(found.clock, float64=False)
    checked = check_kernels(
        found.model, found.question.output, found.feeds, trusted, suspect, found.clock
    )
    if checked.wrong is not None:
        found.divergence = checked.wrong
        return
    found.guilty = Guilty.CONVERTER
    unknown = ", ".join(f"{count} {op}" for op, count in checked.unknown.items())
    found.notes.append(
        f"the graph could not be evaluated as a whole; run one by one, {checked.checked} of "
        f"{checked.nodes} nodes answer in ONNX Runtime as in the reference evaluator"
    )
    if unknown:
        found.notes.append(f"one of the nodes that it could not check may be to blame: {unknown}")
    if checked.stopped:
        found.notes.append(f"the check of the nodes ended {checked.stopped}")


def _locate_in_source(found: _Findings, activations: str | None) -> None:
    if activations is None:
        found.notes.append("the source's modules were not asked, so the module is not known")
        return
    lost = lost_in_conversion(
        found.model,
        found.data_sets,
        found.waterfall.data_set,
        Path(activations),
        found.clock,
        _relative(found.waterfall.error, found.question),
    )
    found.notes += lost.notes
    found.divergence = lost.divergence
    if lost.part is not None:
        found.reduced = write_part(lost.part, found.out, lost.error)


def _relative(error: float, asked: Question) -> float:
    numbers = [array for array in asked.exact if array.size and array.dtype.kind in "fiu"]
    largest = max((float(np.nanmax(np.abs(array))) for array in numbers), default=0.0)
    return error / largest if 0 < largest < np.inf else error


def _bisect(found: _Findings, trusted: Execution, suspect: Execution) -> None:
    about = dispute(
        Side(found.model, trusted),
        Side(found.model, suspect),
        output=found.question.output,
        feeds=found.feeds,
        yardstick=found.question.yardstick,
        data_set=found.waterfall.data_set,
    )
    bisection = Bisection(about)
    parted = first_divergence(bisection, found.model)
    if parted is None:
        found.notes.append("cut into parts, the graph does not show the error")
        return
    found.divergence = parted.divergence
    if parted.note:
        found.notes.append(parted.note)
    start = smallest_window(bisection, parted.stop)
    if not parted.divergence.originates and start < parted.stop - 1:
        found.notes.append(
            f"it shows only when the {parted.stop - start} nodes up to "
            f"'{parted.divergence.node}' run together"
        )
    part, error = cut_out(bisection, start, parted.stop)
    found.reduced = write_part(part, found.out, error)


def _explanation(found: _Findings) -> Explanation:
    asked = found.question
    steps = found.waterfall.steps
    if asked.not_exact is not None:
        note = f"stands for the exact answer: {asked.not_exact}"
        steps = (replace(steps[0], error=None, note=note), *steps[1:])
    return Explanation(
        output=asked.output,
        limit=asked.limit,
        steps=steps,
        guilty=found.guilty,
        summary=summary(asked, found.waterfall, found.guilty, found.divergence),
        divergence=found.divergence,
        reduced=found.reduced,
        notes=tuple(found.notes),
    )


def _incomparable(report: ParityReport) -> Explanation:
    """No output exists on both sides: there is nothing to follow."""
    problem = "; ".join(report.problems)
    return Explanation(
        output="",
        limit=0.0,
        steps=(ErrorStep(SOURCE, None),),
        guilty=Guilty.CONVERTER,
        summary=f"converter: {problem}",
    )
