"""Conversions of models of other places, by servers on loopback and a local Git repository."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from conformance.api import ModelManager, OnnxVerificationError, TensorFlowConverter
from conformance.cli import main
from conformance.detection import Wishes, parse_input
from conformance.model import Stage
from conformance.single import CERTIFICATE, ConversionFailed, Place, Step, convert

sys.path.insert(0, str(Path(__file__).parents[1] / "sources"))
from file_server import Files, serving_files
from modelscope_server import ModelScope, serving_modelscope

HANDLE = "somebody/doubling/tensorFlow2/small/1"
HUBCONF = """
dependencies = ["torch"]
import torch


def scaled():
    model = torch.nn.Linear(3, 2)
    torch.nn.init.constant_(model.weight, 0.7)
    return model
"""


@pytest.fixture
def place(tmp_path, kept_children):
    return Place(cache_dir=tmp_path / "cache", executor=kept_children)


def test_a_github_repository_is_converted_at_its_commit(tmp_path, place, monkeypatch):
    """Git fetches it, its only function builds the model, and the certificate names both."""
    pytest.importorskip("torch")
    if shutil.which("git") is None:
        pytest.skip("no Git")
    folder = tmp_path / "remotes" / "someone" / "nets.git"
    folder.mkdir(parents=True)
    (folder / "hubconf.py").write_text(HUBCONF)
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "x")):
        subprocess.run(["git", "-C", folder, *who, *arguments], check=True)
    commit = subprocess.run(
        ["git", "-C", folder, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{(tmp_path / 'remotes').as_uri()}/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.com/")
    inputs = dict([parse_input("input=float32[batch,3]")])
    wishes = Wishes(exporter="torchscript", inputs=inputs, trust_remote_code=True)
    told = []
    name = f"torch_hub:someone/nets@{commit}"
    done = convert(name, tmp_path / "out", wishes, place, told.append)
    source = done.certificate.entry["source"]
    assert (source["torch_hub"], source["revision"]) == ("someone/nets", commit)
    assert source["entrypoint"] == "scaled"
    assert Step.DOWNLOAD in {p.step for p in told}
    # a clone of it is the same model, by its folder
    clone = tmp_path / "clone"
    shutil.copytree(folder, clone)
    done = convert(f"{clone}#scaled", tmp_path / "out", wishes, place)
    assert done.certificate.entry["source"]["torch_hub"] == "./clone"
    assert done.certificate.record.ref.trusted == ("trust_remote_code",)


def test_saved_models_of_kaggle_and_of_an_address_are_converted(tmp_path, place, monkeypatch):
    """Both by one archive; the address is pinned to the digest of what came."""
    tf = pytest.importorskip("tensorflow")
    pytest.importorskip("tf2onnx")

    class Doubling(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
        def __call__(self, x):
            return {"y": x + x}

    tf.saved_model.save(Doubling(), tmp_path / "saved")
    with tarfile.open(tmp_path / "m.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "saved", ".")
    archive = (tmp_path / "m.tar.gz").read_bytes()
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "kaggle"))
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME"):
        monkeypatch.delenv(name, raising=False)
    paths = (f"/api/v1/models/{HANDLE}/download", "/doubling.tar.gz")
    with serving_files(Files(dict.fromkeys(paths, archive))) as server:
        monkeypatch.setenv("KAGGLE_API_ENDPOINT", server.url)
        converter = TensorFlowConverter(place.cache_dir, executor=place.executor)
        assert converter.supports(f"kaggle:{HANDLE}")
        done = converter.convert(f"kaggle:{HANDLE}", tmp_path / "one")
        assert done.certificate.case == "tensorflow/doubling-small@tf2onnx-op18-fp32-cpu"
        server.requests.clear()
        done = convert(f"{server.url}/doubling.tar.gz", tmp_path / "two", None, place)
        digest = hashlib.sha256(archive).hexdigest()
        assert done.certificate.entry["source"]["sha256"] == digest
        assert any(f"#sha256={digest}" in line for line in done.certificate.detection)
        assert len(server.requests) == 1
    offline = Place(cache_dir=place.cache_dir, executor=place.executor, offline=True)
    pinned = f"{server.url}/doubling.tar.gz#sha256={digest}"
    again = convert(pinned, tmp_path / "three", None, offline)
    assert again.certificate.record.export.cached


@pytest.fixture
def scope(tmp_path, monkeypatch, tiny_gpt2):
    """A ModelScope with a tiny model, as it delivers them."""
    pytest.importorskip("modelscope_hub")
    shutil.copytree(tiny_gpt2, tmp_path / "remote")
    (tmp_path / "remote" / "configuration.json").write_text('{"task": "text-generation"}')
    monkeypatch.delenv("MODELSCOPE_API_TOKEN", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("MODELSCOPE_HOME", str(tmp_path / "home"))
    with serving_modelscope(ModelScope("tiny/gpt2", tmp_path / "remote")) as held:
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", held.url)
        yield held


@pytest.fixture(scope="module")
def tiny_gpt2(tmp_path_factory):
    """A seeded model, saved as repositories have it."""
    transformers = pytest.importorskip("transformers")
    import torch

    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=60, n_embd=16, n_layer=1, n_head=2, n_positions=32, initializer_range=0.3
    )
    folder = tmp_path_factory.mktemp("saved") / "gpt2"
    transformers.GPT2Model(config).eval().save_pretrained(folder)
    return folder


def test_the_command_converts_what_modelscope_does_not_ship(scope, tmp_path, kept_children):
    """The place is asked, its own client downloads, and the registry keeps the conversion."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("conformance.execution.child.children", lambda: kept_children)
        asked = ["check", "--model", "modelscope:tiny/gpt2@v1", "--convert"]
        asked += ["--cache-dir", str(tmp_path / "cache"), "--output", str(tmp_path / "r.json")]
        assert main(asked) == 0
    (made,) = json.loads((tmp_path / "r.json").read_text())["models"]
    assert made["status"] == "converted"
    certificate = json.loads((Path(made["local_path"]).parent / CERTIFICATE).read_text())
    assert certificate["entry"]["source"]["modelscope"] == "tiny/gpt2"
    assert certificate["verdict"] == "pass"
    scope.requests.clear()
    manager = ModelManager(tmp_path / "cache")
    assert manager.get("modelscope:tiny/gpt2@v1") == Path(made["local_path"])
    assert manager.get("modelscope:tiny/gpt2") is None, "another revision is another model"
    assert scope.requests == []
    assert (manager.pull("modelscope:tiny/gpt2") / "config.json").is_file()
    with pytest.raises(OnnxVerificationError, match="is no model of another place"):
        manager.pull("./here")


def test_a_missing_client_and_a_missing_copy_are_told_apart(tmp_path, place, monkeypatch):
    """The one is code 31 with what to install, the other a load error with the way out."""
    for client in ("huggingface_hub", "modelscope_hub"):
        pytest.importorskip(client)
    offline = Place(cache_dir=place.cache_dir, executor=place.executor, offline=True)
    for name in ("modelscope:org/name", f"kaggle:{HANDLE}", "org/name"):
        with pytest.raises(ConversionFailed, match="run once online") as caught:
            convert(name, tmp_path / "out", None, offline)
        assert (caught.value.stage, caught.value.exit_code) == (Stage.LOAD, 10)
        # a name alone may have been meant for a path
        assert ("no file or folder 'org/name' here" in str(caught.value)) == (name == "org/name")
    monkeypatch.setattr("conformance.requirements.installed_version", lambda _: None)
    with pytest.raises(ConversionFailed, match=r"pip install '.*\[modelscope\]'") as caught:
        convert("modelscope:org/name", tmp_path / "out", None, place)
    assert caught.value.exit_code == 31
    assert not (tmp_path / "out").exists()
