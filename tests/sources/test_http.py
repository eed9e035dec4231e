from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from conformance.errors import InfraError, LoadError
from conformance.sources.http import fetch_file

sys.path.insert(0, str(Path(__file__).parent))
from file_server import Files, serving_files

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch):
    """A server with one file, which no proxy of this machine stands before."""
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    with serving_files(Files({"/a": CONTENT})) as held:
        yield held


def ranges(server):
    return [asked for _, asked, _ in server.requests]


@pytest.mark.parametrize("sha256", [SHA256, None])
@pytest.mark.parametrize(("supported", "etag"), [(True, True), (True, False), (False, True)])
def test_a_broken_connection_goes_on_where_it_broke(server, tmp_path, sha256, supported, etag):
    """As often as it takes, also where the server sends all of it each time."""
    server.cuts = [1000, 3000]
    server.ranges, server.etag = supported, etag
    assert fetch_file(f"{server.url}/a", tmp_path / "a", sha256=sha256) == SHA256
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=1000-", f"bytes={4000 if supported else 3000}-"]


def test_a_run_goes_on_where_the_last_one_ended(server, tmp_path):
    """What is there is the beginning, where the digest of the whole is known."""
    (tmp_path / "a").write_bytes(CONTENT[:5000])
    fetch_file(f"{server.url}/a", tmp_path / "a", sha256=SHA256)
    assert ranges(server) == ["bytes=5000-"]
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_without_a_digest_nothing_is_taken_for_a_beginning(server, tmp_path):
    """Nobody could tell whether it belongs to the rest."""
    (tmp_path / "a").write_bytes(b"of another file")
    assert fetch_file(f"{server.url}/a", tmp_path / "a") == SHA256
    assert ranges(server) == [None]


@pytest.mark.parametrize("size", [100, len(CONTENT), len(CONTENT) + 1])
def test_a_beginning_of_something_else_is_thrown_away(server, tmp_path, size):
    """A digest that fails after a beginning was taken over is no verdict on the file."""
    (tmp_path / "a").write_bytes(b"?" * size)
    assert fetch_file(f"{server.url}/a", tmp_path / "a", sha256=SHA256) == SHA256
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_a_file_that_changes_between_two_pieces_is_fetched_anew(server, tmp_path):
    """The two halves of two files are no file, even without a digest that could tell."""
    server.cuts = [1000]
    other = CONTENT[::-1]

    class Changing(dict):
        def get(self, path):
            return CONTENT if len(server.requests) == 1 else other

    server.files = Changing()
    fetch_file(f"{server.url}/a", tmp_path / "a")
    assert ranges(server) == [None, "bytes=1000-"]
    assert (tmp_path / "a").read_bytes() == other


def test_another_file_is_refused_and_not_kept(server, tmp_path):
    """The error tells both digests, and nothing of the file stays."""
    with pytest.raises(LoadError, match=rf"its SHA-256 is {SHA256}, not 0000"):
        fetch_file(f"{server.url}/a", tmp_path / "a", sha256="0" * 64)
    assert not (tmp_path / "a").exists()


def test_the_md5_of_the_server_is_looked_at(server, tmp_path):
    """Where no digest is given, the one that Google's storage tells is."""
    server.md5 = True
    assert fetch_file(f"{server.url}/a", tmp_path / "a") == SHA256
    server.damaged = True
    with pytest.raises(InfraError, match="arrived damaged"):
        fetch_file(f"{server.url}/a", tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_connections_that_bring_nothing_end(server, tmp_path):
    """After three in a row; what had arrived stays for the next run."""
    server.cuts = [10, 0, 0, 0]
    with pytest.raises(InfraError, match="cannot be fetched: the connection ends early"):
        fetch_file(f"{server.url}/a", tmp_path / "a", sha256=SHA256)
    assert (tmp_path / "a").read_bytes() == CONTENT[:10]


def test_credentials_stay_with_their_host(server, tmp_path):
    """A redirect to a storage elsewhere, as Kaggle's, does not get them."""
    server.redirects["/api"] = f"{server.url.replace('127.0.0.1', 'localhost')}/a"
    fetch_file(f"{server.url}/api", tmp_path / "a", headers={"Authorization": "Bearer abc"})
    assert [(path, login) for path, _, login in server.requests] == [
        ("/api", "Bearer abc"),
        ("/a", None),
    ]


@pytest.mark.parametrize(
    ("status", "error"), [(404, LoadError), (403, LoadError), (429, InfraError), (503, InfraError)]
)
def test_what_a_server_answers_is_told(server, tmp_path, status, error):
    """A file that is not there is the entry's trouble, a server that is ill is not."""
    server.broken = status
    with pytest.raises(error, match=f"answered {status} for"):
        fetch_file(f"{server.url}/a", tmp_path / "a")


def test_a_server_that_is_down_is_an_infra_error(server, tmp_path):
    """It says nothing about the model."""
    with serving_files(Files()) as gone:
        pass
    with pytest.raises(InfraError, match=r"cannot be fetched: URLError: .*refused"):
        fetch_file(f"{gone.url}/a", tmp_path / "a")


def test_a_secret_in_an_address_is_not_told(server, tmp_path):
    """Signed addresses hold tokens."""
    server.broken = 404
    with pytest.raises(LoadError) as caught:
        fetch_file(f"{server.url}/a?token=0123456789abcdef0123", tmp_path / "a")
    assert "0123456789abcdef" not in str(caught.value)
