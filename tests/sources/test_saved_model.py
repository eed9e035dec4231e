from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from conformance.adapters import adapter_for
from conformance.adapters.contract import Job
from conformance.entry import Source, ZooEntry
from conformance.errors import InfraError, LoadError
from conformance.model import Case
from conformance.sources.archive import unpack
from conformance.sources.fetching import fetch
from conformance.sources.saved_model import saved_model
from conformance.sources.spelling import Remote, remote_of

sys.path.insert(0, str(Path(__file__).parent))
from file_server import Files, serving_files

HANDLE = "google/nnlm/tensorFlow2/en-dim50/1"
KAGGLE = f"/api/v1/models/{HANDLE}/download"
TFHUB = "/google/nnlm/1?tf-hub-format=compressed"


def tar_of(*members):
    """A .tar.gz of names with content, or of ``TarInfo`` as it is."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
                continue
            name, content = member
            about = tarfile.TarInfo(name)
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
    return buffer.getvalue()


def special(name, kind, target=""):
    about = tarfile.TarInfo(name)
    about.type, about.linkname = kind, target
    return about


MODEL = tar_of(
    special(".", tarfile.DIRTYPE),
    ("./saved_model.pb", b"a graph"),
    ("./variables/variables.index", b"an index"),
)
SHA256 = hashlib.sha256(MODEL).hexdigest()


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server that is Kaggle and TF Hub; the environment holds no login of anybody."""
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "kaggle"))
    with serving_files(Files({KAGGLE: MODEL, TFHUB: MODEL})) as held:
        monkeypatch.setenv("KAGGLE_API_ENDPOINT", held.url)
        yield held


def tfhub(server, **keys):
    return remote_of(Source.model_validate({"url": server.url + TFHUB, "sha256": SHA256} | keys))


def kaggle(**keys):
    return remote_of(Source.model_validate({"kaggle": HANDLE} | keys))


def files_of(folder):
    return sorted(f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file())


@pytest.mark.parametrize("kind", ["url", "kaggle"])
def test_an_archive_becomes_a_folder_that_is_kept(server, tmp_path, kind):
    """Plain files, used offline without a request."""
    source = tfhub(server) if kind == "url" else kaggle()
    folder = saved_model(source, tmp_path / "cache", offline=False)
    assert files_of(folder) == ["saved_model.pb", "variables/variables.index"]
    assert (folder.parent / "archive.sha256").read_text() == SHA256
    server.requests.clear()
    assert saved_model(source, tmp_path / "cache", offline=True) == folder
    assert saved_model(source, tmp_path / "cache", offline=False) == folder
    assert server.requests == []
    assert not list((tmp_path / "cache").rglob("*.partial"))


def test_offline_without_a_copy_says_what_to_do(server, tmp_path):
    """No request is made, and the way out is named."""
    with pytest.raises(LoadError, match=rf"Kaggle's '{HANDLE}' is not in .* run once online"):
        saved_model(kaggle(), tmp_path, offline=True)
    assert server.requests == []


def test_another_file_than_the_digest_says_is_refused(server, tmp_path):
    """Nothing of it is unpacked or kept, by either way to it."""
    server.files[TFHUB] = server.files[KAGGLE] = tar_of(("saved_model.pb", b"another"))
    for source in (tfhub(server), kaggle(sha256=SHA256)):
        with pytest.raises(LoadError, match="is not the file that was named"):
            saved_model(source, tmp_path, offline=False)
    assert not list(tmp_path.rglob("saved_model.pb"))


def test_a_digest_that_is_given_later_holds_for_what_is_kept(server, tmp_path):
    """A copy that was fetched without a digest is not above one."""
    folder = saved_model(kaggle(), tmp_path, offline=False)
    assert saved_model(kaggle(sha256=SHA256), tmp_path, offline=True) == folder
    with pytest.raises(LoadError, match=f"from an archive with SHA-256 {SHA256}, not 0000"):
        saved_model(kaggle(sha256="0" * 64), tmp_path, offline=True)


