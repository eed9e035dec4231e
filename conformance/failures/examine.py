"""Does a model alone show a failure? Its answers, held against its own exact evaluation.

The source framework is not asked, so this tells the faults of ONNX Runtime from those of a
conversion: a file that computes the wrong function computes it the same way everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance import runtime
from conformance.bundle import DataSet, write_data_sets
from conformance.entry import Tolerance
from conformance.errors import ParityError, SessionError
from conformance.evidence import OutputParity
from conformance.execution.progress import Progress
from conformance.model import Stage, from_json, to_json
from conformance.parity.compare import compare
from conformance.parity.terms import Terms
from conformance.tensors import Arrays, read_tensors


@dataclass(frozen=True, slots=True)
class Examined:
    """What came of running a model and evaluating it exactly on the same inputs."""

    #: By the entry's tolerance, each output against the evaluation.
    outputs: tuple[OutputParity, ...] = ()
    #: Why the evaluation is in the model's own precision; None where it is in float64.
    fp64_unavailable: str | None = None
    #: Why there is no evaluation to compare with.
    unknown: str | None = None
    #: Why ONNX Runtime does not run the model.
    refused: str | None = None

    @property
    def problem(self) -> str | None:
        """The failure that shows, in one line; None when none does."""
        problems = (f"output '{o.name}': {o.problem}" for o in self.outputs if o.problem)
        return self.refused or next(problems, None)


def examine(payload: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Run a model on stored inputs, and leave data sets with its exact answers.

    The payload names ``model``, ``inputs`` (folders with ``input_N.pb``), ``provider``,
    ``tolerance``, ``budget_s`` for each evaluation, and ``out``, a folder for the data sets.

    Returns:
        ``examined``, an :class:`Examined`.

    Raises:
        ProviderAbsent: when ONNX Runtime has no such provider.
        CorruptBundle: when an input cannot be read.
        ParityError: when the evaluation's answers cannot be compared.
    """
    import onnx

    from conformance.graph.evaluate import Evaluator, NotAffordable

    progress.enter(Stage.SESSION)
    model = Path(payload["model"])
    inputs = [read_tensors(Path(folder), "input") for folder in payload["inputs"]]
    # before anything can end this process: inputs are all that a crash needs
    write_data_sets(Path(payload["out"]), [DataSet(feeds, {}, None) for feeds in inputs])
    try:
        session = runtime.create_session(model, payload["provider"])
        answers = [runtime.run(session, feeds) for feeds in inputs]
    except SessionError as error:
        return _told(Examined(refused=str(error).replace(f"{model.parent}/", "")))
    progress.enter(Stage.PARITY)
    graph, budget_s = onnx.load(str(model)), payload["budget_s"]

    def evaluated(*, float64: bool) -> list[Arrays]:
        evaluator = Evaluator(graph, float64=float64)
        found = [evaluator(feeds, budget_s) for feeds in inputs]
        return [_like(*pair, float64=float64) for pair in zip(answers, found, strict=True)]

    try:
        single = evaluated(float64=False)
    except NotAffordable as error:
        return _told(Examined(unknown=str(error)))
    double: Sequence[Arrays | None] = [None] * len(inputs)
    no_float64 = None
    try:
        double = evaluated(float64=True)
    except NotAffordable as error:  # trees and text have no float64 form
        no_float64 = str(error)
    sets = [DataSet(*one) for one in zip(inputs, single, double, strict=True)]
    write_data_sets(Path(payload["out"]), sets)
    terms = Terms(from_json(Tolerance, payload["tolerance"]), fp64_unavailable=no_float64)
    return _told(Examined(compare(sets, answers, terms).outputs, no_float64))


def _told(examined: Examined) -> dict[str, Any]:
    return {"examined": to_json(examined)}


def _like(answers: Arrays, evaluated: Arrays, *, float64: bool) -> Arrays:
    """The evaluation's outputs in the order of the model's answers, in their dtypes.

    Raises:
        ParityError: when the evaluation lacks an output.
    """
    if missing := [name for name in answers if name not in evaluated]:
        raise ParityError(f"the evaluation has no output '{missing[0]}'")
    return {
        name: evaluated[name]
        if float64 and array.dtype.kind == "f"
        else evaluated[name].astype(array.dtype, copy=False)
        for name, array in answers.items()
    }
