"""The certificate of a bundle: its model's answers, held against everything it must answer.

Used where a conversion is proven for the first time and where a bundle is replayed, so
that both mean the same by "pass".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from conformance.bundle import Bundle, DataSet
from conformance.evidence import ParityReport
from conformance.generation import compare_generation
from conformance.parity.budget import held_decision
from conformance.parity.compare import compare
from conformance.parity.terms import Terms
from conformance.shapes import generalization
from conformance.tensors import Arrays


def certify(
    bundle: Bundle,
    data_sets: Sequence[DataSet],
    answers: Sequence[Arrays],
    run: Callable[[Arrays], Arrays],
    terms: Terms,
) -> ParityReport:
    """Compare a model with its source on the data sets, then at other shapes.

    Args:
        bundle: that the model belongs to.
        data_sets: of the bundle.
        answers: of the model to each data set, output name to array.
        run: the same session, for further inputs; raises SessionError.
        terms: by which the outputs are judged.

    Raises:
        CorruptBundle: when a probe cannot be read.
    """
    report = compare(data_sets, answers, terms)
    if report.all_problems:
        # a model that is wrong where it was traced is wrong: other shapes add no knowledge
        return report
    traced = (data_sets[0], answers[0])
    report = replace(report, generalization=generalization(bundle, traced, run, terms, report))
    generation = bundle.manifest.generation
    if generation is None:
        return report
    if terms.budget is not None:
        # along the source's tokens to the last: what counts is how many are chosen alike
        decision = compare_generation(generation, run, data_sets[0].inputs, float("inf"))
        decision = replace(decision, ties=0)
        if decision.problem is None:
            decision = held_decision(decision, terms.budget)
    else:
        limits = {output.name: output.limit for output in report.outputs}
        accepted = limits[generation.output] or 0.0
        decision = compare_generation(generation, run, data_sets[0].inputs, accepted)
    return replace(report, decisions=(*report.decisions, decision))