def test_an_interrupted_run_is_continued(server, tmp_path):
    """What had arrived of a pinned archive is not fetched again."""
    server.cuts = [50, 0, 0, 0]
    with pytest.raises(InfraError):
        saved_model(tfhub(server), tmp_path, offline=False)
    server.requests.clear()
    saved_model(tfhub(server), tmp_path, offline=False)
    assert [asked for _, asked, _ in server.requests] == ["bytes=50-"]


def test_an_address_without_a_digest_is_pinned_to_what_came(server, tmp_path):
    """One download tells the digest, by which it is kept; offline the digest has to be said."""
    asked = Remote("url", server.url + TFHUB)
    found = fetch(asked, tmp_path, offline=False)
    assert found.remote == Remote("url", server.url + TFHUB, sha256=SHA256)
    assert files_of(found.folder) == ["saved_model.pb", "variables/variables.index"]
    assert [asked for _, asked, _ in server.requests] == [None]
    assert fetch(found.remote, tmp_path, offline=True) == found
    with pytest.raises(LoadError, match=r"any file without its digest.*#sha256="):
        fetch(asked, tmp_path, offline=True)
    assert fetch(asked, tmp_path, offline=False) == found
    server.files[TFHUB] = tar_of(("saved_model.pb", b"another"))
    moved = fetch(asked, tmp_path, offline=False)
    assert moved.remote.sha256 != SHA256
    assert moved.folder != found.folder
    assert not list((tmp_path / "saved_models").glob("*.partial"))
    assert not list((tmp_path / "saved_models").glob("*.arriving"))


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ({"KAGGLE_API_TOKEN": "a-token"}, "Bearer a-token"),
        ({"KAGGLE_USERNAME": "me", "KAGGLE_KEY": "k"}, "Basic me:k"),
        ({"username": "you", "key": "q"}, "Basic you:q"),
        ({}, None),
    ],
)
def test_logins_of_kaggle_are_used(server, tmp_path, monkeypatch, held, expected):
    """Those that Kaggle's own clients know: variables, and a file."""
    if "key" in held:
        (tmp_path / "kaggle").mkdir()
        (tmp_path / "kaggle/kaggle.json").write_text(json.dumps(held))
        held = {}
    for name, value in held.items():
        monkeypatch.setenv(name, value)
    saved_model(kaggle(), tmp_path, offline=False)
    login = server.requests[0][2]
    if login and login.startswith("Basic "):
        login = f"Basic {base64.b64decode(login.removeprefix('Basic ')).decode()}"
    assert login == expected


def test_a_model_that_needs_a_login_says_so(server, tmp_path):
    """Without one it is refused, with the place to look."""
    server.authorization = "Bearer a-token"
    with pytest.raises(LoadError, match=r"answered 401 .* the credentials if it needs any"):
        saved_model(kaggle(), tmp_path, offline=False)


def test_credentials_that_cannot_be_read_do_not_show_in_the_error(server, tmp_path):
    """The file is named, its content is not."""
    (tmp_path / "kaggle").mkdir()
    (tmp_path / "kaggle/kaggle.json").write_text('{"key": "very-secret-key"')
    with pytest.raises(LoadError, match=r"kaggle\.json' cannot be read") as caught:
        saved_model(kaggle(), tmp_path, offline=False)
    assert "very-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (("../outside", b"x"), "leads out of the folder"),
        (("/outside", b"x"), "is not relative"),
        (("a/../../outside", b"x"), "leads out"),
        (("a\\b", b"x"), "is not relative"),
        (("a\u202eb", b"x"), "characters that are not seen"),
        (special("link", tarfile.SYMTYPE, "/etc/passwd"), "neither a file nor a folder"),
        (special("link", tarfile.SYMTYPE, "saved_model.pb"), "neither a file nor a folder"),
        (special("link", tarfile.LNKTYPE, "saved_model.pb"), "neither a file nor a folder"),
        (special("pipe", tarfile.FIFOTYPE), "neither a file nor a folder"),
        (special("device", tarfile.CHRTYPE), "neither a file nor a folder"),
        (("saved_model.pb", b"x"), "more than once"),
        (("saved_model.pb/x", b"x"), "both a file and a folder"),
    ],
)
def test_hostile_archives_are_refused_before_anything_is_written(tmp_path, member, reason):
    """Whatever else is in them."""
    archive, folder = tmp_path / "a.tar.gz", tmp_path / "deep" / "folder"
    archive.write_bytes(tar_of(("saved_model.pb", b"a graph"), member))
    folder.mkdir(parents=True)
    with pytest.raises(LoadError, match=reason):
        unpack(archive, folder)
    assert list(folder.iterdir()) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar.gz", "deep"]


