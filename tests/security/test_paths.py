"""Ids and paths of a zoo cannot leave their folder, by their names or by what lies there."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from zoo_cases import located, ref

from conformance.adapters import catalog
from conformance.engine import Engine
from conformance.entry import ZooEntry
from conformance.errors import InputsError, LoadError
from conformance.model import Stage, TestKind, Verdict
from conformance.paths import stray
from conformance.sources.hub import snapshot
from conformance.sources.local import local_files
from conformance.tasks import Settings
from conformance.zoo import ZooError, read_zoo

ENTRY = """models:
- id: first
  framework: sklearn
  source: {path: tree.skops}
  inputs: {files: [a.npz]}
- id: second
  framework: sklearn
  source: %s
  inputs: %s
"""
STRAYING = [
    ("../x.skops", "leads out of the folder"),
    ("models/../../x.skops", "leads out of the folder"),
    ("/etc/passwd", "is not relative to the folder"),
    ("C:\\x.skops", "is not relative to the folder"),
    ("..\\x.skops", "is not relative to the folder"),
    ("a//b", "leads out of the folder"),
    ("", "leads out of the folder"),
    ("tree\u202espoks.skops", "is not allowed in a zoo"),
    ("tree\u200b.skops", "characters that are not seen"),
    ("tree\x1b[2J.skops", "is not allowed in a zoo"),
]


def quoted(text):
    """A text as YAML's double-quoted scalar, every odd character spelt out."""
    return '"' + "".join(c if c.isalnum() or c in "./" else f"\\U{ord(c):08x}" for c in text) + '"'


def problem(tmp_path, source="{path: tree.skops}", inputs="{files: [a.npz]}"):
    """What is wrong with a zoo whose second entry has this source and these inputs."""
    zoo = tmp_path / "zoo.yaml"
    zoo.write_text(ENTRY % (source, inputs))
    with pytest.raises(ZooError) as error:
        read_zoo([zoo], catalog())
    found = error.value.problems
    assert all(str(one).isprintable() for one in found)
    assert len({one.line for one in found}) == 1
    return found[0]


@pytest.mark.parametrize(("path", "reason"), STRAYING)
def test_a_path_that_strays_is_refused_when_the_zoo_is_read(tmp_path, path, reason):
    """Of a model or of inputs, with file and line, before anything is opened or run."""
    found = problem(tmp_path, source=f"{{path: {quoted(path)}}}")
    assert (found.file.name, found.line) == ("zoo.yaml", 8)
    assert reason in found.message
    found = problem(tmp_path, inputs=f"{{files: [ok.npz, {quoted(path)}]}}")
    assert found.line == 9
    assert reason in found.message


def test_the_error_of_a_path_says_the_rule_and_the_way_to_other_places(tmp_path):
    """The key, the value, what is wrong, and what to do instead."""
    assert problem(tmp_path, source="{path: /data/bert}").message == (
        "source.path: '/data/bert' is not relative to the folder: paths are relative to the zoo "
        "file and stay in its folder; for files elsewhere, put a zoo file beside them and "
        "include it"
    )


@pytest.mark.parametrize("path", ["tree.skops", "./tree.skops", "models/bert/", "a..b/c", "."])
def test_paths_of_the_folder_are_accepted(tmp_path, path):
    """What people write for things beside and below the zoo file stays allowed."""
    zoo = tmp_path / "zoo.yaml"
    zoo.write_text(ENTRY % (f"{{path: {path}}}", "{files: [b.npz]}"))
    assert len(read_zoo([zoo], catalog()).entries) == 2


