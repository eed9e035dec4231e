from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from hostile_models import external, manifest_of, put_bundle
from onnx import TensorProto  # noqa: TID253 - builds models

from conformance.bundle import digest_files, read_bundle
from conformance.errors import CorruptBundle
from conformance.model import to_json
from conformance.replay import find_model_folders
from conformance.replay.describe import describe

PROBE = {"kind": "size", "axis": "batch", "size": 1}


@pytest.fixture
def bundle(tmp_path):
    """A whole bundle, and a file of somebody else beside it."""
    (tmp_path / "secret").write_bytes(b"secret")
    return put_bundle(tmp_path / "bundle")


def rewrite(bundle, **changes):
    """Write a manifest that says something else."""
    (bundle / "bundle.json").write_text(json.dumps({**manifest_of(bundle), **changes}))


def seal(bundle):
    """Let the manifest list what is there now, as an attacker would."""
    rewrite(bundle, files=to_json(digest_files(bundle)))


def test_a_whole_bundle_is_read(bundle):
    """What is refused below is refused for what is wrong with it."""
    assert len(list(read_bundle(bundle).data_sets())) == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../secret", "leads out of the folder"),
        ("test_data_set_0/../../secret", "leads out of the folder"),
        ("/etc/passwd", "is not relative"),
        ("C:\\secret", "is not relative"),
        ("a\x1b[2Jb", "not seen"),
        ("\u202egnp.exe", "not seen"),
        ("\ud800", "not seen"),
        ("", "leads out"),
    ],
)
@pytest.mark.parametrize("where", ["files", "probes"])
def test_names_in_the_manifest_stay_in_the_folder(bundle, where, name, reason):
    """Files and probes alike; the name is shown so that it does nothing to a terminal."""
    digest = {"sha256": "0" * 64, "size_bytes": 6}
    rewrite(bundle, **{where: {name: digest} if where == "files" else [{"name": name, **PROBE}]})
    with pytest.raises(CorruptBundle, match=reason) as error:
        read_bundle(bundle)
    assert str(error.value).isprintable()


def test_a_probe_is_one_folder_below_the_probes(bundle):
    """A longer path could be another's folder."""
    rewrite(bundle, probes=[{"name": "a/b", **PROBE}])
    with pytest.raises(CorruptBundle, match="is no folder name"):
        read_bundle(bundle)


@pytest.mark.parametrize("kind", ["symlink", "hard link", "folder link", "pipe"])
@pytest.mark.parametrize("sealed", [True, False])
def test_links_and_pipes_in_a_bundle_are_refused(bundle, kind, sealed):
    """Whether the manifest lists them or keeps silent about them."""
    place = bundle / "more"
    if kind == "symlink":
        place.symlink_to("../secret")
    elif kind == "hard link":
        place.hardlink_to(bundle.parent / "secret")
    elif kind == "folder link":
        place.symlink_to("..")
    if sealed:
        seal(bundle)
    if kind == "pipe":
        os.mkfifo(place)
    reason = {"hard link": "is a hard link", "pipe": "no regular file"}
    with pytest.raises(CorruptBundle, match=reason.get(kind, "is a symbolic link")):
        read_bundle(bundle)


def test_a_pipe_in_place_of_the_manifest_is_not_waited_for(bundle):
    """Neither where a bundle is read nor where a replay describes it."""
    (bundle / "bundle.json").unlink()
    os.mkfifo(bundle / "bundle.json")
    code = (
        "import sys; from pathlib import Path; from conformance.replay import find_model_folders; "
        "from conformance.replay.describe import describe; from conformance.bundle import *; "
        "folder = Path(sys.argv[1]); print(describe(next(find_model_folders(folder))).model); "
        "read_bundle(folder)"
    )
    command = [sys.executable, "-c", code, str(bundle)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "bundle\n"
    assert "bundle.json is no regular file" in done.stderr


def test_a_refused_bundle_is_described_by_its_folder(bundle):
    """A hostile manifest is not believed in what it says of itself either."""
    assert describe(next(find_model_folders(bundle))).model == "m"
    rewrite(bundle, probes=[{"name": "../..", **PROBE}])
    assert describe(next(find_model_folders(bundle))).model == "bundle"


def test_a_tensor_of_the_test_data_names_no_other_file(bundle, monkeypatch):
    """A path in it would be taken from wherever the process stands."""
    monkeypatch.chdir(bundle.parent)
    tensor = external("secret", length="6")
    tensor.dims[0], tensor.data_type = 6, TensorProto.UINT8
    (bundle / "test_data_set_0" / "input_0.pb").write_bytes(tensor.SerializeToString())
    seal(bundle)
    with pytest.raises(CorruptBundle, match=r"input_0\.pb holds no .*another file"):
        list(read_bundle(bundle).data_sets())


def test_a_number_that_is_none_in_a_file_name_is_an_error_of_the_bundle(bundle):
    """Not of Python: whoever reads bundles expects one kind of error."""
    data = bundle / "test_data_set_0"
    (data / "input_0.pb").rename(data / "input_zero.pb")
    seal(bundle)
    with pytest.raises(CorruptBundle, match=r"input_0\.pb is missing"):
        list(read_bundle(bundle).data_sets())


def test_a_manifest_that_nests_without_end_is_refused(bundle):
    """It takes more stack than Python has."""
    (bundle / "bundle.json").write_text('{"a":' + "[" * 200_000)
    with pytest.raises(CorruptBundle, match=r"bundle\.json cannot be read"):
        read_bundle(bundle)
