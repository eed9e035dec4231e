"""Bundles that were honest once: damaged, cut short, or made to say something else."""

from __future__ import annotations

import json
import os
import shutil
from importlib import import_module

import numpy as np
import pytest
from test_liars import PUBLISHED
from zoo_cases import HERE, located, ref

from conformance.bundle import MANIFEST, MODEL, digest_files
from conformance.engine import Engine
from conformance.execution.child import children
from conformance.model import Stage, TestKind, Verdict, to_json
from conformance.replay import Replay, find_model_folders
from conformance.tasks import Settings
from conformance.tensors import read_tensors, write_tensors


def _edit_manifest(folder, **changes):
    file = folder / MANIFEST
    manifest = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps(manifest))


def _sealed(folder):
    """Make the digests those of the files as they are, so that they give nothing away."""
    digests = {name: to_json(digest) for name, digest in digest_files(folder).items()}
    _edit_manifest(folder, files=digests)


def _older_answers(folder, *, reference):
    """Replace the answers by those of another version of the model."""
    honest = import_module("miniatures").Honest()
    model = honest.load(None)
    model.weight = (model.weight * np.float32(1.01)).astype("f4")
    for number in range(2):
        feeds = read_tensors(folder / f"test_data_set_{number}", "input")
        if reference:
            exact = {"x": feeds["x"].astype("f8")}
            with honest.in_float64(model) as double:
                answers = honest.outputs(double, honest.bind(double, exact)())
            place = folder / "reference_fp64" / f"test_data_set_{number}"
        else:
            answers = honest.outputs(model, honest.bind(model, feeds)())
            place = folder / f"test_data_set_{number}"
        write_tensors(place, "output", answers)
    _sealed(folder)


def stale_reference(folder):
    """All reference answers are those of an older version of the model."""
    _older_answers(folder, reference=False)
    _older_answers(folder, reference=True)


def stale_float64(folder):
    """The float64 answers are those of an older version of the model."""
    _older_answers(folder, reference=True)


def other_model(folder):
    """The model was replaced by that of other weights."""
    kind = import_module("miniatures").OtherWeights()
    case = located("OtherWeights").case
    job = type("Job", (), {"case": case})
    kind.export(kind.load(job), job, {}, folder / MODEL)
    _sealed(folder)


def flipped_bit(folder):
    """One bit of an input tensor is flipped."""
    file = folder / "test_data_set_1" / "input_0.pb"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def truncated_tensor(folder):
    """A tensor file ends in the middle, and its digest was made for what is left."""
    file = folder / "test_data_set_1" / "output_1.pb"
    file.write_bytes(file.read_bytes()[:-5])
    _sealed(folder)


def no_answers(folder):
    """A data set has inputs and no outputs."""
    for file in (folder / "test_data_set_1").glob("output_*.pb"):
        file.unlink()
    _sealed(folder)


def lost_data_set(folder):
    """A data set that the manifest counts is gone."""
    shutil.rmtree(folder / "test_data_set_1")
    _sealed(folder)


def no_data_sets(folder):
    """The manifest counts no data sets, so that there is nothing to compare."""
    for place in (*folder.glob("test_data_set_*"), folder / "reference_fp64"):
        shutil.rmtree(place)
    _sealed(folder)
    _edit_manifest(folder, data_sets=0)


def custom_op(folder):
    """The model needs an operator that ONNX Runtime does not have."""
    import onnx

    made = onnx.load(folder / MODEL)
    made.graph.node[0].domain = "com.example"
    made.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
    onnx.save(made, folder / MODEL)
    _sealed(folder)


def truncated_model(folder):
    """The model file ends in the middle."""
    file = folder / MODEL
    file.write_bytes(file.read_bytes()[:-20])
    _sealed(folder)


def broken_manifest(folder):
    """The manifest is cut short."""
    file = folder / MANIFEST
    file.write_text(file.read_text()[:-10])


def newer_manifest(folder):
    """The manifest was written by a later version of this package."""
    _edit_manifest(folder, schema_version=99)