@pytest.mark.parametrize(
    "hub",
    [
        *("..", ".", "a/..", "../b", "a/../b", "-x/y", "a/-y", "/a", "a/", "a//b", "a\\b", "a/b/c"),
        *("a\u200bb/c", "a\u202eb", "a\x07b", "a\nb", "https://example.org/a", "a b", ""),
    ],
)
def test_what_is_no_hub_id_is_refused(tmp_path, hub):
    """When the zoo is read, and again before an id becomes a folder of the cache."""
    refused = problem(tmp_path, source=f"{{hub: {quoted(hub)}}}").message
    assert "not a hub id" in refused or "is not allowed in a zoo" in refused
    with pytest.raises(LoadError, match="not a hub id"):
        snapshot(hub, None, tmp_path / "cache", offline=True)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "revision",
    ["..", "../main", "a/../b", "-f", "--upload-pack=x", "/a", "a//b", "a\nb", "a\u202eb", "a b"],
)
def test_what_is_no_revision_is_refused(tmp_path, revision):
    """A branch, tag or commit as Git names them, and nothing that looks like an option."""
    source = f"{{hub: org/name, revision: {quoted(revision)}}}"
    refused = problem(tmp_path, source=source).message
    assert "not the name of a branch" in refused or "is not allowed in a zoo" in refused
    with pytest.raises(LoadError, match="not the name of a branch"):
        snapshot("org/name", revision, tmp_path / "cache", offline=True)


@pytest.mark.parametrize("hub", ["gpt2", "org/name", "_a/b.c-d_e", "sentence-transformers/all-L6"])
@pytest.mark.parametrize("revision", ["main", "refs/pr/12", "v1.0+cpu", "0" * 40])
def test_hub_ids_and_revisions_that_exist_are_accepted(hub, revision):
    """The rule refuses nothing that the hub serves."""
    entry = {"id": "m", "framework": "f", "inputs": {"factory": "a:b"}}
    source = {"hub": hub, "revision": revision}
    assert ZooEntry.model_validate({**entry, "source": source}).source.hub == hub


@pytest.fixture
def zoo(tmp_path):
    """A zoo's folder, with a secret beside it."""
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "elsewhere").mkdir()
    folder = tmp_path / "zoo"
    (folder / "models" / "bert").mkdir(parents=True)
    (folder / "models" / "bert" / "config.json").write_text("{}")
    return folder


def test_links_within_the_folder_are_followed(zoo):
    """A link to the newest of several models is how people work, and leads nowhere else."""
    (zoo / "latest").symlink_to("models/bert")
    (zoo / "models" / "also.json").symlink_to("bert/config.json")
    (zoo / "dangling").symlink_to("models/absent")
    for path in ("latest", "models", "models/also.json", "dangling", "absent", "."):
        assert stray(zoo, path) is None


def test_a_zoo_that_is_itself_reached_by_a_link_has_its_own_folder(zoo):
    """The link before the folder is the user's way to it, not a way out of it."""
    (zoo.parent / "link").symlink_to(zoo)
    assert stray(zoo.parent / "link", "models/bert") is None


@pytest.mark.parametrize("path", ["models/bert", "models", "."])
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("file link", "leads out of the folder by a symbolic link, 'models/bert/x'"),
        ("folder link", "leads out of the folder by a symbolic link, 'models/bert/x'"),
        ("link to a link", "leads out of the folder by a symbolic link"),
        ("hard link", "has a hard link, 'models/bert/x'"),
        ("pipe", "no regular file at 'models/bert/x'"),
        ("circle", "cannot be read at 'models/bert/x'"),
        ("device", "leads out of the folder by a symbolic link"),
    ],
)
def test_what_leads_out_of_the_folder_is_refused_at_any_depth(zoo, path, kind, reason):
    """A folder is as bad as the worst thing in it; nothing is opened to find out."""
    place = zoo / "models" / "bert" / "x"
    if kind == "file link":
        place.symlink_to("../../../secret")
    elif kind == "folder link":
        place.symlink_to(zoo.parent / "elsewhere")
    elif kind == "link to a link":
        (zoo / "hop").symlink_to("../secret")
        place.symlink_to("../../hop")
    elif kind == "hard link":
        place.hardlink_to(zoo.parent / "secret")
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "circle":
        place.symlink_to("x")
    else:
        place.symlink_to("/dev/zero")
    assert reason in (stray(zoo, path) or "")


