"""The way from the exact answer to the one that is judged, step by step, and who is guilty.

Each step changes one thing: the source's precision, the conversion, the kernels, the graph
optimizations, the provider. Rounding noise is shared by all that compute in float32, so the
conversion is judged by its answer in float64, where none is in the way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from conformance.bundle import DataSet
from conformance.evidence import ErrorStep, Guilty
from conformance.explain.executions import CannotRun, Clock, Execution, onnx_runtime, reference
from conformance.explain.question import Question
from conformance.explain.yardstick import distance

SOURCE = "source fp32"
_LEFT_OUT = "left out, as it alone is off: the evaluator errs"
_ANOTHER_STEP = "left out, as it takes a step (a cast, a comparison) that float32 does not take"


@dataclass(frozen=True, slots=True)
class Answered:
    """One way of computing the explained output."""

    name: str
    #: What is blamed when it leaves the way before it; None where nothing can be.
    blames: Guilty | None
    #: One array per data set; None when it was not computed.
    answers: list[np.ndarray] | None
    execution: Execution | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Waterfall:
    """All steps, measured, and what follows from them."""

    steps: tuple[ErrorStep, ...]
    guilty: Guilty | None
    #: The two executions between which the guilty step lies; None for the converter, whose
    #: trusted side is the source.
    between: tuple[Execution, Execution] | None
    #: Data set on which the guilty step is worst.
    data_set: int
    #: By how much the guilty step is off, in the unit of the output.
    error: float
    notes: tuple[str, ...]
    #: The reference evaluator could not tell a converter's fault from a kernel's.
    undecided: bool = False


def ways(
    model: object, asked: Question, data_sets: Sequence[DataSet], provider: str, clock: Clock
) -> list[Answered]:
    """Compute an output in every way there is, most exact first.

    Args:
        model: ``ModelProto`` with its external data in memory.
        asked: the explained output.
        data_sets: with the source's answers.
        provider: on which the case is judged.
        clock: the time that is left.
    """

    def answered(execution: Execution, blames: Guilty) -> Answered:
        return _answered(execution, blames, model, asked.output, data_sets)

    source = [data_set.outputs[asked.output] for data_set in data_sets]
    found = [Answered(SOURCE, None, source), answered(reference(clock), Guilty.CONVERTER)]
    if not _agrees(found[-1], asked):
        # float64 can land on the other side of a step, such as a cast to an integer, because
        # the graph's constants are rounded: then float32 throughout says what the graph means
        pure = answered(reference(clock, float64=False), Guilty.CONVERTER)
        if found[-1].answers is None or not _agree_with_each_other(pure, found[-1], asked):
            found[-1] = replace(found[-1], answers=None, note=found[-1].note or _ANOTHER_STEP)
            found.append(pure)
    found.append(answered(onnx_runtime(clock, optimize=False), Guilty.KERNEL))
    if (
        found[-2].answers is not None
        and _agrees(found[-1], asked)
        and not _agrees(found[-2], asked)
    ):
        # where ONNX Runtime agrees with the source and the evaluator with nobody, the
        # conversion is not to blame: it is NumPy code that few models have been run through
        found[-2] = replace(found[-2], answers=None, note=_LEFT_OUT)
    found.append(answered(onnx_runtime(clock, optimize=True), Guilty.OPTIMIZATION))
    if provider != "cpu":
        there = onnx_runtime(clock, provider, optimize=True)
        found.append(answered(there, Guilty.PROVIDER))
    return found


def _answered(
    execution: Execution,
    blames: Guilty,
    model: object,
    output: str,
    data_sets: Sequence[DataSet],
) -> Answered:
    try:
        run = execution.ready(model)
        answers = [run(data_set.inputs)[output] for data_set in data_sets]
    except CannotRun as error:
        return Answered(execution.name, blames, None, None, str(error))
    return Answered(execution.name, blames, answers, execution)


def decompose(found: Sequence[Answered], asked: Question) -> Waterfall:
    """Measure the ways and find the step that brings in more than is accepted.

    Args:
        found: the source first, then each way with one thing more changed.
        asked: the explained output, with its best answers and what is accepted of it.
    """
    steps = _steps(found, asked.exact)
    brought = [b for b in _brought_in(found, asked) if b.share > 1]
    if not brought:
        return Waterfall(steps, None, None, 0, 0.0, ())
    worst = max(brought, key=lambda b: b.share)
    notes = tuple(
        f"{other.way.name} also brings in {_times(other.share)} the limit"
        for other in brought
        if other is not worst
    )
    # where no evaluation of the graph is to be had, the converter and the kernels come as one
    undecided = worst.way.blames is Guilty.KERNEL and worst.trusted is None
    between = None
    if worst.trusted is not None and worst.way.execution is not None:
        between = (worst.trusted, worst.way.execution)
    blamed = worst.way.blames
    return Waterfall(steps, blamed, between, worst.data_set, worst.error, notes, undecided)


@dataclass(frozen=True, slots=True)
class _Brought:
    """What one step adds to the error, on the data set where it adds the most of its limit."""

    way: Answered
    trusted: Execution | None
    data_set: int
    share: float
    error: float


def _brought_in(found: Sequence[Answered], asked: Question) -> list[_Brought]:
    brought = []
    wanted: Sequence[np.ndarray] = asked.exact
    trusted = None
    for way in found[1:]:
        if way.answers is None:
            continue
        shares = _shares(way.answers, wanted, asked)
        at = int(np.argmax(shares))
        error = distance(way.answers[at], wanted[at])
        brought.append(_Brought(way, trusted, at, shares[at], error))
        wanted, trusted = way.answers, way.execution
    return brought


def _agree_with_each_other(one: Answered, other: Answered, asked: Question) -> bool:
    """Whether two evaluations do not contradict each other; one alone does not."""
    if one.answers is None or other.answers is None:
        return True
    if any(got.shape != want.shape for got, want in zip(other.answers, asked.exact, strict=True)):
        return True  # a wrong shape is no matter of rounding
    return max(_shares(one.answers, other.answers, asked)) <= 1


def _agrees(way: Answered, asked: Question) -> bool:
    return way.answers is not None and max(_shares(way.answers, asked.exact, asked)) <= 1


def _shares(
    answers: Sequence[np.ndarray], wanted: Sequence[np.ndarray], asked: Question
) -> list[float]:
    pairs = zip(answers, wanted, strict=True)
    return [asked.yardstick.share(got, want, number) for number, (got, want) in enumerate(pairs)]


def _steps(found: Sequence[Answered], exact: Sequence[np.ndarray]) -> tuple[ErrorStep, ...]:
    steps: list[ErrorStep] = []
    before: Answered | None = None
    for way in found:
        error = None if way.answers is None else _furthest(way.answers, exact)
        delta = None
        if before is not None and before.answers is not None and way.answers is not None:
            delta = _furthest(way.answers, before.answers)
        note = way.note
        if error is not None and not math.isfinite(error):
            note = "another shape, or not finite where the exact answer is"
        steps.append(ErrorStep(way.name, _finite(error), _finite(delta), note))
        before = way
    return tuple(steps)


def _furthest(actual: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> float:
    return max(distance(a, w) for a, w in zip(actual, wanted, strict=True))


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _times(share: float) -> str:
    return f"{share:.3g}x" if math.isfinite(share) else "more than any multiple of"
