"""The certificate of a bundle: its model's answers, held against everything it must answer.

Used where a conversion is proven for the first time and where a bundle is replayed, so
that both mean the same by "pass".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from conformance.bundle import Bundle, DataSet
from conformance.continuation import Part, compare_texts
from conformance.entry import ZooEntry
from conformance.evidence import ComponentParity, ParityReport
from conformance.generation import compare_generation
from conformance.parity.budget import held_decision
from conformance.parity.compare import compare
from conformance.parity.terms import Terms, terms_for
from conformance.shapes import generalization
from conformance.tensors import Arrays
from conformance.texts import Texts

Run = Callable[[Arrays], Arrays]


@dataclass(frozen=True, slots=True)
class Sibling:
    """A further component of a bundle, ready to be asked."""

    bundle: Bundle
    #: Its session; raises SessionError.
    run: Run
    terms: Terms


def siblings(
    bundle: Bundle, entry: ZooEntry, open_model: Callable[[Path], Run]
) -> tuple[Sibling, ...]:
    """The components of a bundle beside its main model, in the order in which they run.

    Args:
        bundle: that they belong to.
        entry: by which they are judged.
        open_model: makes a session for an ONNX file.

    Raises:
        CorruptBundle: when one is not whole.
        SessionError: when one is refused.
    """
    found = [bundle.component(name) for name in bundle.manifest.components]
    return tuple(
        Sibling(one, open_model(one.model_path), terms_for(entry, one.manifest)) for one in found
    )


def certify(  # noqa: PLR0913 - what is compared, and by which terms
    bundle: Bundle,
    data_sets: Sequence[DataSet],
    answers: Sequence[Arrays],
    run: Run,
    terms: Terms,
    *,
    components: Sequence[Sibling] | None = None,
) -> ParityReport:
    """Compare a model with its source on the data sets, then at other shapes.

    Args:
        bundle: that the model belongs to.
        data_sets: of the bundle.
        answers: of the model to each data set, output name to array.
        run: the same session, for further inputs; raises SessionError.
        terms: by which the outputs are judged.
        components: of the bundle, by :func:`siblings`; None to judge its main model alone.

    Raises:
        CorruptBundle: when a probe or a component cannot be read.
        SessionError: when a component cannot run.
    """
    report = compare(data_sets, answers, terms)
    report = replace(report, components=tuple(_certified(one) for one in components or ()))
    if report.all_problems:
        # a model that is wrong where it was traced is wrong: other shapes add no knowledge
        return report
    traced = (data_sets[0], answers[0])
    report = replace(report, generalization=generalization(bundle, traced, run, terms, report))
    if bundle.manifest.texts is not None and components is not None:
        return _with_texts(report, bundle.manifest.texts, components, (data_sets, run))
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


def _certified(component: Sibling) -> ComponentParity:
    """A component's own certificate, over what the source gave it while it generated."""
    data_sets = list(component.bundle.data_sets())
    answers = [component.run(data_set.inputs) for data_set in data_sets]
    report = compare(data_sets, answers, component.terms)
    return ComponentParity(
        component.bundle.path.name, report.outputs, report.data_sets, report.problems
    )


def _with_texts(
    report: ParityReport,
    texts: Texts,
    components: Sequence[Sibling],
    last: tuple[Sequence[DataSet], Run],
) -> ParityReport:
    """The report with what the components generate together.

    Args:
        report: of all components, which are right one by one.
        texts: what the source generated.
        components: all but the last.
        last: the data sets and the session of the last.
    """
    parts = [
        Part(name, one.run, [data_set.inputs for data_set in one.bundle.data_sets()])
        for name, one in zip(texts.components[:-1], components, strict=True)
    ]
    parts.append(Part(texts.components[-1], last[1], [data_set.inputs for data_set in last[0]]))
    told = [report.outputs, *(component.outputs for component in report.components)]
    limits = [o.limit or 0.0 for outputs in told for o in outputs if o.name == texts.output]
    decision = compare_texts(texts, parts, max(limits))
    return replace(report, decisions=(*report.decisions, decision))
