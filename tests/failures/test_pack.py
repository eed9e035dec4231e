"""``conformance pack``: what comes out runs alone, and no failure is promised that is not there."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import failing_cases as cases
import numpy as np
import onnx  # noqa: TID253 - light enough for a test
import pytest
from onnx import helper, numpy_helper  # noqa: TID253 - as above
from test_failure_folders import run_alone

from conformance.bundle import DataSet, write_manifest
from conformance.cli import main
from conformance.entry import Tolerance
from conformance.evidence import Explanation, Guilty, ReducedModel
from conformance.failures import write_failure


def unpacked(archive, place):
    """The one folder in an archive."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(place)
    (folder,) = place.iterdir()
    return folder


def kernel_failure(tmp_path, **more):
    """The folder of a case whose kernel errs."""
    bundle = cases.elu_bundle(tmp_path / "cache" / "bundle")
    return write_failure(
        tmp_path / "failures", cases.record_of(bundle), cases.ORIGIN, bundle, **more
    )


def test_a_failure_folder_is_packed_as_it_is(tmp_path, monkeypatch, capsys):
    """By default into the current folder, by the folder's name, with everything in it."""
    made = kernel_failure(tmp_path)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert main(["pack", str(made)]) == 0
    assert capsys.readouterr().out.startswith(f"{made.name}.zip (")
    packed = tmp_path / "work" / f"{made.name}.zip"
    assert packed.read_bytes() == made.with_name(f"{made.name}.zip").read_bytes()


def test_a_bundle_is_packed_with_a_script(tmp_path):
    """A bundle of the cache, named by a digest, becomes a folder that says what it is."""
    bundle = cases.elu_bundle(tmp_path / "1c04dd31")
    out = tmp_path / "out.zip"
    assert main(["pack", str(bundle.path), "-o", str(out)]) == 0
    folder = unpacked(out, tmp_path / "out")
    assert folder.name == "pytorch__tiny@dynamo-op18-fp32"
    assert run_alone(folder).returncode == 1
    assert main(["replay", str(folder)]) == 1


