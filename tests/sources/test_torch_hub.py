from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conformance.adapters import adapter_for
from conformance.adapters.contract import Job
from conformance.cache.key import bundle_key
from conformance.entry import Source, ZooEntry
from conformance.errors import InfraError, LoadError
from conformance.model import Case
from conformance.sources.fetching import source_folder
from conformance.sources.local import local_files
from conformance.sources.torch_hub import from_torch_hub, repository

pytest.importorskip("torch")
if shutil.which("git") is None:
    pytest.skip("no Git", allow_module_level=True)

HUBCONF = """
dependencies = ["torch"]
import torch
from own_layers import scaled


def net(width=2):
    return scaled(width)


def nothing():
    return None


def failing():
    raise ValueError("no weights for this")
"""
LAYERS = """
import torch


class Scaled(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.arange(float(width)))

    def forward(self, x):
        return x * self.weight


def scaled(width):
    return Scaled(width)
"""
NOWHERE = "0" * 40


def git(folder, *arguments):
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", "-C", folder, *who, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def write(folder):
    folder.mkdir(parents=True)
    (folder / "hubconf.py").write_text(HUBCONF)
    (folder / "own_layers.py").write_text(LAYERS)
    return folder


@pytest.fixture(autouse=True)
def _forgotten_modules():
    """Modules of one test's repository are not those of the next."""
    yield
    sys.modules.pop("own_layers", None)


@pytest.fixture
def github(tmp_path, monkeypatch):
    """A repository that Git takes for one of GitHub, and its commit; Git's own setting does it."""
    remotes = tmp_path / "remotes"
    folder = write(remotes / "someone" / "nets.git")
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "one")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{remotes.as_uri()}/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.com/")
    return folder


def source(**keys):
    given = {"torch_hub": "./nets", "entrypoint": "net", "trust_remote_code": True}
    return Source.model_validate(given | keys)


def loaded(given, zoo_dir, cache_dir, *, offline):
    return from_torch_hub(given, source_folder(given, zoo_dir, cache_dir, offline=offline))


def test_a_folder_beside_the_zoo_makes_a_model(tmp_path):
    """The entrypoint is called with its arguments; its neighbours can be imported."""
    write(tmp_path / "nets")
    model = loaded(source(args={"width": 3}), tmp_path, tmp_path / "cache", offline=True)
    assert model.weight.tolist() == [0.0, 1.0, 2.0]


def test_loading_leaves_the_folder_as_it_is(tmp_path):
    """Bytecode beside the code would make it another model to the cache."""
    folder = write(tmp_path / "nets")
    before = sorted(folder.rglob("*"))
    loaded(source(), tmp_path, tmp_path / "cache", offline=True)
    assert sorted(folder.rglob("*")) == before


def test_a_folder_is_part_of_the_key(tmp_path):
    """Code that changed is another conversion."""
    entry = ZooEntry.model_validate(
        {
            "id": "m",
            "framework": "pytorch",
            "source": source().model_dump(exclude_defaults=True),
            "inputs": {"factory": "a.b:c"},
        }
    )
    info = adapter_for("pytorch", tmp_path).info
    case = Case(entry, "dynamo", 18, "fp32")
    keys = []
    for number in (1, 2):
        place = tmp_path / str(number)
        folder = write(place / "nets")
        (folder / "own_layers.py").write_text(LAYERS + f"\n# {number}\n")
        assert local_files(entry, place) == [place / "nets"]
        keys.append(bundle_key(case, info, place, 0))
    assert keys[0] != keys[1]


def test_a_repository_is_fetched_at_its_commit_and_kept(github, tmp_path):
    """Without history; from then on neither Git nor the repository is needed."""
    commit = git(github, "rev-parse", "HEAD")
    (github / "hubconf.py").write_text("raise SystemExit('the next commit')")
    git(github, "commit", "--quiet", "-a", "-m", "two")
    folder = repository("someone/nets", commit, tmp_path / "cache", offline=False)
    assert sorted(file.name for file in folder.iterdir()) == ["hubconf.py", "own_layers.py"]
    assert (folder / "hubconf.py").read_text() == HUBCONF
    github.rename(tmp_path / "gone")
    assert repository("someone/nets", commit, tmp_path / "cache", offline=True) == folder
    given = source(torch_hub="someone/nets", revision=commit)
    model = loaded(given, tmp_path, tmp_path / "cache", offline=False)
    assert model.weight.tolist() == [0.0, 1.0]


