from __future__ import annotations

import sys
from pathlib import Path

import pytest

from conformance.errors import InfraError, LoadError
from conformance.sources.hub import snapshot

pytest.importorskip("huggingface_hub")

sys.path.insert(0, str(Path(__file__).parent))
from hub_server import Hub, serving


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with one model; the environment points at it and holds no token."""
    folder = tmp_path / "remote"
    (folder / "onnx").mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 40)
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "onnx" / "config.json").write_text("{}")
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf_home"))
    with serving(Hub("tiny/bert", folder)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def names_in(folder):
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))


def test_download_keeps_config_and_safetensors_only(hub, tmp_path):
    """A model's configuration and safe weights are kept, whole and as plain files."""
    folder = snapshot("tiny/bert", None, tmp_path / "cache", offline=False)
    assert names_in(folder) == ["config.json", "model.safetensors"]
    for name in names_in(folder):
        assert (folder / name).read_bytes() == (hub.folder / name).read_bytes()
        assert not (folder / name).is_symlink()


def test_offline_uses_what_is_kept_and_asks_nobody(hub, tmp_path):
    """A branch that was fetched once is found offline, without a request."""
    online = snapshot("tiny/bert", "v1", tmp_path, offline=False)
    hub.requests.clear()
    assert snapshot("tiny/bert", "v1", tmp_path, offline=True) == online
    assert hub.requests == []


def test_offline_without_a_copy_says_what_to_do(hub, tmp_path):
    """Offline, a model that was never fetched is a load error that names the way out."""
    with pytest.raises(LoadError, match=r"'tiny/bert' at 'main' is not in .* run once online"):
        snapshot("tiny/bert", None, tmp_path, offline=True)
    assert hub.requests == []


def test_another_revision_is_not_taken_for_the_kept_one(hub, tmp_path):
    """Offline, a branch that was never looked up is not answered with another branch."""
    snapshot("tiny/bert", "main", tmp_path, offline=False)
    with pytest.raises(LoadError, match="'tiny/bert' at 'v1' is not in"):
        snapshot("tiny/bert", "v1", tmp_path, offline=True)


def test_kept_commit_needs_no_hub(hub, tmp_path):
    """A full commit hash that is kept is used without a request, offline or not."""
    first = snapshot("tiny/bert", hub.commit, tmp_path, offline=False)
    hub.requests.clear()
    assert snapshot("tiny/bert", hub.commit, tmp_path, offline=False) == first
    assert hub.requests == []


def test_moved_branch_is_fetched_again(hub, tmp_path):
    """Online, a branch that names a new commit gives that commit, in a folder of its own."""
    before = snapshot("tiny/bert", None, tmp_path, offline=False)
    hub.commit = "beef" + "1" * 36
    (hub.folder / "config.json").write_text('{"model_type": "gpt2"}')
    after = snapshot("tiny/bert", None, tmp_path, offline=False)
    assert after != before
    assert "gpt2" in (after / "config.json").read_text()
    assert snapshot("tiny/bert", None, tmp_path, offline=True) == after


def test_unknown_model_is_a_load_error(hub, tmp_path):
    """A model that the hub does not show fails at load, with the spelling in question."""
    with pytest.raises(LoadError, match=r"shows no model 'tiny/bart': check the spelling"):
        snapshot("tiny/bart", None, tmp_path, offline=False)


def test_unknown_revision_is_a_load_error(hub, tmp_path):
    """A revision that does not exist is named as such."""
    with pytest.raises(LoadError, match="'tiny/bert' has no revision 'v2'"):
        snapshot("tiny/bert", "v2", tmp_path, offline=False)


def test_malformed_id_is_a_load_error(hub, tmp_path):
    """An id that cannot be one fails at load, not as network trouble."""
    with pytest.raises(LoadError, match="not a hub id"):
        snapshot("a/b/c", None, tmp_path, offline=False)


def test_token_opens_a_private_model(hub, tmp_path, monkeypatch):
    """A private model is refused without HF_TOKEN, saying so, and served with it."""
    hub.token = "not-a-real-token"
    with pytest.raises(LoadError, match="set HF_TOKEN if it is private"):
        snapshot("tiny/bert", None, tmp_path, offline=False)
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert snapshot("tiny/bert", None, tmp_path, offline=False).is_dir()


