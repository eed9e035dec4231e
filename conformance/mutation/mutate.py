"""Run wrong models through the check of a case, and see what it makes of them.

:func:`mutate` is a target in the sense of :mod:`conformance.execution.contract`. It needs a
bundle and ONNX Runtime, no framework.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from conformance import runtime
from conformance.bundle import DataSet, read_bundle
from conformance.entry import ZooEntry
from conformance.errors import CorruptBundle, ParityError, SessionError
from conformance.evidence import Mutant, MutantFate, MutationReport, ParityReport
from conformance.execution.contract import shorten
from conformance.execution.progress import Progress
from conformance.model import Stage, to_json
from conformance.mutation.bench import Bench
from conformance.mutation.difference import accepted_errors
from conformance.mutation.observe import Observer
from conformance.mutation.operators import COARSE_OPERATORS, OPERATORS, draw
from conformance.mutation.probes import probes
from conformance.mutation.subject import Subject
from conformance.parity.compare import compare
from conformance.parity.terms import Terms, terms_for

#: Changes tried for every mutant wanted: many that can be written down cannot be run.
_ATTEMPTS_PER_MUTANT = 5
#: Share of the entry's timeout after which no further mutant is begun.
_TIME_SHARE = 0.7


@runtime.configured_by_entry
def mutate(payload: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Change a bundle's model in ``payload["mutants"]`` ways and compare each with the source.

    The same bundle and ``payload["seed"]`` give the same mutants in the same order. There
    are fewer than asked for when the model offers no more, ONNX Runtime refuses too many, or
    the entry's timeout comes near.

    Returns:
        ``mutation`` (a :class:`~conformance.evidence.MutationReport`).

    Raises:
        ProviderAbsent, SessionError: when the model itself cannot run on the provider.
        ParityError: when the bundle is not whole, or its model fails the comparison.
    """
    import onnx

    started = time.monotonic()
    progress.enter(Stage.SESSION)
    runtime.require_provider(payload["provider"])
    try:
        bundle = read_bundle(Path(payload["bundle"]))
        data_sets = list(bundle.data_sets())
    except CorruptBundle as error:
        raise ParityError(str(error)) from error
    entry = ZooEntry.model_validate(payload["entry"])
    terms = terms_for(entry, bundle.manifest)
    subject = Subject(onnx.load(str(bundle.model_path), load_external_data=False), bundle.path)
    with tempfile.TemporaryDirectory(prefix="conformance-mutants-") as scratch:
        bench = Bench(subject.model, bundle.path, Path(scratch), payload["provider"])
        progress.enter(Stage.PARITY)
        report = _Mutation(subject, bench, data_sets, terms, payload["seed"]).report(
            wanted=payload["mutants"],
            deadline=started + entry.timeout * _TIME_SHARE,
            max_missed_rate=entry.mutation.max_missed_rate,
        )
    return {"mutation": to_json(report)}


class _Mutation:
    """The mutants of one bundle on one provider."""

    def __init__(
        self,
        subject: Subject,
        bench: Bench,
        data_sets: Sequence[DataSet],
        terms: Terms,
        seed: int,
    ) -> None:
        self._subject = subject
        self._bench = bench
        self._data_sets = data_sets
        self._terms = terms
        self._seed = seed
        self._original = self._compared(subject.model)
        if self._original.all_problems:
            raise ParityError(
                "the model itself does not agree with its source, so wrong models prove "
                f"nothing: {self._original.all_problems[0]}"
            )
        inputs = [data_set.inputs for data_set in data_sets]
        self._observer = Observer(
            subject,
            inputs,
            probes(subject.model.graph, inputs, seed),
            accepted_errors(self._original, data_sets, terms.tolerance),
            bench.unoptimized,
        )

    def report(self, *, wanted: int, deadline: float, max_missed_rate: float) -> MutationReport:
        """Draw until enough mutants could be run, none are left, or time is up."""
        mutants: list[Mutant] = []
        refused = 0
        operators = OPERATORS if self._terms.budget is None else COARSE_OPERATORS
        for operator, site in draw(self._subject, self._seed, operators):
            tried = len(mutants) + refused
            if len(mutants) == wanted or tried == wanted * _ATTEMPTS_PER_MUTANT:
                break
            if time.monotonic() > deadline:
                break
            model = site.apply(self._subject.model)
            if model is None:
                continue
            try:
                mutants.append(self._mutant(operator.name, site.target, model))
            except SessionError:
                refused += 1
        return MutationReport(tuple(mutants), refused, self._seed, max_missed_rate)

    def _mutant(self, operator: str, target: str, model: Any) -> Mutant:
        report = self._compared(model)
        ratio = _ratio(report)
        if objection := self._objection(report):
            return Mutant(operator, target, MutantFate.KILLED, ratio, shorten(objection))
        found = self._observer.judge(model)
        return Mutant(operator, target, found.fate, ratio, found.detail, found.revealed_by)

    def _compared(self, model: Any) -> ParityReport:
        inputs = [data_set.inputs for data_set in self._data_sets]
        return compare(self._data_sets, self._bench.answers(model, inputs), self._terms)

    def _objection(self, report: ParityReport) -> str | None:
        """What the comparison says against a mutant that it does not say of the original."""
        known = {output.name for output in self._original.outputs if output.vacuous}
        vacuous = (
            f"output '{output.name}': {output.vacuous}"
            for output in report.outputs
            if output.vacuous and output.name not in known
        )
        return next(chain(report.all_problems, vacuous), None)


def _ratio(report: ParityReport) -> float | None:
    """Error over limit of the worst output; None where any could not be subtracted."""
    ratios = [output.ratio for output in report.outputs]
    known = [ratio for ratio in ratios if ratio is not None and math.isfinite(ratio)]
    return max(known) if known and len(known) == len(ratios) else None