def test_a_kernel_failure_survives_random_weights(tmp_path, capsys):
    """The archive has other weights, the same failure by script and replay, and says so."""
    made = kernel_failure(tmp_path)
    out = tmp_path / "out.zip"
    assert main(["pack", str(made), "--randomize-weights", "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert "replaced 1 float tensor" in said
    folder = unpacked(out, tmp_path / "out")
    (weight,) = onnx.load(folder / "model.onnx").graph.initializer
    values, real = numpy_helper.to_array(weight), cases.small_weights()
    assert abs(np.corrcoef(values, real)[0, 1]) < 0.6
    assert values.mean() == pytest.approx(real.mean(), rel=0.05)
    assert real.tobytes() not in b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())
    ran = run_alone(folder)
    assert (ran.returncode, ran.stderr) == (1, "")
    replayed = tmp_path / "replayed.json"
    assert main(["replay", str(folder), "--json", str(replayed)]) == 1
    (case,) = json.loads(replayed.read_text())["cases"]
    assert (case["stage"], case["model"]) == ("parity", "tiny")
    assert case["reason"] in (folder / "REPRO.md").read_text()


def test_the_reduced_model_is_preferred(tmp_path, capsys):
    """Where a reduced model shows the failure, it alone is in the archive."""
    reduced = tmp_path / "cut"
    reduced.mkdir()
    cases.save_elu(reduced / "model.onnx")
    (x,) = cases.inputs(2)
    answer = cases.elu(x, cases.small_weights())
    cases.write_data_sets(reduced, [DataSet({"x": x}, {"y": answer}, None)])
    bundle = cases.elu_bundle(tmp_path / "bundle", weights=cases.small_weights(4))
    known = ReducedModel("reduced", 2, 5e-8)
    explanation = Explanation("y", 1e-9, (), Guilty.KERNEL, "Elu errs", reduced=known)
    found = cases.record_of(bundle, explanation=explanation)
    made = write_failure(tmp_path / "failures", found, cases.ORIGIN, bundle, reduced)
    out = tmp_path / "out.zip"
    assert main(["pack", str(made), "--randomize-weights", "-o", str(out)]) == 0
    assert "model: reduced\n" in capsys.readouterr().out
    folder = unpacked(out, tmp_path / "out")
    assert len(list(folder.glob("test_data_set_*"))) == 1
    assert not (folder / "reduced").exists()
    assert run_alone(folder).returncode == 1


def test_a_converters_fault_does_not_survive(tmp_path, capsys):
    """Where the file itself is wrong, that is said, and nothing is written."""
    ones = np.ones(64, "f4")
    bundle = cases.elu_bundle(tmp_path / "bundle", weights=ones, source=ones * 2)
    found = cases.record_of(bundle)
    assert found.reason is not None
    made = write_failure(tmp_path / "failures", found, cases.ORIGIN, bundle)
    assert run_alone(made).returncode == 1
    out = tmp_path / "out.zip"
    assert main(["pack", str(made), "--randomize-weights", "-o", str(out)]) == 1
    said = capsys.readouterr().out
    assert "does not survive other weights" in said
    assert "the converter's fault" in said
    assert not out.exists()


def test_a_failure_that_needs_its_weights_does_not_survive(tmp_path, capsys):
    """Two weights that nearly cancel are far apart when drawn anew: refused, not promised."""
    large = np.random.default_rng(5).normal(5, 1, size=64).astype("f4")
    near = (large - np.float32(1e-3)).astype("f4")
    nodes = [
        helper.make_node("Sub", ["large", "near"], ["w"]),
        helper.make_node("Mul", ["x", "w"], ["m"]),
        helper.make_node("Elu", ["m"], ["y"]),
    ]
    place = tmp_path / "bundle"
    place.mkdir()
    cases.save(place / "model.onnx", nodes, {"large": large, "near": near})
    left = large - near
    sets = [
        DataSet({"x": x}, {"y": cases.elu(x, left)}, {"y": cases.elu(x.astype("f8"), left)})
        for x in cases.inputs(3, 4)
    ]
    bundle = cases.bundle_of(place, sets)
    made = write_failure(tmp_path / "failures", cases.record_of(bundle), cases.ORIGIN, bundle)
    out = tmp_path / "out.zip"
    command = ["pack", str(made), "--randomize-weights", "--seed", "3", "-o", str(out)]
    assert main(command) == 1
    assert "with the random weights of seed 3 it does not fail as before" in capsys.readouterr().out
    assert not out.exists()


def test_a_model_without_a_float64_form_is_judged_by_declared_tolerance(tmp_path):
    """Classical operators answer in float32 by definition; kernels are held against that."""
    place = tmp_path / "bundle"
    place.mkdir()
    nodes = [
        helper.make_node("Scaler", ["x"], ["s"], domain="ai.onnx.ml", offset=[0.0], scale=[1.0]),
        helper.make_node("Mul", ["s", "w"], ["m"]),
        helper.make_node("Elu", ["m"], ["y"]),
    ]
    weights = cases.small_weights()
    cases.save(place / "model.onnx", nodes, {"w": weights}, domain="ai.onnx.ml")
    (x,) = cases.inputs(3)
    data = DataSet({"x": x}, {"y": cases.elu(x, weights)}, None)
    strict = {"rtol": 1e-6, "reason": "a test"}
    entry = cases.ENTRY.model_copy(update={"tolerance": Tolerance.model_validate(strict)})
    bundle = cases.bundle_of(place, [data], entry=entry)
    origin = replace(cases.ORIGIN, entry=entry)
    made = write_failure(tmp_path / "failures", cases.record_of(bundle), origin, bundle)
    out = tmp_path / "out.zip"
    assert main(["pack", str(made), "--randomize-weights", "-o", str(out)]) == 0
    folder = unpacked(out, tmp_path / "out")
    assert run_alone(folder).returncode == 1
    told = json.loads((folder / "repro.json").read_text())
    assert (told["outputs"][0]["rule"], told["outputs"][0]["rtol"]) == ("declared", 1e-6)


def test_a_refused_model_survives_when_it_is_refused_alike(tmp_path, capsys):
    """A session failure is its message; the archive shows it, and 0 once the model runs."""
    place = tmp_path / "bundle"
    place.mkdir()
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["m"]),
        helper.make_node("Odd", ["m"], ["y"], domain="odd"),
    ]
    cases.save(place / "model.onnx", nodes, {"w": cases.small_weights()}, domain="odd")
    sets = [DataSet({"x": x}, {"y": x}, None) for x in cases.inputs(3, 4)]
    bundle = cases.bundle_of(place, sets)
    made = write_failure(tmp_path / "failures", cases.record_of(bundle), cases.ORIGIN, bundle)
    out = tmp_path / "out.zip"
    assert main(["pack", str(made), "--randomize-weights", "-o", str(out)]) == 0
    assert "odd:Odd(-1) is not a registered function/op" in capsys.readouterr().out
    folder = unpacked(out, tmp_path / "out")
    ran = run_alone(folder)
    assert ran.returncode == 1
    assert "odd:Odd(-1)" in ran.stdout
    cases.save_elu(folder / "model.onnx")
    assert run_alone(folder).returncode == 0


def test_what_cannot_be_packed_is_wrong_usage(tmp_path, capsys):
    """No folder, no failure in it, no model in it, an archive within itself: exit 2, one line."""
    (tmp_path / "empty").mkdir()
    export = write_failure(tmp_path / "failures", cases.record(), cases.ORIGIN)
    random = "--randomize-weights"
    for arguments, reason in (
        ([tmp_path / "absent"], "absent is not a folder"),
        ([tmp_path / "empty", "-o", tmp_path / "a.zip"], "is no failure folder and no bundle"),
        ([export, random, "-o", tmp_path / "a.zip"], "holds no model.onnx"),
        ([export, "-o", export / "a.zip"], "would lie in the folder"),
        ([export, "-o", tmp_path / "no" / "a.zip"], "cannot be written"),
    ):
        assert main(["pack", *map(str, arguments)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert reason in captured.err
        assert len(captured.err.splitlines()) == 1
    with pytest.raises(SystemExit, match="2"):
        main(["pack", str(export), "--seed", "-1"])


def test_a_model_has_its_entrys_memory(tmp_path, capsys):
    """To be tried with other weights, a model may take what the zoo allows it in a run."""
    bundle = cases.elu_bundle(tmp_path / "bundle")
    case = bundle.manifest.case
    entry = case.entry.model_copy(update={"memory": 1 << 20})
    write_manifest(bundle.path, replace(bundle.manifest, case=replace(case, entry=entry)))
    main(["pack", str(bundle.path), "--randomize-weights", "-o", str(tmp_path / "out.zip")])
    assert "needed more than 1 MiB (limit) of memory" in capsys.readouterr().out
