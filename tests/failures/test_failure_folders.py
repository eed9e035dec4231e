"""Failure folders: what is in them, what is not, and that they run without this package."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import failing_cases as cases
import numpy as np
import onnx  # noqa: TID253 - light enough for a test
import pytest
from onnx import TensorProto, helper  # noqa: TID253 - as above

from conformance.bundle import DataSet, read_bundle
from conformance.cli import main
from conformance.evidence import (
    Explanation,
    Generalization,
    Guilty,
    ParityReport,
    ReducedModel,
    ShapeOutcome,
    ShapeProbe,
)
from conformance.failures import failure_name, folder, remove_failure, write_failure
from conformance.failures.private import Scrubber
from conformance.model import Stage, TestKind, Verdict

#: Starts a script as ``python`` would, with every package but two unimportable.
_ALONE = """
import importlib.abc, runpy, sys
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"onnx", "torch", "conformance", "pydantic", "google"}:
            raise ImportError(f"{name} is not to be imported")
sys.meta_path.insert(0, Blocker())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_alone(place, *arguments):
    """``python repro.py`` in a folder, with numpy and onnxruntime alone."""
    return subprocess.run(
        [sys.executable, "-I", "-c", _ALONE, "repro.py", *arguments],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def failing(tmp_path):
    """A bundle whose kernel errs, and its record."""
    bundle = cases.elu_bundle(tmp_path / "cache" / "bundle")
    found = cases.record_of(bundle)
    assert found.verdict is Verdict.FAIL
    return bundle, found


# what is written ----------------------------------------------------------------------------


def test_a_failure_leaves_its_bundle_unchanged(tmp_path, failing):
    """Every file of the bundle is there as it was, and its digests hold."""
    bundle, found = failing
    made = write_failure(tmp_path / "failures", found, cases.ORIGIN, bundle)
    assert made == tmp_path / "failures" / "pytorch__tiny@dynamo-op18-fp32-cpu"
    assert read_bundle(made).manifest == bundle.manifest
    for name in bundle.manifest.files:
        assert (made / name).read_bytes() == (bundle.path / name).read_bytes()
    names = {p.name for p in made.iterdir()} - {p.name for p in bundle.path.iterdir()}
    assert names == {"REPRO.md", "provenance.json", "error.txt", "repro.py", "repro.json"}
    provenance = json.loads((made / "provenance.json").read_text())
    assert provenance["entry"]["id"] == "tiny"
    assert (provenance["exporter"], provenance["opset"], provenance["seed"]) == ("dynamo", 18, 7)
    assert provenance["versions"] == cases.VERSIONS
    assert provenance["found"]["reason"] == found.reason


def test_a_failed_export_leaves_what_there_is(tmp_path):
    """Without a bundle: text, entry, versions and traceback, and no script that cannot run."""
    found = cases.record(
        ref=cases.reference(TestKind.EXPORT, None),
        stage=Stage.EXPORT,
        reason="no exporter for aten::odd",
        details="Traceback ...\nValueError: no exporter for aten::odd",
    )
    made = write_failure(tmp_path, found, cases.ORIGIN)
    assert sorted(p.name for p in made.iterdir()) == ["REPRO.md", "error.txt", "provenance.json"]
    assert "aten::odd" in (made / "error.txt").read_text()
    text = (made / "REPRO.md").read_text()
    assert "no exporter for aten::odd" in text
    assert "pytest --zoo zoo.yaml" in text
    assert "repro.py" not in text


def test_names_are_stable_and_never_shared():
    """Ids that would read alike as folders get a part of their digest."""
    assert failure_name("pytorch/cnn@dynamo-op18-fp32-cpu") == "pytorch__cnn@dynamo-op18-fp32-cpu"
    alike = ["a/b__c@x", "a__b/c@x", "a__b__c@x", "a/b/c@x", "a/b:c@x", "a/b;c@x", "../b", "..__b"]
    names = [failure_name(test_id) for test_id in [*alike, "a" * 300, "a" * 301]]
    assert len(set(names)) == len(names)
    assert names == [failure_name(test_id) for test_id in [*alike, "a" * 300, "a" * 301]]
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9_@+=,-][A-Za-z0-9.@+=,_-]*", name)
        assert len(name.encode()) < 250


