"""Miniature models at other shapes: a NumPy source, and what claims to be its conversion."""

from __future__ import annotations

from functools import partial

import numpy as np

from conformance import runtime
from conformance.bundle import (
    MODEL,
    Bundle,
    BundleManifest,
    DataSet,
    write_data_sets,
    write_probes,
)
from conformance.entry import Tolerance, ZooEntry
from conformance.inputs import input_sets
from conformance.model import Case
from conformance.parity.compare import compare
from conformance.parity.terms import Terms
from conformance.shapes import (
    answer_probes,
    answer_probes_in_float64,
    generalization,
    plan_probes,
)

ROWS = {
    "spec": {"x": {"shape": ["batch", 4]}},
    "sets": [{"batch": 4}, {"batch": 7}],
}
STEPS = {
    "spec": {"x": {"shape": ["batch", "steps"]}},
    "sets": [{"batch": 2, "steps": 5}, {"batch": 3, "steps": 8}],
}
SENTENCES = {
    "spec": {
        "x": {"shape": ["batch", "tokens", 3]},
        "mask": {"shape": ["batch", "tokens"], "fill": "mask"},
    },
    "sets": [{"batch": 6, "tokens": 9}, {"batch": 3, "tokens": 6}],
}


def entry_of(inputs, **more):
    return ZooEntry.model_validate(
        {
            "id": "shapes",
            "framework": "sklearn",
            "source": {"factory": "nowhere:never"},
            "inputs": inputs,
            **more,
        }
    )


def in_float64(source):
    """The same NumPy function on float64 inputs."""
    return lambda feeds: source(
        {n: a.astype("f8") if a.dtype.kind == "f" else a for n, a in feeds.items()}
    )


def tried(folder, inputs, source, model, *, sets=None, margins=None, budget=None, **more):
    """Everything that is found out about a model at other shapes.

    Args:
        folder: for the bundle.
        inputs: of the entry.
        source: a NumPy function from inputs to outputs.
        model: ONNX nodes, inputs and weights as :func:`onnx_model` takes them, or another
            NumPy function.
        sets: the input sets, where the entry cannot make them.
        margins: of data set 0.
        budget: of a lossy variant.
        more: further keys of the entry.
    """
    entry = entry_of(inputs, **more)
    sets = sets or input_sets(entry, folder, 0)
    exact = in_float64(source)
    data_sets = [DataSet(feeds, source(feeds), exact(feeds)) for feeds in sets]
    if margins is not None:
        data_sets[0] = DataSet(sets[0], source(sets[0]), exact(sets[0]), margins)
    infos, answers = answer_probes(plan_probes(entry, sets, 0), source)
    answers = answer_probes_in_float64(answers, exact)
    write_data_sets(folder, data_sets)
    write_probes(folder, answers)
    bundle = Bundle(folder, manifest(entry, data_sets, tuple(infos)))
    run = model if callable(model) else _session(folder, entry, data_sets[0], model)
    found = [run(feeds) for feeds in sets]
    terms = Terms(Tolerance(), budget=budget)
    report = compare(data_sets, found, terms)
    return generalization(bundle, (data_sets[0], found[0]), run, terms, report)


def tried_from_one(folder, inputs, source, model):
    """As :func:`tried`, of a model that other data sets than the traced one would give away."""
    sets = input_sets(entry_of(inputs), folder, 0)[:1]
    return tried(folder, inputs, source, model, sets=sets)


def outcomes(found, axis):
    """Size to outcome, along one axis."""
    return {probe.size: str(probe.outcome) for probe in found.probes if probe.axis == axis}


def manifest(entry, data_sets, probes):
    return BundleManifest(
        case=Case(entry, "mini", 18, "fp32"),
        seed=0,
        versions={},
        inputs=tuple(data_sets[0].inputs),
        outputs=tuple(data_sets[0].outputs),
        data_sets=len(data_sets),
        fp64_unavailable=None,
        source_median_ns=None,
        export_seconds=0.0,
        size_bytes=0,
        nodes=1,
        peak_rss_bytes=None,
        files={},
        probes=probes,
    )


def _session(folder, entry, traced, model):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights = model
    dynamic = entry.dynamic_axes()
    inputs = [
        helper.make_tensor_value_info(
            name,
            TensorProto.FLOAT,
            [dynamic.get(name, {}).get(i, size) for i, size in enumerate(array.shape)],
        )
        for name, array in traced.inputs.items()
    ]
    outputs = [
        # ranks only: what the graph makes of its sizes is what is tested
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * array.ndim)
        for name, array in traced.outputs.items()
    ]
    tensors = [numpy_helper.from_array(np.asarray(a), name) for name, a in weights.items()]
    graph = helper.make_graph(
        [helper.make_node(op, ins, outs, **attributes) for op, ins, outs, attributes in nodes],
        "shapes",
        inputs,
        outputs,
        tensors,
    )
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), str(folder / MODEL))
    return partial(runtime.run, runtime.create_session(folder / MODEL, "cpu"))
