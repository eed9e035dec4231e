from __future__ import annotations

import sys
from pathlib import Path

import pytest

from conformance.adapters import adapter_for
from conformance.adapters.contract import Job
from conformance.entry import ZooEntry
from conformance.errors import InfraError, LoadError
from conformance.model import Case
from conformance.requirements import missing_requirements
from conformance.sources.modelscope import modelscope_snapshot

pytest.importorskip("modelscope_hub")

sys.path.insert(0, str(Path(__file__).parent))
from modelscope_server import ModelScope, serving_modelscope

WEIGHTS = bytes(range(256)) * 40


@pytest.fixture
def scope(tmp_path, monkeypatch):
    """A ModelScope with one model; the environment points at it and holds no login."""
    folder = tmp_path / "remote"
    (folder / "onnx").mkdir(parents=True)
    (folder / "configuration.json").write_text('{"task": "fill-mask"}')
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    for name in ("MODELSCOPE_API_TOKEN", "MODELSCOPE_DOMAIN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("MODELSCOPE_HOME", str(tmp_path / "home"))
    # tests need not be as patient as the client
    monkeypatch.setattr("modelscope_hub._legacy_api.REPO_TREE_PAGE_MAX_ATTEMPTS", 1)
    monkeypatch.setattr("modelscope_hub._download.DOWNLOAD_RETRY_TIMES", 1)
    monkeypatch.setattr("modelscope_hub._download.DOWNLOAD_INTEGRITY_RETRY_BACKOFF", 0)
    with serving_modelscope(ModelScope("tiny/bert", folder)) as held:
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", held.url)
        yield held


def fetch(tmp_path, revision=None, model="tiny/bert", *, offline=False):
    return modelscope_snapshot(model, revision, tmp_path / "cache", offline=offline)


def test_download_keeps_config_and_safetensors_only(scope, tmp_path):
    """A model's configuration and safe weights are kept, whole and as plain files."""
    folder = fetch(tmp_path)
    names = ["config.json", "configuration.json", "model.safetensors"]
    assert sorted(p.name for p in folder.iterdir()) == names
    for name in names:
        assert (folder / name).read_bytes() == (scope.folder / name).read_bytes()
        assert not (folder / name).is_symlink()


def test_offline_uses_what_is_kept_and_asks_nobody(scope, tmp_path):
    """A branch that was fetched once is found offline; another is not answered with it."""
    online = fetch(tmp_path, "v1")
    scope.requests.clear()
    assert fetch(tmp_path, "v1", offline=True) == online
    with pytest.raises(LoadError, match=r"'tiny/bert' at 'master' is not in .* run once online"):
        fetch(tmp_path, offline=True)
    assert scope.requests == []


def test_kept_commit_needs_no_modelscope(scope, tmp_path):
    """A full commit hash that is kept is used without a request."""
    commit = scope.refs[-1]
    first = fetch(tmp_path, commit)
    scope.requests.clear()
    assert fetch(tmp_path, commit) == first
    assert scope.requests == []


def test_moved_branch_is_fetched_again(scope, tmp_path):
    """Online, a branch with other content gives that content, in a folder of its own."""
    before = fetch(tmp_path)
    (scope.folder / "config.json").write_text('{"model_type": "gpt2"}')
    after = fetch(tmp_path)
    assert after != before
    assert "gpt2" in (after / "config.json").read_text()
    assert "bert" in (before / "config.json").read_text()
    assert fetch(tmp_path, offline=True) == after


def test_a_broken_connection_goes_on_where_it_broke(scope, tmp_path):
    """The client asks for the rest."""
    scope.cuts["model.safetensors"] = [1000]
    folder = fetch(tmp_path)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert ("model.safetensors", "bytes=1000-") in scope.fetched()


def test_a_run_goes_on_where_the_last_one_ended(scope, tmp_path):
    """Whole files of a run that failed are not fetched again, nor the beginning of a file."""
    scope.cuts["model.safetensors"] = [1000, 0, 0]
    with pytest.raises(InfraError, match="cannot be fetched"):
        fetch(tmp_path)
    scope.cuts.clear()
    scope.requests.clear()
    folder = fetch(tmp_path)
    assert scope.fetched() == [("model.safetensors", "bytes=1000-")]
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_damaged_files_are_not_kept(scope, tmp_path, name):
    """What has not the digest of the listing is refused, and fetched anew the next time."""
    scope.damaged.add(name)
    with pytest.raises(InfraError, match="'tiny/bert' arrived damaged"):
        fetch(tmp_path)
    with pytest.raises(LoadError):
        fetch(tmp_path, offline=True)
    scope.damaged.clear()
    assert (fetch(tmp_path) / name).read_bytes() == (scope.folder / name).read_bytes()


def test_a_file_without_a_digest_is_refused(scope, tmp_path):
    """Nobody could tell whether it arrived; nothing is fetched."""
    scope.without_digest.add("config.json")
    with pytest.raises(LoadError, match=r"tells no SHA-256 of 'config\.json'"):
        fetch(tmp_path)
    assert scope.fetched() == []


@pytest.mark.parametrize("path", ["../s.json", "/s.json", "a/../../s.json", "..\\s.json"])
def test_a_listing_leads_nowhere_else(scope, tmp_path, path):
    """The client joins whatever path it is given: it is given none that leads out."""
    scope.listed_too.append({"Path": path, "Type": "blob", "Size": 2, "Sha256": "0" * 64})
    folder = fetch(tmp_path)
    assert path not in [name for name, _ in scope.fetched()]
    assert len(list(folder.iterdir())) == 3


def test_token_opens_a_private_model(scope, tmp_path, monkeypatch):
    """A private model is refused without a token, saying so, and served with it."""
    scope.token = "not-a-real-token"
    with pytest.raises(LoadError, match="set MODELSCOPE_API_TOKEN if it is private"):
        fetch(tmp_path)
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", scope.token)
    assert fetch(tmp_path).is_dir()


@pytest.mark.parametrize(
    ("model", "revision"), [("tiny/bart", None), ("tiny/bert", "v2"), ("tiny/bert", "0" * 40)]
)
def test_what_is_not_there_is_a_load_error(scope, tmp_path, model, revision):
    """Model and revision are named, with the spelling in question."""
    with pytest.raises(LoadError, match=rf"has no model '{model}' with a revision .*spelling"):
        fetch(tmp_path, revision, model)


@pytest.mark.parametrize("model", ["a/b/c", "../a", "a b/c"])
def test_malformed_ids_are_load_errors(scope, tmp_path, model):
    """An id that cannot be one names no folder of the cache."""
    with pytest.raises(LoadError, match="not a hub id"):
        fetch(tmp_path, model=model)
    assert not (tmp_path / "cache").exists()


def test_model_without_safe_weights_is_refused(scope, tmp_path):
    """A repository with pickled weights only is refused before anything is fetched."""
    (scope.folder / "model.safetensors").unlink()
    with pytest.raises(LoadError, match=r"has no \.safetensors weights"):
        fetch(tmp_path)
    assert scope.fetched() == []


def test_a_modelscope_that_is_ill_or_down_is_no_fault_of_the_model(scope, tmp_path, monkeypatch):
    """Both are infrastructure errors, told with the address."""
    scope.broken = 503
    with pytest.raises(InfraError, match=f"cannot be fetched from {scope.url}: ServerError"):
        fetch(tmp_path)
    with serving_modelscope(ModelScope("tiny/bert", scope.folder)) as gone:
        pass
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", gone.url)
    with pytest.raises(InfraError, match=f"cannot be fetched from {gone.url}: NetworkError"):
        fetch(tmp_path)


def test_transformers_reads_what_arrived(scope, tmp_path):
    """A real model, saved, served, fetched and loaded with the same weights."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    config = transformers.BertConfig(
        vocab_size=10,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        max_position_embeddings=8,
    )
    saved = transformers.BertModel(config)
    saved.save_pretrained(scope.folder)
    entry = ZooEntry.model_validate(
        {
            "id": "m",
            "framework": "transformers",
            "source": {"modelscope": "tiny/bert"},
            "inputs": {"factory": "a.b:c"},
        }
    )
    assert not entry.source.is_pinned
    adapter = adapter_for("transformers", tmp_path)
    conversion = adapter.info.conversion.model_validate({})
    case = Case(entry, "dynamo", 18, "fp32")
    loaded = adapter.load(Job(case, conversion, tmp_path, tmp_path, offline=False, seed=0))
    for name, value in saved.state_dict().items():
        assert torch.equal(loaded.module.state_dict()[name], value)


def test_a_run_without_the_client_says_what_to_install(scope, tmp_path, monkeypatch):
    """The case is not run, with the command; whoever asks for the folder is told the same."""
    entry = ZooEntry.model_validate(
        {
            "id": "m",
            "framework": "transformers",
            "source": {"modelscope": "tiny/bert"},
            "inputs": {"factory": "a.b:c"},
        }
    )
    info = adapter_for("transformers", tmp_path).info
    monkeypatch.setattr(
        "conformance.requirements.installed_version",
        lambda name: None if name == "modelscope-hub" else "1",
    )
    assert missing_requirements(entry, info) == (
        "modelscope-hub not installed: pip install 'pytest-onnx-conformance[modelscope]'"
    )
    monkeypatch.setitem(sys.modules, "modelscope_hub", None)
    with pytest.raises(LoadError, match=r"not installed: pip install '.*\[modelscope\]'"):
        fetch(tmp_path)


def test_transformers_refuses_what_other_frameworks_read(tmp_path):
    """By the kinds that it does read, before anything is fetched."""
    pytest.importorskip("transformers")
    entry = ZooEntry.model_validate(
        {
            "id": "m",
            "framework": "transformers",
            "source": {"kaggle": "a/b/c/d/1"},
            "inputs": {"factory": "a.b:c"},
        }
    )
    adapter = adapter_for("transformers", tmp_path)
    conversion = adapter.info.conversion.model_validate({})
    job = Job(
        Case(entry, "dynamo", 18, "fp32"), conversion, tmp_path, tmp_path, offline=True, seed=0
    )
    with pytest.raises(LoadError, match="hub, modelscope or architecture, not kaggle"):
        adapter.load(job)