def test_a_failure_replaces_the_one_before_it(tmp_path, failing):
    """Files of an older failure of the same test do not survive in the new folder."""
    bundle, found = failing
    made = write_failure(tmp_path / "failures", found, cases.ORIGIN, bundle)
    (made / "left_over.txt").write_text("old")
    export = replace(found, stage=Stage.EXPORT, parity=None)
    assert write_failure(tmp_path / "failures", export, cases.ORIGIN) == made
    assert not (made / "left_over.txt").exists()
    assert not (made / "model.onnx").exists()
    with zipfile.ZipFile(f"{made}.zip") as archive:
        assert not any(name.endswith("model.onnx") for name in archive.namelist())
    assert sorted(p.name for p in made.parent.iterdir()) == [made.name, f"{made.name}.zip"]


def test_a_case_that_passes_again_leaves_nothing(tmp_path, failing):
    """Folder and archive go, those of other cases stay; removing nothing is no error."""
    bundle, found = failing
    made = write_failure(tmp_path / "failures", found, cases.ORIGIN, bundle)
    other = replace(found, ref=replace(found.ref, id=f"{found.ref.id}da"))
    kept = write_failure(tmp_path / "failures", other, cases.ORIGIN, bundle)
    remove_failure(made.parent, found.ref.id)
    remove_failure(made.parent, found.ref.id)
    assert sorted(p.name for p in made.parent.iterdir()) == [kept.name, f"{kept.name}.zip"]
    remove_failure(tmp_path / "nowhere", found.ref.id)


def test_a_full_disk_is_an_error_and_leaves_the_older_folder(tmp_path, failing, monkeypatch):
    """Where writing fails half way, OSError is raised and no half-written folder is left."""
    bundle, found = failing
    made = write_failure(tmp_path / "failures", found, cases.ORIGIN, bundle)
    before = {p: p.read_bytes() for p in made.rglob("*") if p.is_file()}

    def full(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        write_failure(tmp_path / "failures", found, cases.ORIGIN, bundle)
    assert {p: p.read_bytes() for p in made.rglob("*") if p.is_file()} == before
    assert sorted(p.name for p in made.parent.iterdir()) == [made.name, f"{made.name}.zip"]


def test_archives_of_equal_failures_are_equal(tmp_path, failing):
    """The zip has the folder's files below its name, sorted, without times or owners."""
    bundle, found = failing
    one = write_failure(tmp_path / "a", found, cases.ORIGIN, bundle)
    os.utime(bundle.path / "model.onnx", (1, 1))
    other = write_failure(tmp_path / "b", found, cases.ORIGIN, bundle)
    first, second = Path(f"{one}.zip"), Path(f"{other}.zip")
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "out")
    assert names == sorted(names)
    assert {name.split("/")[0] for name in names} == {one.name}
    for file in (p for p in one.rglob("*") if p.is_file()):
        unpacked = tmp_path / "out" / one.name / file.relative_to(one)
        assert unpacked.read_bytes() == file.read_bytes()


def test_a_huge_failure_is_not_zipped_and_says_so(tmp_path, failing, monkeypatch):
    """Above the limit there is a folder but no archive, also not that of an earlier run."""
    bundle, found = failing
    made = write_failure(tmp_path / "failures", found, cases.ORIGIN, bundle)
    monkeypatch.setattr(folder, "ZIP_LIMIT_BYTES", 1000)
    assert write_failure(tmp_path / "failures", found, cases.ORIGIN, bundle) == made
    assert not Path(f"{made}.zip").exists()
    assert "`conformance pack` makes one of any size" in (made / "REPRO.md").read_text()


# the script ---------------------------------------------------------------------------------


def test_the_script_shows_the_failure_and_then_that_it_is_gone(tmp_path, failing):
    """Exit 1 with each output's error against its limit; 0 once the model is right."""
    bundle, found = failing
    made = write_failure(tmp_path / "failures", found, cases.ORIGIN, bundle)
    ran = run_alone(made)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert re.search(r"y: worst error \S+e-0\d, limit \S+ \(\S+x\), at \[\d, \d+\] of", ran.stdout)
    assert ran.stdout.endswith("BEYOND\nthe failure shows\n")
    limit = found.parity.outputs[0].limit
    assert f"limit {limit:.3g} " in ran.stdout
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["m"]),
        helper.make_node("Cast", ["m"], ["d"], to=TensorProto.DOUBLE),
        helper.make_node("Elu", ["d"], ["e"]),
        helper.make_node("Cast", ["e"], ["y"], to=TensorProto.FLOAT),
    ]
    cases.save(made / "model.onnx", nodes, {"w": cases.small_weights()})
    ran = run_alone(made)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.endswith("the failure is gone\n")


