from __future__ import annotations

import functools
import os
from dataclasses import replace

import numpy as np
import pytest
from miniature_opsets import Elderly, Refusing, WithFunction, WithNewOperator
from zoo_cases import HERE, located, ref

from conformance.engine import Engine
from conformance.errors import ExportError
from conformance.evidence import ParityReport
from conformance.execution.child import children
from conformance.execution.progress import Progress
from conformance.model import Stage, TestKind, Verdict, from_json, to_json
from conformance.opset_conversion import convert_opset
from conformance.pipeline import prove
from conformance.tasks import Settings

onnx = pytest.importorskip("onnx")

MINIATURES = (Elderly, Refusing, WithFunction, WithNewOperator)


def at(adapter, opset):
    """The case of a miniature at an opset, of an entry that gives a range."""
    case = located(f"miniature_opsets:{adapter}", opsets=["13-20"])
    return replace(case, case=case.case.at_opset(opset))


def asked(case, test):
    """The named test of a case at its opset."""
    return replace(ref(case, test), opset=case.case.opset)


def with_opset(model, *, node_attribute=False, weight=1.0):
    """The model at opset 20, with a lie in it."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    made.opset_import[0].version = 20
    if node_attribute:
        made.graph.node[1].attribute.append(onnx.helper.make_attribute("axes", [1]))
    first = onnx.numpy_helper.to_array(made.graph.initializer[0]) * np.float32(weight)
    made.graph.initializer[0].CopyFrom(
        onnx.numpy_helper.from_array(first, made.graph.initializer[0].name)
    )
    return made


def converted_here(base, cache, case):
    """The bundle of a case made of ``base`` in this process."""
    out = cache.parent / "out"
    out.mkdir()
    payload = {
        "case": to_json(case.case),
        "base": str(cache / "bundles" / base[:2] / base),
        "lasting": True,
        "out": str(out),
    }
    convert_opset(payload, Progress(cache.parent / "progress.json", "miniature"))
    return out


@pytest.fixture
def engine(tmp_path):
    settings = Settings(
        cache_dir=tmp_path / "cache",
        workdir=tmp_path / "work",
        progress=tmp_path / "progress.json",
        offline=False,
        require=False,
        failures_dir=tmp_path / "failures",
        seed=0,
        machine_lock=tmp_path / "machine.lock",
    )
    frameworks = {f"miniature_opsets:{kind.__name__}": kind.info for kind in MINIATURES}
    made = Engine(settings, children({"PYTHONPATH": os.fspath(HERE)}), frameworks)
    yield made
    made.close()


def test_what_the_exporter_cannot_give_is_converted_from_one_export(engine, tmp_path):
    """Both ways, from the nearest opset that it gives; the model is proven like any other."""
    found = {}
    for opset in (16, 18, 19, 20):
        case = at("Elderly", opset)
        record = engine.run(case, asked(case, TestKind.PARITY))
        assert record.verdict is Verdict.PASS, record.reason
        found[opset] = record.export
        made = tmp_path / "cache/bundles" / record.export.bundle[:2] / record.export.bundle
        model = onnx.load(made / "model.onnx")
        assert [o.version for o in model.opset_import] == [opset]
        assert [node.metadata_props[0].value for node in model.graph.node] == ["gemm", "relu"]
    assert found[16].opset_conversion is None
    assert found[18].opset_conversion is None
    for opset in (19, 20):
        told = found[opset].opset_conversion
        assert (told.exported_opset, told.opset) == (18, opset)
        assert told.converter == f"onnx {onnx.__version__}"
        assert told.base_bundle == found[18].bundle
        assert not found[opset].cached
    assert told.text == (
        f"exported at opset 18, converted to 20 by the version converter of onnx {onnx.__version__}"
    )


def test_a_conversion_that_fails_is_a_failure_of_the_export(engine):
    """With the converter's own text: the opset below that an operator of the model begins at."""
    case = at("WithNewOperator", 16)
    record = engine.run(case, asked(case, TestKind.EXPORT))
    assert (record.verdict, record.stage) == (Verdict.FAIL, Stage.EXPORT)
    assert record.reason.startswith("exported at opset 17, but the version converter of onnx")
    assert "LayerNormalization" in record.reason


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (lambda model: model, "the model has opset 18, asked for was 20"),
        (lambda model: with_opset(model, node_attribute=True), "onnx.checker refuses"),
    ],
)
def test_a_converter_that_lies_is_a_failure_of_the_export(
    lie, reason, engine, tmp_path, monkeypatch
):
    """One that returns the model as it was, and one whose model is none."""
    case = at("Elderly", 18)
    base = engine.run(case, asked(case, TestKind.EXPORT)).export.bundle
    monkeypatch.setattr("onnx.version_converter.convert_version", lambda model, _: lie(model))
    with pytest.raises(ExportError, match=reason):
        converted_here(base, tmp_path / "cache", at("Elderly", 20))


def test_a_converter_that_changes_a_weight_is_found_by_the_proof(engine, tmp_path, monkeypatch):
    """The converted model is held against the source, not against the model before."""
    case = at("Elderly", 18)
    base = engine.run(case, asked(case, TestKind.EXPORT)).export.bundle
    lie = functools.partial(with_opset, weight=1.001)
    monkeypatch.setattr("onnx.version_converter.convert_version", lambda model, _: lie(model))
    made = converted_here(base, tmp_path / "cache", at("Elderly", 20))
    entry = to_json(at("Elderly", 20).case.entry)
    payload = {"bundle": str(made), "provider": "cpu", "entry": entry}
    progress = Progress(made.parent / "progress.json", "miniature")
    report = from_json(ParityReport, prove(payload, progress)["parity"])
    assert report.all_problems


def test_a_failed_export_is_told_once(engine):
    """The opsets that were to be made of it point at it, or the first of them tells."""
    first, second = (at("Refusing", opset) for opset in (19, 20))
    told = engine.run(first, asked(first, TestKind.EXPORT))
    assert (told.verdict, told.stage) == (Verdict.FAIL, Stage.EXPORT)
    pointing = engine.run(second, asked(second, TestKind.EXPORT))
    assert pointing.verdict is Verdict.NOT_RUN
    assert "-op18-fp32 is fail" in pointing.reason


def test_functions_survive(engine):
    """The converter drops them and keeps the nodes that call them: they are inlined before."""
    case = at("WithFunction", 20)
    record = engine.run(case, asked(case, TestKind.PARITY))
    assert record.verdict is Verdict.PASS, record.reason
    assert record.export.opset_conversion is not None
