"""Where a case fails: on its data sets, or only at another shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from conformance import runtime
from conformance.bundle import Bundle, DataSet
from conformance.certificate import certify
from conformance.evidence import ParityReport, ShapeOutcome, ShapeProbe
from conformance.parity.compare import compare
from conformance.parity.terms import Terms

_WRONG = (ShapeOutcome.WRONG_VALUES, ShapeOutcome.SILENTLY_STATIC)


@dataclass(frozen=True, slots=True)
class Failing:
    """The data on which a case is explained."""

    data_sets: list[DataSet]
    report: ParityReport
    #: Which other shape it is, where the data sets themselves are within their limits.
    note: str | None = None
    #: Whether the data sets are those of the bundle, which other parties know by number.
    of_bundle: bool = True


def failing_data(bundle: Bundle, provider: str, terms: Terms) -> Failing:
    """The data sets of a bundle or, if they pass, the first probe that fails.

    Raises:
        CorruptBundle: when a tensor cannot be read.
        ProviderAbsent, SessionError: when the model does not run on the provider.
    """
    data_sets = list(bundle.data_sets())
    run = partial(runtime.run, runtime.create_session(bundle.model_path, provider))
    answers = [run(data_set.inputs) for data_set in data_sets]
    report = certify(bundle, data_sets, answers, run, terms)
    probes = report.generalization.probes if report.generalization else ()
    wrong = next((probe for probe in probes if probe.outcome in _WRONG), None)
    probe = None if wrong is None else _data_of(wrong, bundle)
    if wrong is None or probe is None:
        return Failing(data_sets, report)
    note = f"explained at another shape than the traced one: {wrong.problem}"
    return Failing([probe], compare([probe], [run(probe.inputs)], terms), note, of_bundle=False)


def _data_of(wrong: ShapeProbe, bundle: Bundle) -> DataSet | None:
    for info in bundle.manifest.probes:
        if (info.kind, info.axis, info.size) == ("size", wrong.axis, wrong.size):
            return bundle.probe(info)
    return None
