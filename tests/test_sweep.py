"""Stored models under several versions of a package, in environments that are really made."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import jsonschema
import onnx  # noqa: TID253 - its test data is what is replayed
import pytest
from wheels import WRAPPED, only_index, wheel

from conformance.cli import main
from conformance.model import Verdict
from conformance.overlay import NotInstalled, Pin, overlay
from conformance.sweep import Cell, Swept

SCHEMA = json.loads(files("conformance").joinpath("schemas/sweep.schema.json").read_text("utf-8"))
TANH = Path(onnx.__file__).parent / "backend" / "test" / "data" / "pytorch-converted" / "test_Tanh"


@pytest.fixture
def index(tmp_path, monkeypatch):
    """The only wheels that pip finds."""
    return only_index(tmp_path / "wheels", monkeypatch)


def test_a_runtime_that_answers_otherwise_is_found(tmp_path, index, capsys):
    """One version is right and the other is not: which model, which versions, by how much."""
    wheel(index, "0.1", WRAPPED.format(factor=1))
    wheel(index, "0.2", WRAPPED.format(factor=-1))
    shutil.copytree(TANH, tmp_path / "models" / "tanh")
    out = tmp_path / "sweep.json"
    code = main(
        ["sweep", "--package", "onnxruntime==0.1,0.2", str(tmp_path / "models"), "--json", str(out)]
    )
    told = capsys.readouterr()
    assert code == 1, told.err
    lines = told.out.splitlines()
    assert lines[0].startswith("differs: ")
    assert lines[1].startswith("  onnxruntime==0.1  ✓ pass")
    assert lines[2].startswith("  onnxruntime==0.2  ✗ fail")
    assert lines[-1].startswith("1 model: 1 with another verdict")
    document = json.loads(out.read_text())
    jsonschema.validate(document, SCHEMA)
    (model,) = document["models"]
    assert model["differs"]
    assert [cell["verdict"] for cell in model["cells"]] == ["pass", "fail"]


def test_all_else_in_an_environment_is_as_here(index):
    """The pinned package is its own, and what is not pinned comes from this environment."""
    wheel(index, "3.0", "value = 3", name="swept_for_a_test")
    code = "import swept_for_a_test, numpy; print(swept_for_a_test.value, numpy.__file__)"
    with overlay(Pin.of("swept-for-a-test", "3.0"), 120, lambda _: None) as python:
        command = [python, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    import numpy as np

    assert done.stdout.split() == ["3", np.__file__]
    assert not python.exists()


def test_a_version_that_is_not_to_be_had_is_told_before_anything_runs(tmp_path, index, capsys):
    """Exit code 2 and pip's own words."""
    shutil.copytree(TANH, tmp_path / "tanh")
    assert main(["sweep", "--package", "onnxruntime==0.3", str(tmp_path)]) == 2
    assert "onnxruntime==0.3 could not be installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("package", "message"),
    [
        ("onnxruntime", "write NAME==VERSION"),
        ("==1.0", "write NAME==VERSION"),
        ("onnxruntime==", "has no version ''"),
        ("onnxruntime==1.0,1.0", "named twice"),
        ("onnxruntime[x]==1.0", "more than the name"),
        ("--index-url=x==1.0", "not the name of a package"),
        ("onnxruntime==1.0 @ http://x", "has no version"),
    ],
)
def test_what_is_no_package_is_refused(tmp_path, capsys, package, message):
    """Nothing that pip could take for an option or an address gets to it."""
    assert main(["sweep", f"--package={package}", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_a_report_without_a_run_is_refused(tmp_path, capsys):
    """With what to name instead."""
    assert main(["sweep", "--package", "onnxruntime==1.0", "--report", str(tmp_path)]) == 2
    assert "holds no run: name folders with models" in capsys.readouterr().err


def test_nothing_replayed_is_no_success(tmp_path, index, capsys):
    """A package that breaks the replay as a whole, or folders without models, are errors."""
    wheel(index, "0.4", "raise ImportError('no')")
    shutil.copytree(TANH, tmp_path / "models" / "tanh")
    assert main(["sweep", "--package", "onnxruntime==0.4", str(tmp_path / "models")]) == 2
    assert "nothing was replayed under onnxruntime==0.4" in capsys.readouterr().err


def test_what_is_worth_telling():
    """Other verdicts, nodes that ran elsewhere, and errors that moved near their limits."""

    def swept(*cells):
        return Swept("id", "folder", cells)

    def cell(verdict=Verdict.PASS, ratio=0.5, placement=None):
        return Cell(verdict, None, ratio, placement)

    assert swept(cell(), cell(Verdict.FAIL)).differs
    assert swept(cell(), None).differs
    assert not swept(cell(), cell()).differs
    assert swept(cell(ratio=0.5), cell(ratio=0.8)).moved
    assert not swept(cell(ratio=0.5), cell(ratio=0.6)).moved
    assert not swept(cell(ratio=0.01), cell(ratio=0.09)).moved
    assert swept(cell(placement={"A": 3}), cell(placement={"A": 2, "B": 1})).moved


def test_a_name_cannot_be_taken_for_an_option():
    """A pin is a plain name and version, whoever writes it."""
    with pytest.raises(ValueError, match="not the name of a package"):
        Pin.of("-r", "1.0")
    with pytest.raises(NotInstalled), overlay(Pin("no-such-package-anywhere", "0"), 0.01, str):
        pass