SABOTAGE = [
    (stale_reference, Verdict.FAIL, Stage.PARITY, "its limit"),
    (stale_float64, Verdict.VACUOUS, Stage.PARITY, "noise"),
    (other_model, Verdict.FAIL, Stage.PARITY, "its limit"),
    (flipped_bit, Verdict.FAIL, Stage.PARITY, "test_data_set_1/input_0.pb is damaged"),
    (truncated_tensor, Verdict.FAIL, Stage.PARITY, "test_data_set_1/output_1.pb holds no ONNX"),
    (no_answers, Verdict.FAIL, Stage.PARITY, "test_data_set_1 holds outputs []"),
    (lost_data_set, Verdict.FAIL, Stage.PARITY, "test_data_set_1 holds outputs []"),
    (no_data_sets, Verdict.FAIL, Stage.PARITY, "has no data sets"),
    (custom_op, Verdict.FAIL, Stage.SESSION, "com.example"),
    (truncated_model, Verdict.FAIL, Stage.LOAD, "model.onnx is cut off"),
    (broken_manifest, Verdict.FAIL, Stage.PARITY, "bundle.json cannot be read"),
    (newer_manifest, Verdict.FAIL, Stage.PARITY, "bundle.json has schema_version 99"),
]


@pytest.fixture(scope="module")
def executor():
    made = children({"PYTHONPATH": os.fspath(HERE)})
    yield made
    made.close()


@pytest.fixture
def make_engine(tmp_path, executor):
    """Engines that share one cache, each with nothing in mind."""
    made = []

    def make():
        made.append(tmp_path / f"work-{len(made)}")
        settings = Settings(
            cache_dir=tmp_path / "cache",
            workdir=made[-1],
            progress=tmp_path / "progress.json",
            offline=False,
            require=False,
            seed=0,
            failures_dir=tmp_path / "failures",
        )
        return Engine(settings, executor, {})

    return make


@pytest.fixture
def bundle(make_engine, tmp_path):
    """The bundle of an honest conversion, in the cache."""
    case = located("Honest")
    assert make_engine().run(case, ref(case, TestKind.PARITY)).verdict is Verdict.PASS
    (manifest,) = (tmp_path / "cache").rglob(MANIFEST)
    return manifest.parent


def test_every_sabotaged_bundle_is_told_and_the_rest_of_the_tree_is_replayed(
    bundle, executor, tmp_path
):
    """Each gets its verdict, its stage and a reason that names the file; the honest one passes."""
    tree = tmp_path / "tree"
    shutil.copytree(bundle, tree / "honest")
    for sabotage, *_ in SABOTAGE:
        sabotage(shutil.copytree(bundle, tree / sabotage.__name__))
    replay = Replay(executor, "cpu")
    found = {f.path.name: replay.run(f) for f in find_model_folders(tree)}
    assert len(found) == len(SABOTAGE) + 1
    assert found["honest"].verdict is Verdict.PASS
    wanted = {s.__name__: (verdict, stage) for s, verdict, stage, _ in SABOTAGE}
    assert {name: (found[name].verdict, found[name].stage) for name in wanted} == wanted
    texts = {s.__name__: text for s, _, _, text in SABOTAGE}
    assert {name for name, text in texts.items() if text not in found[name].reason} == set()


@pytest.mark.parametrize("sabotage", [stale_reference, stale_float64, other_model, no_answers])
def test_what_the_digests_cannot_tell_fails_in_the_cache_too(bundle, make_engine, sabotage):
    """A cached bundle is no proof by itself: it is run and compared again each time."""
    sabotage(bundle)
    case, (wanted,) = located("Honest"), [row[1:] for row in SABOTAGE if row[0] is sabotage]
    export, parity = (
        make_engine().run(case, ref(case, test)) for test in (TestKind.EXPORT, TestKind.PARITY)
    )
    assert export.export.cached
    assert (parity.verdict, parity.stage) == wanted[:2]
    assert wanted[2] in parity.reason


@pytest.mark.parametrize("sabotage", [flipped_bit, broken_manifest, newer_manifest])
def test_a_damaged_bundle_in_the_cache_is_made_anew(bundle, make_engine, sabotage):
    """What the digests do tell is dropped with a warning, and converted again."""
    sabotage(bundle)
    case = located("Honest")
    with pytest.warns(UserWarning, match="cached bundle dropped"):
        record = make_engine().run(case, ref(case, TestKind.PARITY))
    assert (record.verdict, record.export.cached) == (Verdict.PASS, False)


def test_the_published_table_of_sabotage_is_true():
    """docs/verdicts.md names each way to spoil a bundle with the verdict that it gets."""
    text = PUBLISHED.read_text()
    for sabotage, verdict, stage, _ in SABOTAGE:
        what, says = sabotage.__name__.replace("_", " "), sabotage.__doc__.removesuffix(".")
        assert f"| {what} | {says} | `{verdict}` | {stage} |" in text
