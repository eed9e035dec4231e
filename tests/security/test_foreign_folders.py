"""Folders of strangers, in a replay and in an archive: nothing of another place is opened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile

import pytest
from hostile_models import ZEROS, adder, external, put, put_bundle
from onnx import numpy_helper  # noqa: TID253 - builds models

from conformance.cli import main
from conformance.replay import find_model_folders
from conformance.replay.folders import data_problem

KINDS = ["pipe", "symlink", "device", "folder link"]


def plant(place, kind):
    """Put something into a folder that is no file of its own."""
    if place.is_file():
        place.unlink()
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "device":
        place.symlink_to("/dev/zero")
    else:
        secret = place.parents[1] / ("secret" if kind == "symlink" else "elsewhere")
        secret.mkdir(exist_ok=True) if kind == "folder link" else secret.write_bytes(b"secret")
        place.symlink_to(secret)


def run(*arguments):
    """The command in a process of its own, which a pipe would hold up for ever."""
    command = [sys.executable, "-m", "conformance.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture
def foreign(tmp_path):
    """A model of a stranger with its test data."""
    return put(tmp_path / "model", adder(numpy_helper.from_array(ZEROS, "weights")))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["input_0.pb", "output_0.pb", "more"])
def test_links_pipes_and_devices_in_test_data_are_named(foreign, kind, name):
    """Whether or not the name is one that a replay would read."""
    assert data_problem(foreign) is None
    plant(foreign / "test_data_set_0" / name, kind)
    reason = "no regular file" if kind == "pipe" else "a symbolic link"
    found = data_problem(foreign) or ""
    assert found.startswith(f"test_data_set_0/{name} is ")
    assert reason in found


def test_a_data_set_that_is_a_link_is_refused(foreign):
    """The files behind it would be somebody else's."""
    (foreign / "test_data_set_1").symlink_to("test_data_set_0")
    assert data_problem(foreign) == (
        "test_data_set_1 is a symbolic link: put the folder itself there"
    )


def test_hard_links_of_package_managers_are_read(foreign):
    """Uv and conda install every file as one: a replay of ONNX's own test data must go on."""
    (foreign.parent / "cache").hardlink_to(foreign / "test_data_set_0" / "input_0.pb")
    assert data_problem(foreign) is None


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_replay_does_not_wait_for_a_pipe_and_goes_on_to_the_next_model(foreign, kind):
    """The command ends by itself, long before the timeout of a model; the honest one passes."""
    put(foreign.parent / "other", adder(numpy_helper.from_array(ZEROS, "weights")))
    plant(foreign / "test_data_set_0" / "input_0.pb", kind)
    done = run("replay", foreign.parent)
    assert done.returncode == 1
    assert "fail" in done.stdout
    assert "test_data_set_0/input_0.pb is" in done.stdout
    assert "1 pass" in done.stdout
    assert len(list(find_model_folders(foreign.parent))) == 2


def failure(place, **told):
    """A failure folder as it would come from somebody else."""
    put(place, adder(numpy_helper.from_array(ZEROS, "weights")))
    expected = {
        "case": "c",
        "provider": "CPUExecutionProvider",
        "reason": "it differs",
        "judged": True,
        "data": ["test_data_set_0"],
        "outputs": [],
    }
    (place / "repro.json").write_text(json.dumps({**expected, **told}))
    (place / "provenance.json").write_text("{}")
    return place


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("made", [failure, put_bundle])
@pytest.mark.parametrize("option", [(), ("--randomize-weights",)])
def test_an_archive_takes_nothing_along_from_elsewhere(tmp_path, capsys, kind, made, option):
    """A link would be packed as what it leads to, and sent to strangers."""
    place = made(tmp_path / "failure")
    plant(place / "test_data_set_0" / "input_1.pb", kind)
    out = tmp_path / "out.zip"
    assert main(["pack", str(place), *option, "-o", str(out)]) == 2
    assert "test_data_set_0/input_1.pb is " in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("name", ["repro.json", "provenance.json", "bundle.json", "model.onnx"])
@pytest.mark.parametrize("option", [(), ("--randomize-weights",)])
def test_packing_does_not_wait_for_a_pipe(tmp_path, name, option):
    """In place of any file that it reads itself."""
    place = failure(tmp_path / "failure")
    plant(place / name, "pipe")
    done = run("pack", place, *option, "-o", tmp_path / "out.zip")
    assert done.returncode == 2
    assert f"{name} is no regular file" in done.stderr


def test_what_is_packed_otherwise_is_the_folders_own(tmp_path):
    """The same folder without the link is packed: it is the link that is refused."""
    out = tmp_path / "out.zip"
    assert main(["pack", str(failure(tmp_path / "failure")), "-o", str(out)]) == 0
    with zipfile.ZipFile(out) as archive:
        assert "failure/test_data_set_0/input_0.pb" in archive.namelist()


@pytest.mark.parametrize("made", [failure, put_bundle])
@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "linked"])
def test_weights_are_not_replaced_by_way_of_another_file(
    tmp_path, capsys, monkeypatch, made, location
):
    """External data is looked at by our own rules before onnx or ONNX Runtime opens any."""
    import onnx

    (tmp_path / "secret").write_bytes(ZEROS.tobytes())
    place = made(tmp_path / "failure")
    onnx.save(adder(external(location)), place / "model.onnx")
    if made is put_bundle:
        put_bundle(tmp_path / "again", adder(external(location)))
        place = tmp_path / "again"
    opened = []
    monkeypatch.setattr(onnx, "load", lambda *a, **k: opened.append(a))
    out = tmp_path / "out.zip"
    assert main(["pack", str(place), "--randomize-weights", "-o", str(out)]) == 2
    assert "the data of tensor 'weights'" in capsys.readouterr().err
    assert not opened
    assert not out.exists()


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"data": ["../../other"]}, "leads out of the folder"),
        ({"data": ["/etc"]}, "is not relative to the folder"),
        ({"data": [3]}, "is no name"),
        ({"data": []}, "names no data"),
        ({"provider": "x"}, "names the provider 'x', which is none"),
        ({"case": None}, "names no case"),
    ],
)
def test_a_strangers_repro_json_names_nothing_outside(tmp_path, capsys, told, reason):
    """Its data is read from the folder, whatever it says."""
    place = failure(tmp_path / "failure", **told)
    assert main(["pack", str(place), "--randomize-weights", "-o", str(tmp_path / "o.zip")]) == 2
    assert reason in capsys.readouterr().err
