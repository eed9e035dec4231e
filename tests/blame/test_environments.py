"""``conformance blame --environments`` on real runs under two versions of ONNX Runtime."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import capped
import jsonschema
import miniatures
import pytest
from wheels import WRAPPED, only_index, wheel

from conformance.cli import main
from conformance.overlay import Pin, overlay

ROOT = Path(__file__).parents[2]
NOW = version("onnxruntime")
SCHEMA = json.loads(files("conformance").joinpath("schemas/blame.schema.json").read_text("utf-8"))


class Zoo:
    """A zoo of one miniature, run by different environments; blame is asked in this one."""

    def __init__(self, folder, adapter, opset):
        self.folder = folder
        (folder / "pytest.ini").write_text("[pytest]\n")
        for module in (miniatures, capped):
            shutil.copy(module.__file__, folder)
        entry = {
            "id": "mini",
            "framework": f"{adapter.__module__}:{adapter.__name__}",
            "source": {"factory": "miniatures:unused"},
            "exporters": ["mini"],
            "opsets": [opset],
            "inputs": adapter.inputs,
        }
        # every JSON document is YAML
        (folder / "zoo.yaml").write_text(json.dumps({"models": [entry]}))

    def run_under(self, onnxruntime):
        with overlay(Pin.of("onnxruntime", onnxruntime), 120, lambda _: None) as python:
            self.run(python)

    def run(self, python=sys.executable):
        pythonpath = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_XDIST")}
        lock = str(self.folder / "machine.lock")
        subprocess.run(
            [
                *(python, "-m", "pytest", "--zoo", "zoo.yaml", "--zoo-cache-dir", "cache"),
                *("-p", "no:cacheprovider", "-k", "not latency", "--zoo-isolation", "inline"),
            ],
            cwd=self.folder,
            env=environment | {"PYTHONPATH": pythonpath, "CONFORMANCE_MACHINE_LOCK": lock},
            capture_output=True,
            check=False,
        )

    def blame(self, *arguments):
        where = (
            "--report",
            str(self.folder / "reports"),
            "--cache-dir",
            str(self.folder / "cache"),
        )
        return main(["blame", "mini", *arguments, *where])


def test_the_runtime_that_turned_a_case_red_is_found(tmp_path, monkeypatch, capsys):
    """Two runs, two runtimes, one of them wrong: told at first, and confirmed in environments."""
    index = only_index(tmp_path / "wheels", monkeypatch)
    wheel(index, "0.1", WRAPPED.format(factor=1))
    wheel(index, "0.2", WRAPPED.format(factor=2))
    zoo = Zoo(tmp_path, miniatures.Honest, 18)
    zoo.run_under("0.1")
    zoo.run_under("0.2")
    assert zoo.blame("--environments", "--json", str(tmp_path / "blame.json")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].partition(": ")[2] == (
        "converter output byte-identical; regressed by onnxruntime 0.1 -> 0.2"
    )
    assert "  under onnxruntime 0.1, both models are pass" in lines
    assert any(line.startswith("  under onnxruntime 0.2, both models are fail: ") for line in lines)
    assert lines[-1] == "  confirmed by replaying"
    told = json.loads((tmp_path / "blame.json").read_text())
    jsonschema.validate(told, SCHEMA)
    assert told["attribution"]["side"] == "runtime"
    assert told["environments"] == [
        {"onnxruntime": "0.1", "old_red": False, "new_red": False},
        {"onnxruntime": "0.2", "old_red": True, "new_red": True},
    ]
    assert told["replayed"] == {"onnxruntime": NOW, "old_red": False, "new_red": False}


def test_a_version_that_cannot_be_installed_leaves_the_rest_told(
    past, tmp_path, monkeypatch, capsys
):
    """What is known without it is said all the same, and that nothing confirms it."""
    only_index(tmp_path / "wheels", monkeypatch)
    past.retell(onnxruntime="0.1")
    where = ("--report", str(past.reports), "--cache-dir", str(past.cache))
    assert main(["blame", "steady", "--environments", *where]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"regressed by onnxruntime 0.1 -> {NOW}" in lines[0]
    told = "  not tried under onnxruntime 0.1: onnxruntime==0.1 could not be installed: "
    assert any(line.startswith(told) for line in lines)
    # the version that is installed here is taken from here
    assert any(line.startswith(f"  under onnxruntime {NOW}, both models are f") for line in lines)
    assert lines[-1] == "  told by what differs"


def index_answers():
    """Whether pip finds ONNX Runtime."""
    command = [sys.executable, "-m", "pip", "index", "versions", "onnxruntime"]
    command += ["--timeout", "5", "--retries", "0"]
    try:
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


@pytest.mark.skipif(
    not os.environ.get("CONFORMANCE_TEST_ENVIRONMENTS"),
    reason="installs ONNX Runtime three times: set CONFORMANCE_TEST_ENVIRONMENTS to run it",
)
def test_an_older_onnxruntime_is_convicted(tmp_path, capsys):
    """ONNX Runtime 1.24 adds Attention's mask before the cap of its scores; later ones do not."""
    if not index_answers():
        pytest.skip("no package index answers")
    zoo = Zoo(tmp_path, capped.Capped, 23)
    zoo.run()
    zoo.run_under("1.24.4")
    assert zoo.blame("--environments") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].partition(": ")[2] == (
        f"converter output byte-identical; regressed by onnxruntime {NOW} -> 1.24.4"
    )
    assert lines[-1] == "  confirmed by replaying"
