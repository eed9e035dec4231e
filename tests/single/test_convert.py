"""One model at a time, with real frameworks: what is written, and at which stage it ends."""

from __future__ import annotations

import hashlib
import json
import shutil
from importlib.resources import files

import numpy as np
import pytest
from jsonschema import Draft202012Validator

import conformance
from conformance.api import OnnxConversionError
from conformance.cli import main
from conformance.detection import Wishes
from conformance.model import Stage, Verdict
from conformance.single import CERTIFICATE, ConversionFailed, Place, Step, convert
from conformance.single.document import certificate_schema

pytest.importorskip("skl2onnx")

SCHEMA = json.loads(
    files("conformance").joinpath("schemas", "certificate.schema.json").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Fitted estimators in files: one that converts, and three that end at other stages."""
    import joblib
    from sklearn.datasets import load_breast_cancer, load_iris
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC
    from skops import io

    folder = tmp_path_factory.mktemp("models")
    x, y = load_iris(return_X_y=True)
    io.dump(LogisticRegression(max_iter=500).fit(x, y), folder / "iris.skops")
    # skl2onnx stores booleans where only integers may be
    joblib.dump(HistGradientBoostingClassifier(max_iter=3).fit(x, y), folder / "boosting.joblib")
    # its converter turns the sign of a binary SVC's scores
    x, y = load_breast_cancer(return_X_y=True)
    joblib.dump(SVC().fit(x[:, :3] / 10, y), folder / "svc.joblib")
    (folder / "broken.skops").write_bytes(b"PK\x03\x04 and no more")
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory, kept_children):
    """A cache that the tests of this module share."""
    return Place(cache_dir=tmp_path_factory.mktemp("cache"), executor=kept_children)


@pytest.fixture(scope="module")
def iris(models, place, tmp_path_factory):
    """The conversion of the estimator that converts, with the steps that were told."""
    told = []
    out = tmp_path_factory.mktemp("converted") / "iris"
    return convert(str(models / "iris.skops"), out, None, place, told.append), told


def keeping(place):
    return Place(cache_dir=place.cache_dir, executor=place.executor, keep_failed=True)


def failing(model, out, place, **wishes):
    with pytest.raises(ConversionFailed) as caught:
        convert(str(model), out, Wishes(**wishes), place)
    return caught.value


def test_a_proven_model_is_written_with_its_certificate(iris):
    """The model runs, and the certificate says what was compared and the digest of its file."""
    import onnxruntime

    done, _ = iris
    assert sorted(p.name for p in done.model.parent.iterdir()) == [CERTIFICATE, "model.onnx"]
    session = onnxruntime.InferenceSession(done.model)
    (label, _) = session.run(None, {"x": np.array([[5.1, 3.5, 1.4, 0.2]], np.float32)})
    assert label.tolist() == [0]
    data = json.loads(done.certificate_file.read_text())
    Draft202012Validator(SCHEMA).validate(data)
    assert data["verdict"] == "pass"
    assert data["case"] == "sklearn/iris@skl2onnx-op22-fp32-cpu"
    digest = hashlib.sha256(done.model.read_bytes()).hexdigest()
    assert data["files"]["model.onnx"]["sha256"] == digest
    compared = data["record"]["parity"]
    assert [o["name"] for o in compared["outputs"]] == ["label", "probabilities"]
    assert all(o["limit"] is not None for o in compared["outputs"])
    assert compared["data_sets"] == 3
    assert "skl2onnx" in data["versions"]
    assert any("drawn from" in line for line in data["detection"])


def test_the_published_schema_is_that_of_the_value():
    """certificate.schema.json is what the certificate's type says, and a valid schema."""
    Draft202012Validator.check_schema(SCHEMA)
    text = json.dumps(certificate_schema(), indent=2, ensure_ascii=False)
    assert json.loads(text) == SCHEMA, "the evidence has changed: write this text to the file"


def test_every_step_is_told_once_and_timed(iris):
    """Progress names each step in order, with its seconds at its end."""
    _, told = iris
    ended = [p.step for p in told if p.seconds is not None]
    assert ended[:2] == [Step.DETECT, Step.LOAD]
    assert ended[-2:] == [Step.VERIFY, Step.WRITE]
    assert [p.step for p in told if p.seconds is None] == ended


def test_the_cache_serves_the_second_conversion(iris, models, place, tmp_path):
    """The same model is not converted twice; what it gives is the same file."""
    done, _ = iris
    again = convert(str(models / "iris.skops"), tmp_path / "again", None, place)
    assert again.certificate.record.export.cached
    assert again.model.read_bytes() == done.model.read_bytes()


def test_a_failed_export_writes_nothing(models, place, tmp_path):
    """The stage, its code and the exporter's reason are told; the output folder is not made."""
    out = tmp_path / "out"
    failed = failing(models / "boosting.joblib", out, place, allow_pickle=True)
    assert (failed.stage, failed.exit_code) == (Stage.EXPORT, 13)
    assert "skl2onnx cannot convert HistGradientBoostingClassifier" in str(failed)
    assert not out.exists()
    assert failed.certificate.files == {}


def test_a_wrong_conversion_is_not_written_unless_asked_for(iris, models, place, tmp_path):
    """A wrong model leaves a former conversion as it is; --keep-failed writes it, as failed."""
    out = tmp_path / "former"
    shutil.copytree(iris[0].model.parent, out)
    before = (out / CERTIFICATE).read_text()
    failed = failing(models / "svc.joblib", out, place, allow_pickle=True)
    assert (failed.stage, failed.exit_code) == (Stage.PARITY, 16)
    assert "probabilities" in str(failed)
    assert (out / CERTIFICATE).read_text() == before
    out = tmp_path / "kept"
    failing(models / "svc.joblib", out, keeping(place), allow_pickle=True)
    data = json.loads((out / CERTIFICATE).read_text())
    assert data["verdict"] == Verdict.FAIL
    assert (out / "model.onnx").is_file()
    assert (out / "failure" / "REPRO.md").is_file()
    Draft202012Validator(SCHEMA).validate(data)


def test_what_cannot_be_read_is_told_from_what_does_not_tell(models, place, tmp_path):
    """A damaged file fails at load; a pickle without leave is refused before it is read."""
    broken = failing(models / "broken.skops", tmp_path / "out", place)
    assert (broken.stage, broken.exit_code) == (Stage.LOAD, 10)
    assert "no readable skops file" in str(broken)
    refused = failing(models / "svc.joblib", tmp_path / "out", place)
    assert (refused.stage, refused.exit_code) == (None, 3)
    assert "--allow-pickle" in str(refused)


def test_the_command_writes_tells_and_exits(models, place, tmp_path, capsys, monkeypatch):
    """Stdout is the certificate alone with --json -, progress is on stderr, codes are stages'."""
    monkeypatch.setattr("conformance.single.converting.children", lambda _: place.executor)
    arguments = ["--cache-dir", str(place.cache_dir)]
    out = tmp_path / "out"
    model = str(models / "iris.skops")
    assert main(["convert", model, "-o", str(out), "--json", "-", *arguments]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == json.loads((out / CERTIFICATE).read_text())
    assert next(line.split()[0] for line in said.err.splitlines()) == "detect"
    assert main(["convert", str(models / "nothing.pt"), "-o", str(out)]) == 3
    assert "there is no file or folder" in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "diary.txt").write_text("mine")
    assert main(["convert", model, "-o", str(tmp_path / "full")]) == 2
    assert "no conversion of ours" in capsys.readouterr().err


def test_an_entry_of_a_zoo_is_converted_as_it_is_written(place, tmp_path):
    """file.yaml#id runs the entry with its own inputs."""
    zoo = tmp_path / "zoo.yaml"
    zoo.write_text(
        "models:\n"
        "  - id: pca\n    framework: sklearn\n    source: {factory: 'own:pca'}\n"
        "    inputs: {spec: {x: {shape: [n, 4]}}, sets: [{n: 5}, {n: 2}]}\n"
        "    opsets: [18]\n"
    )
    (tmp_path / "own.py").write_text(
        "def pca():\n"
        "    from sklearn.datasets import load_iris\n"
        "    from sklearn.decomposition import PCA\n"
        "    return PCA(2).fit(load_iris().data)\n"
    )
    done = convert(f"{zoo}#pca", tmp_path / "out", None, place)
    assert done.certificate.case == "sklearn/pca@skl2onnx-op18-fp32-cpu"
    assert done.certificate.record.parity.data_sets == 2


STAGES = """\
import os
import signal

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA


def pca():
    return PCA(2).fit(load_iris().data)


class Broken(TransformerMixin, BaseEstimator):
    def fit(self, x):
        self.n_features_in_ = x.shape[1]
        return self

    def transform(self, x):
        raise ValueError("not today")

    def __sklearn_is_fitted__(self):
        return True


def broken():
    return Broken().fit(load_iris().data)


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def no_inputs(seed):
    raise ValueError("nothing to give")
"""
SPEC = "{spec: {x: {shape: [n, 4]}}, sets: [{n: 5}, {n: 2}]}"


@pytest.mark.parametrize(
    ("source", "ends", "said"),
    [
        (("pca", "inputs: {factory: 'stages:no_inputs'}"), (Stage.INPUTS, 11), "nothing to give"),
        (("broken", f"inputs: {SPEC}"), (Stage.REFERENCE, 12), "not today"),
        (("killed", f"inputs: {SPEC}"), (Stage.LOAD, 30), "SIGKILL"),
        (
            ("pca", f"inputs: {SPEC}\n    requires: [no-such-package]"),
            (Stage.LOAD, 31),
            "no-such-package not installed",
        ),
    ],
)
def test_each_stage_ends_with_its_code_and_writes_nothing(place, tmp_path, source, ends, said):
    """Real failures of a source, its inputs and its process are told apart."""
    factory, more = source
    (tmp_path / "stages.py").write_text(STAGES)
    zoo = tmp_path / "zoo.yaml"
    zoo.write_text(
        "models:\n  - id: m\n    framework: sklearn\n"
        f"    source: {{factory: 'stages:{factory}'}}\n"
        f"    {more}\n"
    )
    failed = failing(zoo, tmp_path / "out", place)
    assert (failed.stage, failed.exit_code) == ends, str(failed)
    assert said in str(failed)
    assert not (tmp_path / "out").exists()


def test_the_function_of_the_package_raises_the_apis_error(models, tmp_path):
    """`conformance.convert` is there without importing more, and fails with the evidence."""
    with pytest.raises(OnnxConversionError, match=r"--allow-pickle"):
        conformance.convert(models / "svc.joblib", tmp_path / "out", cache_dir=tmp_path)
    with pytest.raises(OnnxConversionError, match="'inputs'"):
        conformance.convert("org/x", tmp_path / "out", inputs={"x": {"shape": [2], "low": "a"}})