def test_the_script_agrees_with_a_replay(tmp_path, failing, capsys):
    """`conformance replay` of the folder gives the verdict, limit and text of the run."""
    bundle, found = failing
    made = write_failure(tmp_path / "failures", found, cases.ORIGIN, bundle)
    out = tmp_path / "out.json"
    assert main(["replay", str(made), "--json", str(out)]) == 1
    (case,) = json.loads(out.read_text())["cases"]
    assert case["reason"] == found.reason
    assert case["parity"]["outputs"][0]["limit"] == found.parity.outputs[0].limit


def test_a_refused_model_shows_by_being_refused(tmp_path):
    """A session failure has no numbers: exit 1 with ONNX Runtime's words, 0 when it runs."""
    bundle = cases.elu_bundle(tmp_path / "bundle", source=cases.small_weights())
    odd = [helper.make_node("Odd", ["x"], ["y"], domain="odd")]
    place = bundle.path / "model.onnx"
    right = place.read_bytes()
    cases.save(place, odd, {}, domain="odd")
    shutil.rmtree(bundle.path / "test_data_set_1")
    shutil.rmtree(bundle.path / "reference_fp64")
    (x,) = cases.inputs(3)
    answer = np.round(cases.elu(x, cases.small_weights()), 3)
    refused = cases.bundle_of(bundle.path, [DataSet({"x": x}, {"y": answer}, None)])
    found = cases.record_of(refused)
    assert found.stage is Stage.SESSION
    made = write_failure(tmp_path / "failures", found, cases.ORIGIN, refused)
    ran = run_alone(made)
    assert ran.returncode == 1
    assert "odd:Odd(-1) is not a registered function/op" in ran.stdout
    (made / "model.onnx").write_bytes(right)
    told = json.loads((made / "repro.json").read_text())
    assert told["outputs"][0]["rule"] == "declared"
    told["outputs"][0] |= {"atol": 1.0}
    (made / "repro.json").write_text(json.dumps(told))
    assert run_alone(made).returncode == 0


def test_what_numbers_cannot_show_is_not_called_gone(tmp_path):
    """A vacuous case, a damaged tensor and an absent provider are exit 2, with the reason."""
    bundle = cases.elu_bundle(tmp_path / "bundle", weights=np.ones(64, "f4"))
    found = replace(cases.record_of(bundle), verdict=Verdict.VACUOUS, reason="it is constant")
    made = write_failure(tmp_path / "failures", found, cases.ORIGIN, bundle)
    ran = run_alone(made)
    assert ran.returncode == 2
    assert "not one that a comparison of numbers shows" in (made / "REPRO.md").read_text()
    assert "reported: it is constant" in ran.stdout
    assert "cannot tell" in ran.stdout
    absent = run_alone(made, "--provider", "QNNExecutionProvider")
    assert absent.returncode == 2
    assert "this onnxruntime has no QNNExecutionProvider" in absent.stdout
    tensor = made / "test_data_set_0" / "input_0.pb"
    tensor.write_bytes(tensor.read_bytes()[:-3])
    ran = run_alone(made)
    assert ran.returncode == 2
    assert "input_0.pb" in ran.stdout


def test_a_failure_at_another_shape_is_shown_there(tmp_path):
    """Where only a probe fails, the script runs the probe: a model that is silently static."""
    bundle = cases.elu_bundle(tmp_path / "bundle", weights=np.ones(64, "f4"))
    nodes = [
        helper.make_node("Slice", ["x", "from", "to", "axis"], ["s"]),
        helper.make_node("Relu", ["s"], ["y"]),
    ]
    ends = {"from": [0], "to": [4], "axis": [0]}
    place = tmp_path / "sliced"
    place.mkdir()
    cases.save(place / "model.onnx", nodes, {k: np.array(v) for k, v in ends.items()})
    sets = [
        DataSet({"x": x}, {"y": np.maximum(x, 0)}, {"y": np.maximum(x, 0).astype("f8")})
        for x in cases.inputs(3, 4)
    ]
    info, _ = cases.probe(size=9)
    (x,) = cases.inputs(9)
    answer = np.maximum(x, 0)
    data = DataSet({"x": x}, {"y": answer}, {"y": answer.astype("f8")})
    bundle = cases.bundle_of(place, sets, probes=[(info, data)])
    passed = cases.record_of(bundle)
    assert passed.verdict is Verdict.PASS
    shape = ShapeProbe("batch", 9, ShapeOutcome.SILENTLY_STATIC)
    report = replace(passed.parity, generalization=Generalization((shape,)))
    found = replace(passed, verdict=Verdict.FAIL, reason=shape.problem, parity=report)
    made = write_failure(tmp_path / "failures", found, cases.ORIGIN, bundle)
    ran = run_alone(made)
    assert ran.returncode == 1
    assert "float32(4, 64) on probes/batch-9, expected float32(9, 64)" in ran.stdout