def test_what_is_not_there_is_named(github, tmp_path):
    """A commit, a repository and a copy that are missing are load errors, each its own."""
    with pytest.raises(LoadError, match=r"someone/nets\.git' has no commit '0000"):
        repository("someone/nets", NOWHERE, tmp_path, offline=False)
    with pytest.raises(LoadError, match=r"there is no 'https://github\.com/someone/else\.git'"):
        repository("someone/else", NOWHERE, tmp_path, offline=False)
    with pytest.raises(LoadError, match=r"'someone/nets' at '0000.*run once online"):
        repository("someone/nets", NOWHERE, tmp_path, offline=True)
    assert not list(tmp_path.glob("torch_hub/*/*.filling"))


def test_a_host_that_is_down_is_no_fault_of_the_model(github, tmp_path, monkeypatch):
    """Where Git cannot connect, that is infrastructure."""
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "url.http://127.0.0.1:1/.insteadOf")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(InfraError, match="cannot be fetched"):
        repository("someone/nets", NOWHERE, tmp_path, offline=False)


def test_a_link_out_of_the_repository_is_refused(github, tmp_path):
    """Nothing is written outside, and nothing is kept."""
    (github / "weights").symlink_to("/etc")
    git(github, "add", ".")
    git(github, "commit", "--quiet", "-m", "link")
    commit = git(github, "rev-parse", "HEAD")
    with pytest.raises(LoadError, match="is refused: 'weights' is a link to an absolute path"):
        repository("someone/nets", commit, tmp_path / "cache", offline=False)
    assert not (tmp_path / "cache/torch_hub/someone--nets" / commit).exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"entrypoint": "nte"}, "Cannot find callable nte in hubconf"),
        ({"entrypoint": "failing"}, "'failing' of './nets' raised ValueError: no weights for"),
        ({"entrypoint": "nothing"}, "returned None: it must return the model"),
        ({"args": {"size": 2}}, "unexpected keyword argument 'size'"),
        ({"torch_hub": "./none"}, r"'\./none' holds no hubconf\.py"),
    ],
)
def test_what_an_entrypoint_does_wrong_is_said(tmp_path, change, message):
    """Each is a load error that names the entrypoint."""
    write(tmp_path / "nets")
    with pytest.raises(LoadError, match=message):
        loaded(source(**change), tmp_path, tmp_path, offline=True)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("dependencies = ['not_a_package']", "Missing dependencies: not_a_package; install them"),
        ("import not_a_package", "needs 'not_a_package': install it, and name its distribution"),
    ],
)
def test_missing_packages_are_named(tmp_path, code, message):
    """Those that hubconf.py declares and those that it imports."""
    (write(tmp_path / "nets") / "hubconf.py").write_text(f"{code}\ndef net():\n    pass\n")
    with pytest.raises(LoadError, match=message):
        loaded(source(), tmp_path, tmp_path, offline=True)


@pytest.mark.parametrize(
    "name", ["someone", "a/b/c", "a/..", "-a/b", "a/-b", "a b/c", "a/b:main", "a/b\u202e", "a.b/c"]
)
def test_what_is_no_repository_is_refused(name):
    """Before Git gets to see it."""
    with pytest.raises(ValueError, match="neither a GitHub repository"):
        source(torch_hub=name, revision=NOWHERE)


@pytest.mark.parametrize("name", ["../nets", "/nets", "./../nets"])
def test_a_folder_stays_beside_the_zoo(name):
    """A torch.hub folder follows the rule of every path of a zoo."""
    with pytest.raises(ValueError, match="stay in its folder"):
        source(torch_hub=name)


def test_the_adapter_loads_and_runs_it(tmp_path):
    """From an entry to numbers."""
    write(tmp_path / "nets")
    entry = ZooEntry.model_validate(
        {
            "id": "m",
            "framework": "pytorch",
            "source": source().model_dump(exclude_defaults=True),
            "inputs": {"factory": "a.b:c"},
        }
    )
    adapter = adapter_for("pytorch", tmp_path)
    conversion = adapter.info.conversion.model_validate({})
    case = Case(entry, "dynamo", 18, "fp32")
    model = adapter.load(Job(case, conversion, tmp_path, Path(tmp_path), offline=True, seed=0))
    answer = adapter.bind(model, {"x": np.float32([3, 4])})()
    assert answer.tolist() == [0.0, 4.0]
