"""Failure folders of cases that the zoo no longer holds are removed, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import replace

import failing_cases as cases
import pytest

from conformance.failures import failure_name, prune_failures, write_failure
from conformance.model import Stage, TestKind

ZOO = {"zoo.yaml"}
CASE = cases.CASE.key
ROW = cases.CASE.id_on("cpu")


@pytest.fixture
def left(tmp_path):
    """Leave the folder of a failure of the model ``tiny``, at line 3 of zoo.yaml."""

    def leave(provider="cpu", place="zoo.yaml:3"):
        test = TestKind.EXPORT if provider is None else TestKind.PARITY
        ref = replace(cases.reference(test, provider), place=place)
        found = cases.record(ref=ref, stage=Stage.EXPORT, reason="no exporter")
        return write_failure(tmp_path / "failures", found, cases.ORIGIN)

    return leave


@pytest.fixture
def failures(tmp_path):
    return tmp_path / "failures"


def test_what_a_vanished_case_left_is_removed(left, failures):
    """Its folders and their zips go; those of a case that the zoo holds stay."""
    gone = [left(), left(None)]
    kept = left("cuda")
    assert prune_failures(failures, ZOO, {"other", f"{CASE}-cuda"}) == [CASE, ROW]
    assert not any(path.exists() for folder in gone for path in (folder, zip_of(folder)))
    assert kept.is_dir()
    assert zip_of(kept).is_file()


def zip_of(folder):
    return folder.with_name(f"{folder.name}.zip")


@pytest.mark.parametrize(
    ("zoos", "known"),
    [
        (ZOO, {ROW, CASE}),
        ({"other.yaml"}, set()),
        ({""}, set()),
        (set(), set()),
    ],
    ids=["known", "of another zoo", "of a zoo without a name", "of no zoo"],
)
def test_what_may_be_needed_stays(left, failures, zoos, known):
    """A case of the zoo, and anything of other zoo files, is left alone."""
    folder = left()
    assert prune_failures(failures, zoos, known) == []
    assert folder.is_dir()
    assert zip_of(folder).is_file()


def test_a_folder_without_a_place_stays(left, failures):
    """Of which zoo it is cannot be told: older versions did not write it down."""
    folder = left(place=None)
    assert prune_failures(failures, ZOO | {""}, set()) == []
    assert folder.is_dir()


def test_a_provider_that_was_joined_keeps_its_folder(left, failures):
    """The zoo never named it; its folder stays as long as the conversion, and goes with it."""
    folder = left("openvino")
    assert "openvino" not in cases.ENTRY.providers
    assert prune_failures(failures, ZOO, {CASE, ROW}) == []
    assert folder.is_dir()
    assert prune_failures(failures, ZOO, {"other"}) == [f"{CASE}-openvino"]
    assert not folder.exists()


def test_a_provider_that_the_zoo_dropped_leaves_nothing(left, failures):
    """The entry asked for it when it failed, and does not any more."""
    folder = left("cpu")
    assert prune_failures(failures, ZOO, {CASE, f"{CASE}-cuda"}) == [ROW]
    assert not folder.exists()


def spoilt(folder, change):
    file = folder / "provenance.json"
    told = json.loads(file.read_text())
    change(told)
    file.write_text(json.dumps(told))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "provenance.json").unlink(),
        lambda folder: (folder / "provenance.json").write_text("[" * 100_000),
        lambda folder: (folder / "provenance.json").write_bytes(b"\xff"),
        lambda folder: (folder / "provenance.json").write_text("[]"),
        lambda folder: spoilt(folder, lambda told: told.pop("found")),
        lambda folder: spoilt(folder, lambda told: told["entry"].pop("providers")),
        lambda folder: spoilt(folder, lambda told: told["found"]["ref"].pop("case")),
        lambda folder: spoilt(folder, lambda told: told["found"]["ref"].update(id="another")),
        lambda folder: folder.rename(folder.with_name("notes")),
    ],
)
def test_what_is_not_surely_ours_stays(left, failures, spoil):
    """Without a provenance that names the folder, nobody can tell who wrote it."""
    folder = left()
    spoil(folder)
    before = sorted(failures.rglob("*"))
    assert prune_failures(failures, ZOO, set()) == []
    assert sorted(failures.rglob("*")) == before


def test_links_and_files_stay(left, failures, tmp_path):
    """What a link leads to is somebody else's, whatever it looks like."""
    folder = left()
    elsewhere = tmp_path / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    (failures / "note.txt").write_text("mine")
    assert prune_failures(failures, ZOO, set()) == []
    assert (elsewhere / "provenance.json").is_file()
    assert folder.is_symlink()
    assert (failures / "note.txt").is_file()


def test_no_folder_of_failures_is_no_trouble(tmp_path):
    """A report folder in which nothing ever failed."""
    assert prune_failures(tmp_path / failure_name("x"), ZOO, set()) == []