def test_a_probe_has_the_limit_of_its_own_scale(tmp_path):
    """Larger answers at another size may err by more, as in the run: no failure is made up."""
    place = tmp_path / "bundle"
    place.mkdir()
    nodes = [helper.make_node("ReduceSum", ["x", "axis"], ["y"], keepdims=0)]
    cases.save(place / "model.onnx", nodes, {"axis": np.array([0])})

    def summed(rows):
        (x,) = cases.inputs(rows)
        x = np.abs(x)
        # one after another, as ONNX Runtime adds; NumPy's sum would be luckily exact
        return DataSet({"x": x}, {"y": x.cumsum(axis=0)[-1]}, {"y": x.astype("f8").sum(axis=0)})

    info, _ = cases.probe(size=3000)
    bundle = cases.bundle_of(place, [summed(3), summed(4)], probes=[(info, summed(3000))])
    passed = cases.record_of(bundle)
    assert passed.verdict is Verdict.PASS
    shape = ShapeProbe("batch", 3000, ShapeOutcome.WRONG_VALUES)
    report = replace(passed.parity, generalization=Generalization((shape,)))
    found = replace(passed, verdict=Verdict.FAIL, reason=shape.problem, parity=report)
    made = write_failure(tmp_path / "failures", found, cases.ORIGIN, bundle)
    ran = run_alone(made)
    assert (ran.returncode, ran.stderr) == (0, "")
    told = json.loads((made / "repro.json").read_text())
    told["outputs"][0]["elsewhere"] = {}
    (made / "repro.json").write_text(json.dumps(told))
    assert run_alone(made).returncode == 1


def test_words_that_only_look_private_stay():
    """Node names, words beside "token" and ordinary URLs are no secrets."""
    for text in (
        "expected token position_embeddings_of_something",
        "node /encoder/layer.0/attention/self/MatMul is wrong",
        "see https://example.org/tmp/page and 1/2 of /a",
        "bert-tiny@dynamo-op18-fp32-cpu",
    ):
        assert Scrubber().text(text) == text


@pytest.mark.parametrize(
    ("dtype", "right", "wrong"),
    [
        ("float64", [0.5, 1.5], [0.5, 2.5]),
        ("float16", [0.5, 1.5], [0.5, 2.5]),
        ("int64", [-1, 2**40], [-1, 2]),
        ("uint8", [1, 255], [1, 254]),
        ("bool", [True, False], [True, True]),
        (object, ["å", "b c"], ["å", "d"]),
    ],
)
def test_the_script_reads_tensors_of_every_type(tmp_path, dtype, right, wrong):
    """Numbers, bools and text are read without onnx; a wrong element shows, right ones do not."""
    array = np.array(right, dtype)
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    for name, stored, code in (("good", right, 2), ("bad", wrong, 1)):
        place = tmp_path / name
        place.mkdir()
        node = helper.make_node("Identity", ["x"], ["y"])
        cases.save(place / "model.onnx", [node], {}, dtype=kind)
        sets = [DataSet({"x": array}, {"y": np.array(stored, dtype)}, None)]
        bundle = cases.bundle_of(place, sets)
        found = replace(cases.record_of(bundle), verdict=Verdict.VACUOUS, reason="one input set")
        ran = run_alone(write_failure(tmp_path / "failures", found, cases.ORIGIN, bundle))
        assert (ran.returncode, ran.stderr) == (code, ""), ran.stdout