def test_a_bomb_is_refused(tmp_path, monkeypatch):
    """What unpacks to far more than it is was not made to hold weights."""
    monkeypatch.setattr("conformance.sources.archive._SMALL_BYTES", 1000)
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(tar_of(("zeros", bytes(10_000_000))))
    (tmp_path / "folder").mkdir()
    with pytest.raises(LoadError, match="far more than its own"):
        unpack(archive, tmp_path / "folder")
    assert list((tmp_path / "folder").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (MODEL[:-40], InfraError, "cut off|damaged"),
        (b"<html>Log in</html>", LoadError, r"no \.tar\.gz archive"),
        (b"", LoadError, r"no \.tar\.gz archive"),
        (tar_of(("model.keras", b"x")), LoadError, r"holds no saved_model\.pb"),
    ],
)
def test_what_is_no_archive_of_a_saved_model_is_named(server, tmp_path, content, error, message):
    """A broken one is infrastructure; neither is kept."""
    server.files[KAGGLE] = content
    with pytest.raises(error, match=message):
        saved_model(kaggle(), tmp_path, offline=False)
    assert [p.name for p in (tmp_path / "saved_models").iterdir() if p.suffix != ".lock"] == []


@pytest.mark.parametrize(
    "handle",
    [
        *("google/nnlm", "google/nnlm/tensorFlow2/en-dim50", "google/nnlm/tensorFlow2/en/latest"),
        *("../a/b/c/1", "a/../b/c/1", "a/b/c/d/1/2", "a/b/c/d/0", "a/b/c/d/1?x=1", "a/b/c/\n/1"),
    ],
)
def test_what_is_no_handle_with_a_version_is_refused(handle):
    """The newest version of a model is another one tomorrow."""
    with pytest.raises(ValueError, match="is not a Kaggle handle"):
        kaggle(kaggle=handle)


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://a/b", "https://me:key@a.org/b", "https://a.org/b c", "a/b", ""],
)
def test_what_is_no_address_of_the_web_is_refused(url):
    """Nothing of this machine is read by an address, and no login is written into a zoo."""
    with pytest.raises(ValueError, match="is not an address"):
        Source.model_validate({"url": url, "sha256": SHA256})


def test_tensorflow_runs_what_arrived(server, tmp_path):
    """A real SavedModel, packed in a folder, from the entry to its numbers."""
    tf = pytest.importorskip("tensorflow")

    class Doubling(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
        def __call__(self, x):
            return {"y": x + x}

    tf.saved_model.save(Doubling(), tmp_path / "out" / "doubling")
    with tarfile.open(tmp_path / "m.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "out" / "doubling", "doubling")
    server.files[KAGGLE] = (tmp_path / "m.tar.gz").read_bytes()
    entry = ZooEntry.model_validate(
        {
            "id": "m",
            "framework": "tensorflow",
            "source": {"kaggle": HANDLE},
            "inputs": {"factory": "a.b:c"},
        }
    )
    adapter = adapter_for("tensorflow", tmp_path)
    conversion = adapter.info.conversion.model_validate({})
    case = Case(entry, "tf2onnx", 18, "fp32")
    model = adapter.load(Job(case, conversion, tmp_path, tmp_path, offline=False, seed=0))
    answer = adapter.outputs(model, adapter.bind(model, {"x": np.float32([[1, 2]])})())
    assert answer["y"].tolist() == [[2.0, 4.0]]
