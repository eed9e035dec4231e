"""The output folder: whole, or as it was."""

from __future__ import annotations

import pytest

from conformance.single import CERTIFICATE, OutputRefused
from conformance.single.folder import check_output, write_folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_with_everything_in_it(tmp_path):
    """It is filled elsewhere and renamed; nothing else is left beside it."""
    out = tmp_path / "deep" / "out"
    write_folder(out, lambda folder: (folder / "model.onnx").write_text("new"))
    assert names(out) == ["model.onnx"]
    assert names(out.parent) == ["out"]


def test_a_former_conversion_is_replaced_and_survives_a_failure(tmp_path):
    """What was there stays until the new one is whole."""
    out = tmp_path / "out"
    write_folder(out, lambda folder: (folder / CERTIFICATE).write_text("former"))

    def full_disk(folder):
        (folder / "model.onnx").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputRefused, match="No space left"):
        write_folder(out, full_disk)
    assert (out / CERTIFICATE).read_text() == "former"
    assert names(tmp_path) == ["out"]
    write_folder(out, lambda folder: (folder / "model.onnx").write_text("new"))
    assert names(out) == ["model.onnx"]
    assert names(tmp_path) == ["out"]


def test_what_is_not_ours_is_refused_before_any_work(tmp_path):
    """A file, a link and a folder with other files are not written to."""
    check_output(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    check_output(tmp_path / "empty")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "diary.txt").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    (tmp_path / "file").write_text("mine")
    for name, said in (("notes", "no conversion of ours"), ("link", "no folder"), ("file", "no f")):
        with pytest.raises(OutputRefused, match=said):
            check_output(tmp_path / name)