def test_model_without_safe_weights_is_refused(hub, tmp_path):
    """A repository with pickled weights only is refused before anything is fetched."""
    (hub.folder / "model.safetensors").unlink()
    with pytest.raises(LoadError, match=r"has no \.safetensors weights"):
        snapshot("tiny/bert", None, tmp_path, offline=False)
    assert not any("/resolve/" in request for request in hub.requests)


def test_failing_hub_is_no_fault_of_the_model(hub, tmp_path):
    """A hub that answers 500 is an infrastructure error, told with its status."""
    hub.broken = 500
    with pytest.raises(InfraError, match="answered 500 for 'tiny/bert'"):
        snapshot("tiny/bert", None, tmp_path, offline=False)


def test_unreachable_hub_is_an_infra_error(hub, tmp_path, monkeypatch):
    """A hub that is down is an infrastructure error, even where an older copy is kept."""
    snapshot("tiny/bert", None, tmp_path, offline=False)
    with serving(Hub("tiny/bert", hub.folder)) as gone:
        pass
    monkeypatch.setenv("HF_ENDPOINT", gone.url)
    with pytest.raises(InfraError, match=r"'tiny/bert' cannot be fetched from http://127"):
        snapshot("tiny/bert", None, tmp_path, offline=False)


def test_damaged_weights_are_not_kept(hub, tmp_path):
    """Weights whose digest is not the hub's are refused, and fetched anew the next time."""
    hub.damaged.add("model.safetensors")
    with pytest.raises(InfraError, match=r"'model\.safetensors' arrived damaged"):
        snapshot("tiny/bert", None, tmp_path, offline=False)
    with pytest.raises(LoadError):
        snapshot("tiny/bert", None, tmp_path, offline=True)
    hub.damaged.clear()
    folder = snapshot("tiny/bert", None, tmp_path, offline=False)
    assert (folder / "model.safetensors").read_bytes() == bytes(range(256)) * 40


@pytest.mark.parametrize("name", ["config.json", "own.py"])
def test_a_damaged_small_file_is_not_kept(hub, tmp_path, name):
    """Configuration and code are held against Git's own id of them, not only their size."""
    (hub.folder / "own.py").write_text("a = 1")
    hub.damaged.add(name)
    with pytest.raises(InfraError, match=f"'{name}' arrived damaged"):
        snapshot("tiny/bert", None, tmp_path, offline=False)


@pytest.fixture
def small_chunks(monkeypatch):
    """The client keeps what arrived in steps of 10 MB; here, of 100 bytes."""
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 100)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_connection_goes_on_where_it_broke(hub, tmp_path, small_chunks, ranges):
    """The rest is asked for; a server that sends all of the file again does no harm."""
    hub.cut_after["model.safetensors"] = 1000
    hub.ranges = ranges
    folder = snapshot("tiny/bert", None, tmp_path, offline=False)
    assert hub.ranges_asked == ["bytes=1000-"]
    assert (folder / "model.safetensors").read_bytes() == bytes(range(256)) * 40


def test_a_rest_that_is_damaged_is_refused(hub, tmp_path, small_chunks):
    """The digest is that of the whole file, however many pieces it came in."""
    hub.cut_after["model.safetensors"] = 1000
    hub.damaged_parts.add("model.safetensors")
    with pytest.raises(InfraError, match=r"'model\.safetensors' arrived damaged"):
        snapshot("tiny/bert", None, tmp_path, offline=False)
    assert hub.ranges_asked == ["bytes=1000-"]
    with pytest.raises(LoadError):
        snapshot("tiny/bert", None, tmp_path, offline=True)


def test_files_of_an_interrupted_run_are_not_fetched_again(hub, tmp_path):
    """A run that ends in the middle leaves its whole files to the next one."""
    hub.damaged.add("model.safetensors")
    with pytest.raises(InfraError):
        snapshot("tiny/bert", None, tmp_path, offline=False)
    hub.damaged.clear()
    hub.requests.clear()
    folder = snapshot("tiny/bert", None, tmp_path, offline=False)
    assert names_in(folder) == ["config.json", "model.safetensors"]
    fetched = [one for one in hub.requests if one.startswith("GET") and "/resolve/" in one]
    assert [one.rpartition("/")[2] for one in fetched] == ["model.safetensors"]
