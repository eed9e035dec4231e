"""What a proof of an adapter's conversion takes, for the tests of every framework."""

from __future__ import annotations

import numpy as np

from conformance import runtime
from conformance.adapters.contract import KnowsMargins
from conformance.bundle import DataSet
from conformance.entry import Tolerance
from conformance.onnx_check import check_model
from conformance.parity.compare import compare
from conformance.parity.terms import Terms


def answers(adapter, model, feeds):
    return adapter.outputs(model, adapter.bind(model, feeds)())


def as_float64(feeds):
    return {n: a.astype(np.float64) if a.dtype.kind == "f" else a for n, a in feeds.items()}


def data_sets(adapter, model, sets):
    """The source's answers to all input sets, in its own precision and in float64."""
    margins = adapter.margins if isinstance(adapter, KnowsMargins) else lambda *_: None
    narrow = [(answers(adapter, model, feeds), margins(model, feeds)) for feeds in sets]
    with adapter.in_float64(model) as wide:
        exact = [answers(adapter, wide, as_float64(feeds)) for feeds in sets]
    return [
        DataSet(feeds, answer, precise, margin)
        for feeds, (answer, margin), precise in zip(sets, narrow, exact, strict=True)
    ]


def answers_in_float64(adapter, model, feeds):
    with adapter.in_float64(model) as wide:
        return answers(adapter, wide, as_float64(feeds))


def compared(path, data):
    """The parity report of a file against the source's answers."""
    session = runtime.create_session(path, "cpu")
    return compare(data, [runtime.run(session, d.inputs) for d in data], Terms(Tolerance()))


def proof(adapter, model, job, sets, path):
    """Export, check the file and compare on all input sets."""
    data = data_sets(adapter, model, sets)
    adapter.export(model, job, sets[0], path)
    check_model(
        path,
        opset=job.case.opset,
        inputs=sets[0],
        outputs=list(data[0].outputs),
        dynamic=job.case.entry.dynamic_axes(),
    )
    return compared(path, data)


def assert_proven(report, names):
    assert [output.name for output in report.outputs] == names
    assert report.all_problems == ()
    assert report.vacuous_outputs == ()
    assert {o.rule for o in report.outputs if o.dtype == "float32"} == {"fp64-referenced"}