def test_what_git_keeps_of_a_clone_is_not_the_models(zoo):
    """A local clone shares its objects by hard links, and no framework reads them."""
    (zoo / "models" / "bert" / ".git").mkdir()
    (zoo / "models" / "bert" / ".git" / "object").hardlink_to(zoo.parent / "secret")
    assert stray(zoo, "models/bert") is None


def entry(path="models", files=("a.npz",)):
    """An entry of files."""
    source, inputs = {"path": path}, {"files": list(files)}
    return ZooEntry.model_validate(
        {"id": "m", "framework": "sklearn", "source": source, "inputs": inputs}
    )


def test_the_error_of_a_link_is_that_of_its_stage(zoo):
    """A model that strays fails at load, inputs that stray fail at inputs; both say what to do."""
    (zoo / "a.npz").symlink_to("../secret")
    with pytest.raises(InputsError, match=r"the input file 'a\.npz' leads out .* include it"):
        local_files(entry(), zoo)
    (zoo / "models" / "x").symlink_to("../../secret")
    with pytest.raises(LoadError, match="the model 'models' leads out of the folder"):
        local_files(entry(), zoo)


def test_an_engine_refuses_before_a_digest_is_taken_or_a_process_started(tmp_path):
    """The verdict is the case's own, names the link, and no child was asked for anything."""

    class Nobody:
        """An executor that must not be needed."""

        def run(self, spec):
            raise AssertionError("a process was started")

        def close(self):
            """Hold nothing."""

    (tmp_path / "secret").write_bytes(b"secret")
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    (zoo / "model.skops").symlink_to("../secret")
    case = located("Honest", source={"path": "model.skops"})
    case = type(case)(case.case, zoo / "zoo.yaml", 1, zoo)
    settings = Settings(
        cache_dir=tmp_path / "cache",
        workdir=tmp_path / "work",
        progress=tmp_path / "progress.json",
        offline=True,
        require=False,
        seed=0,
        failures_dir=tmp_path / "failures",
    )
    record = Engine(settings, Nobody(), {}).run(case, ref(case, TestKind.EXPORT))
    assert (record.verdict, record.stage) == (Verdict.FAIL, Stage.LOAD)
    assert "'model.skops' leads out of the folder by a symbolic link" in (record.reason or "")


def test_a_zoo_file_beside_its_models_is_included_from_elsewhere(tmp_path):
    """The explicit way to models of another place: their own zoo file, whose folder is theirs."""
    there = tmp_path / "data" / "models"
    there.mkdir(parents=True)
    (there / "zoo.yaml").write_text(ENTRY % ("{path: b.skops}", "{files: [b.npz]}"))
    for name in ("tree.skops", "b.skops", "a.npz", "b.npz"):
        (there / name).write_bytes(b"x")
    here = tmp_path / "work" / "zoo.yaml"
    here.parent.mkdir()
    here.write_text(f"include: [{there / 'zoo.yaml'}]\n")
    found = read_zoo([here], catalog()).entries
    assert [local_files(e.entry, e.zoo_dir)[0].name for e in found] == ["tree.skops", "b.skops"]
    assert {e.zoo_dir for e in found} == {there}


def test_a_pipe_in_place_of_inputs_is_not_waited_for(tmp_path):
    """Opening it would wait for a writer for ever: it is refused by what it is."""
    os.mkfifo(tmp_path / "a.npz")
    code = (
        "import sys; from pathlib import Path; from conformance.sources.local import input_path; "
        "input_path('a.npz', Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "the input file 'a.npz' is no regular file" in done.stderr


def test_real_inputs_beside_the_zoo_are_proven_to_be_read(tmp_path):
    """What is refused above is refused for where it leads: the same file in place is read."""
    np.savez(tmp_path / "a.npz", x=np.ones(2))
    (tmp_path / "b.npz").symlink_to("a.npz")
    assert local_files(entry(path="a.npz", files=["b.npz"]), tmp_path) == [
        tmp_path / "a.npz",
        tmp_path / "b.npz",
    ]
