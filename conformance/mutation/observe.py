"""Can anybody tell a mutant from the original, and with which inputs?

The two are evaluated in float64, where rounding hides nothing and invents nothing. Where
that cannot be afforded, ONNX Runtime's own answers are compared, with its graph
optimizations off, and what is within float32's own rounding counts as equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from conformance.errors import SessionError
from conformance.evidence import MutantFate
from conformance.graph.evaluate import Evaluator, NotAffordable
from conformance.mutation.difference import Accepted, Difference, largest_difference
from conformance.mutation.probes import Probe
from conformance.mutation.subject import Subject
from conformance.tensors import Arrays

#: Differences below this share of an output's scale are float64's own rounding.
_ROUNDING = 1e-9
_TWO_ULPS = 2 * float(np.finfo(np.float32).eps)
#: Seconds for one evaluation of a whole model in float64.
_BUDGET_S = 2.0

#: A model made ready to answer; raises SessionError for inputs that it cannot take.
Model = Callable[[Arrays], Arrays]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about a mutant that passed the comparison."""

    fate: MutantFate
    detail: str
    revealed_by: str | None


@dataclass(frozen=True, slots=True)
class _Way:
    """One way of getting answers from a model."""

    words: str
    ready: Callable[[Any], Model]
    #: Differences up to this share of the scale are none.
    rounding: float


class Observer:
    """Compares mutants with the model that they were made from; remembers its answers."""

    def __init__(
        self,
        subject: Subject,
        input_sets: Sequence[Arrays],
        probes: Sequence[Probe],
        accepted: Mapping[str, Accepted],
        in_runtime: Callable[[Any], Model],
    ) -> None:
        """Get ready to compare.

        Args:
            subject: the original.
            input_sets: the inputs of the case.
            probes: further inputs.
            accepted: output name to the error that is accepted of it.
            in_runtime: loads a model into ONNX Runtime, graph optimizations off.
        """
        self._subject = subject
        self._input_sets = input_sets
        self._probes = probes
        self._accepted = accepted
        self._float64 = _Way("in float64", self._evaluated, _ROUNDING)
        self._runtime = _Way("in ONNX Runtime, to 2 ulps", in_runtime, _TWO_ULPS)
        self._float64_refused = False
        self._ready: dict[str, Model] = {}
        #: The original's answers by way and input set; None where it cannot take the inputs.
        self._answers: dict[tuple[str, int], Arrays | None] = {}

    def judge(self, mutant: Any) -> Finding:
        """What can be observed of a mutant that the comparison let pass.

        Raises:
            SessionError: when ONNX Runtime cannot load it without its graph optimizations.
        """
        if not self._float64_refused:
            with suppress(NotAffordable):
                return self._judged(mutant, self._float64)
        return self._judged(mutant, self._runtime)

    def _judged(self, mutant: Any, way: _Way) -> Finding:
        self._original(way)  # what it cannot do is not tried with the mutant first
        model = way.ready(mutant)
        observed = self._on_data_sets(model, way)
        probed = [
            (probe, difference)
            for number, probe in enumerate(self._probes, start=len(self._input_sets))
            if (difference := self._difference(model, way, number, probe.inputs)) is not None
        ]
        seen = [probe.words for probe, difference in probed if difference.relative > way.rounding]
        revealing = [probe.words for probe, difference in probed if difference.share > 1]
        revealed_by = revealing[0] if revealing else None
        if observed.relative > way.rounding:
            detail = f"moves '{observed.output}' by {observed.share:.2g} of its limit ({way.words})"
            return Finding(MutantFate.MISSED, detail, revealed_by)
        if seen:
            detail = f"no effect on the data sets, but with {seen[0]} ({way.words})"
            return Finding(MutantFate.MISSED, detail, revealed_by)
        detail = (
            f"no observable effect on the data sets and {len(probed)} other inputs, {way.words}"
        )
        return Finding(MutantFate.EQUIVALENT, detail, None)

    def _on_data_sets(self, model: Model, way: _Way) -> Difference:
        found = [
            self._difference(model, way, number, inputs)
            for number, inputs in enumerate(self._input_sets)
        ]
        known = [difference for difference in found if difference is not None]
        return max(known, key=lambda d: (d.share, d.relative), default=Difference(""))

    def _difference(
        self, model: Model, way: _Way, number: int, inputs: Arrays
    ) -> Difference | None:
        """How far the mutant is from the original; None where the original cannot answer."""
        expected = self._expected(way, number, inputs)
        if expected is None:
            return None
        return largest_difference(expected, _ask(model, inputs), self._accepted)

    def _expected(self, way: _Way, number: int, inputs: Arrays) -> Arrays | None:
        key = (way.words, number)
        if key not in self._answers:
            try:
                self._answers[key] = _ask(self._original(way), inputs)
            except NotAffordable:
                if number < len(self._input_sets):
                    self._float64_refused = True
                    raise
                self._answers[key] = None  # one probe less
        return self._answers[key]

    def _original(self, way: _Way) -> Model:
        if way.words not in self._ready:
            try:
                self._ready[way.words] = way.ready(self._subject.model)
            except NotAffordable:
                self._float64_refused = True
                raise
        return self._ready[way.words]

    def _evaluated(self, model: Any) -> Model:
        from onnx.external_data_helper import load_external_data_for_model

        whole = type(model)()
        whole.CopyFrom(model)
        load_external_data_for_model(whole, str(self._subject.folder))
        return partial(Evaluator(whole, float64=True), budget_s=_BUDGET_S)


def _ask(model: Model, inputs: Arrays) -> Arrays | None:
    try:
        return model(inputs)
    except SessionError:
        return None