def test_the_script_does_not_take_bfloat16_for_the_failure(tmp_path):
    """NumPy has no such type: what the script cannot read is no proof of anything."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    place = tmp_path / "bundle"
    place.mkdir()
    x = np.array([0.5, 1.5], ml_dtypes.bfloat16)
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    cases.save(place / "model.onnx", [helper.make_node("Identity", ["x"], ["y"])], {}, dtype=kind)
    bundle = cases.bundle_of(place, [DataSet({"x": x}, {"y": x * 2}, None)])
    found = cases.record_of(bundle)
    assert "error 1.5 at [1]" in found.reason
    ran = run_alone(write_failure(tmp_path / "failures", found, cases.ORIGIN, bundle))
    assert ran.returncode == 2
    assert "cannot tell" in ran.stdout


def test_the_reduced_model_has_its_own_script(tmp_path, failing):
    """It is where the explanation says, and shows the error with half of it as the limit."""
    bundle, found = failing
    reduced = tmp_path / "findings" / "cut"
    reduced.mkdir(parents=True)
    cases.save(reduced / "model.onnx", [helper.make_node("Elu", ["x"], ["y"])], {})
    (x,) = cases.inputs(3)
    x = x * np.float32(1e-3)
    exact = np.where(x > 0, x, np.expm1(x.astype("f8"))).astype("f4")
    cases.write_data_sets(reduced, [DataSet({"x": x}, {"y": exact}, None)])
    known = ReducedModel("reduced-model", 1, 5e-8)
    summary = "the kernel of Elu errs by 5e-08"
    explanation = Explanation("y", 1e-9, (), Guilty.KERNEL, summary, reduced=known)
    found = replace(found, explanation=explanation)
    made = write_failure(tmp_path / "failures", found, cases.ORIGIN, bundle, reduced)
    ran = run_alone(made, "reduced-model")
    assert ran.returncode == 1
    assert "limit 2.5e-08" in ran.stdout
    assert summary in (made / "REPRO.md").read_text()
    assert run_alone(made / "reduced-model").returncode == 1


def test_rows_set_aside_as_ties_do_not_show(tmp_path):
    """As many differing rows as the run set aside are no failure; one more is."""
    place = tmp_path / "bundle"
    place.mkdir()
    labels = helper.np_dtype_to_tensor_dtype(np.dtype("int64"))
    cases.save(place / "model.onnx", [helper.make_node("Identity", ["x"], ["y"])], {}, dtype=labels)
    x = np.arange(20)
    answer = x.copy()
    answer[3] = 99
    bundle = cases.bundle_of(place, [DataSet({"x": x}, {"y": answer}, None)])
    found = cases.record_of(bundle)
    assert isinstance(found.parity, ParityReport)
    tied = replace(found.parity.outputs[0], problem=None, set_aside=1)
    found = replace(found, parity=replace(found.parity, outputs=(tied,), problems=("another",)))
    made = write_failure(tmp_path / "failures", found, cases.ORIGIN, bundle)
    ran = run_alone(made)
    assert ran.returncode == 0
    assert "1 rows set aside as ties" in ran.stdout
    told = json.loads((made / "repro.json").read_text())
    told["outputs"][0]["set_aside"] = 0
    (made / "repro.json").write_text(json.dumps(told))
    assert run_alone(made).returncode == 1


# privacy ------------------------------------------------------------------------------------


def test_nothing_private_leaves_the_machine(tmp_path, monkeypatch):
    """No home, working or temporary folder, login or token is in any file of the archive."""
    token, folder_of_user = "hf_" + "a1B2" * 8, "/home/somebody/secret-project/net.py"
    monkeypatch.setenv("SOME_API_TOKEN", "correct-horse-battery")
    here = str(Path.cwd())
    bundle = cases.elu_bundle(
        tmp_path / "bundle", doc=f'File "{folder_of_user}", line 3, made in {here}/x'
    )
    found = replace(
        cases.record_of(bundle),
        reason=f"{tmp_path}/bundle is wrong, says {folder_of_user}",
        details=f"https://me:pw@host/x {token} correct-horse-battery\n{sys.prefix}/lib/a.py",
    )
    entry = cases.ENTRY.model_copy(update={"conversion": {"script": f"{Path.home()}/x.py"}})
    origin = replace(cases.ORIGIN, entry=entry, machine={"note": f"{here}/y"})
    made = write_failure(tmp_path / "failures", found, origin, bundle)
    private = [token, "somebody", "correct-horse", "me:pw", here, str(tmp_path)]
    private += [sys.prefix, f"{Path.home()}/"]
    for file in (p for p in made.rglob("*") if p.is_file()):
        data = file.read_bytes()
        assert not [text for text in private if text.encode() in data], file
    model = onnx.load(made / "model.onnx")
    assert model.doc_string == 'File "…/secret-project/net.py", line 3, made in ./x'
    # the model was changed, in what people read: its digest is the new one, and it still runs
    assert read_bundle(made).manifest.files != bundle.manifest.files
    assert run_alone(made).returncode == 1
    assert "<$SOME_API_TOKEN>" in (made / "error.txt").read_text()
