"""Cases that really fail, with their bundles and records: of a conversion, a kernel, a model."""

from __future__ import annotations

import numpy as np
import onnx  # noqa: TID253 - light enough for a test
from onnx import TensorProto, helper, numpy_helper  # noqa: TID253 - as above

from conformance import runtime
from conformance.bundle import (
    BundleManifest,
    DataSet,
    ProbeInfo,
    digest_files,
    write_data_sets,
    write_manifest,
    write_probes,
)
from conformance.entry import ZooEntry
from conformance.errors import SessionError
from conformance.failures import Origin
from conformance.judging import parity_failure
from conformance.model import Case, Record, Stage, TestKind, TestRef, Verdict
from conformance.parity.compare import compare
from conformance.parity.terms import terms_for

ENTRY = ZooEntry.model_validate(
    {
        "id": "tiny",
        "framework": "pytorch",
        "source": {"factory": "models:tiny"},
        "inputs": {
            "spec": {"x": {"shape": ["batch", 64]}},
            "sets": [{"batch": 3}, {"batch": 4}],
        },
    }
)
CASE = Case(ENTRY, "dynamo", 18, "fp32")
VERSIONS = {"torch": "2.13.0", "onnxruntime": "1.31.1", "numpy": "2.4.6"}
ORIGIN = Origin(ENTRY, 7, VERSIONS, {"cpu": "a processor", "cores": 2})


def save(path, nodes, weights, *, outputs=("y",), dtype=TensorProto.FLOAT, domain=None, doc=""):
    """Write an ONNX model with the one input ``x``."""
    values = [helper.make_tensor_value_info("x", dtype, None)]
    made = [helper.make_tensor_value_info(name, dtype, None) for name in outputs]
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    opsets = [helper.make_opsetid("", 18), *([helper.make_opsetid(domain, 1)] if domain else [])]
    graph = helper.make_graph(nodes, "g", values, made, tensors)
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9, doc_string=doc)
    onnx.save(model, path)


def small_weights(seed=0):
    return (1e-3 + 1e-4 * np.random.default_rng(seed).normal(size=64)).astype("f4")


def save_elu(path, weights=None, **more):
    """``elu(x * w)`` on small numbers, where ONNX Runtime loses digits: exp(x) - 1, no expm1."""
    nodes = [helper.make_node("Mul", ["x", "w"], ["m"]), helper.make_node("Elu", ["m"], ["y"])]
    save(path, nodes, {"w": small_weights() if weights is None else weights}, **more)


def elu(x, weights):
    """The source: exact to the last digit of the dtype it is given."""
    product = x * weights.astype(x.dtype)
    return np.where(product > 0, product, np.expm1(product)).astype(x.dtype)


def inputs(*rows):
    rng = np.random.default_rng(1)
    return [rng.normal(size=(count, 64)).astype("f4") for count in rows]


def bundle_of(folder, data_sets, *, entry=ENTRY, probes=()):
    """Complete a bundle; ``folder`` has the model already."""
    write_data_sets(folder, data_sets)
    infos, data = [info for info, _ in probes], {info.name: given for info, given in probes}
    write_probes(folder, data)
    files = digest_files(folder)
    manifest = BundleManifest(
        case=Case(entry, "dynamo", 18, "fp32"),
        seed=7,
        versions=VERSIONS,
        inputs=("x",),
        outputs=tuple(data_sets[0].outputs),
        data_sets=len(data_sets),
        fp64_unavailable=None if data_sets[0].outputs_fp64 else "made by hand",
        source_median_ns=None,
        export_seconds=1.0,
        size_bytes=files["model.onnx"].size_bytes,
        nodes=2,
        peak_rss_bytes=None,
        files=files,
        probes=tuple(infos),
    )
    return write_manifest(folder, manifest)


def elu_bundle(folder, *, weights=None, source=None, probes=(), **more):
    """A bundle of the model above; ``source`` has other weights where the conversion is wrong."""
    folder.mkdir(parents=True)
    weights = small_weights() if weights is None else weights
    source = weights if source is None else source
    save_elu(folder / "model.onnx", weights, **more)
    data_sets = [
        DataSet({"x": x}, {"y": elu(x, source)}, {"y": elu(x.astype("f8"), source)})
        for x in inputs(3, 4)
    ]
    return bundle_of(folder, data_sets, probes=probes)


def probe(axis="batch", size=9):
    """A probe at another size, with what the source answers there."""
    (x,) = inputs(size)
    weights = small_weights()
    data = DataSet({"x": x}, {"y": elu(x, weights)}, {"y": elu(x.astype("f8"), weights)})
    return ProbeInfo(f"{axis}-{size}", "size", axis, size), data


def reference(test=TestKind.PARITY, provider="cpu"):
    identity = CASE.key if provider is None else CASE.id_on(provider)
    repro = f"pytest --zoo zoo.yaml 'zoo.yaml::test_{test}[{identity}]'"
    return TestRef(
        test, identity, CASE.key, "tiny", "pytorch", None, (), "dynamo", 18, "fp32", provider, repro
    )


def record_of(bundle, **more):
    """What the parity test of a bundle finds, by way of ONNX Runtime itself."""
    data_sets = list(bundle.data_sets())
    try:
        session = runtime.create_session(bundle.model_path, "cpu")
        answers = [runtime.run(session, data_set.inputs) for data_set in data_sets]
    except SessionError as error:
        fields = {"verdict": Verdict.FAIL, "stage": Stage.SESSION, "reason": str(error)}
        return record(**fields | more)
    report = compare(data_sets, answers, terms_for(bundle.manifest.case.entry, bundle.manifest))
    failure = parity_failure(report)
    if failure is None:
        return record(verdict=Verdict.PASS, stage=Stage.PARITY, reason=None, parity=report, **more)
    fields = {
        "verdict": failure.verdict,
        "stage": failure.stage,
        "reason": failure.reason,
        "details": failure.details,
        "parity": report,
    }
    return record(**fields | more)


def record(**fields):
    known = {
        "ref": reference(),
        "verdict": Verdict.FAIL,
        "stage": Stage.PARITY,
        "reason": "it is wrong",
        "started": "2026-01-01T00:00:00.000+00:00",
        "duration_s": 1.0,
    }
    return Record(**known | fields)
