"""The main job on real models, as a user runs it: a process, its exit code, its report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

pytest.importorskip("skl2onnx", reason="scikit-learn's exporter is not installed")

ROOT = Path(__file__).parents[1]
ONE_OF_EACH = {
    "sklearn": ("naive-bayes", "skl2onnx"),
    "pytorch": ("digits-autoencoder", "torch"),
    "tensorflow": ("saved-model-cnn", "tensorflow"),
    "transformers": ("vit-tiny", "transformers"),
}


def run(folder, *arguments, zoo=ROOT / "model_zoo.yaml"):
    command = [sys.executable, "-m", "pytest", "--zoo", zoo, "--zoo-cache-dir", folder / "cache"]
    command += ["-p", "no:cacheprovider", *arguments]
    environment = {name: v for name, v in os.environ.items() if "XDIST" not in name}
    return subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def report_of(folder):
    report = json.loads((folder / "reports" / "report.json").read_text())
    schemas = resources.files("conformance") / "schemas"
    jsonschema.validate(report, json.loads((schemas / "report.schema.json").read_text()))
    return report


def test_models_of_every_framework_pass_and_the_second_run_extends_the_history(tmp_path):
    """Cold under xdist, then again from the cache: the same verdicts, two points per trend."""
    for _, module in ONE_OF_EACH.values():
        pytest.importorskip(module)
    chosen = " or ".join(model for model, _ in ONE_OF_EACH.values())
    first = run(tmp_path, "-k", chosen, "-n", "2")
    assert first.returncode == 0, first.stdout
    cold = report_of(tmp_path)
    assert {case["framework"] for case in cold["cases"]} == ONE_OF_EACH.keys()
    assert cold["totals"]["pass"] == len(cold["cases"]) == 4
    for case in cold["cases"]:
        assert not case["export"]["cached"]
        assert all(o["rule"] in ("fp64-referenced", "exact") for o in case["parity"]["outputs"])
        assert case["latency"]["median_ns"] > 0
        assert case["latency"]["source_median_ns"] > 0
    second = run(tmp_path, "-k", chosen, "-n", "0")
    assert second.returncode == 0, second.stdout
    warm = report_of(tmp_path)
    assert all(case["export"]["cached"] for case in warm["cases"])
    assert [len(case["trend"]) for case in warm["cases"]] == [2, 2, 2, 2]


BAD = """
models:
  - &model
    id: good
    framework: sklearn
    source: {factory: "broken:good"}
    inputs:
      spec: {X: {shape: [rows, 4], fill: uniform, low: 0, high: 8}}
      sets: [{rows: 9}, {rows: 5}]
  - {<<: *model, id: missing, source: {factory: "broken:goood"}}
  - {<<: *model, id: no-module, source: {factory: "not_there:model"}}
  - {<<: *model, id: raising, source: {factory: "broken:raising"}}
  - {<<: *model, id: no-converter, source: {factory: "broken:no_converter"}}
  - {<<: *model, id: elsewhere, providers: [cpu, cuda]}
  - {<<: *model, id: needs-more, requires: [no-such-distribution]}
"""
BROKEN = """
from sklearn.cluster import Birch
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

def good(): return LogisticRegression(max_iter=1000).fit(*load_iris(return_X_y=True))
def raising(): raise FileNotFoundError("weights.bin")
def no_converter(): return Birch().fit(load_iris().data)
"""


def test_bad_models_get_one_clear_message_and_leave_the_others_alone(tmp_path):
    """Missing, raising, unexportable and absent things: verdict, stage and next step of each."""
    (tmp_path / "zoo.yaml").write_text(BAD)
    (tmp_path / "broken.py").write_text(BROKEN)
    done = run(tmp_path, zoo=tmp_path / "zoo.yaml")
    assert done.returncode == 1
    rows = {(c["model"], c["provider"]): c for c in report_of(tmp_path)["cases"]}
    told = {
        model: (case["verdict"], case["stage"], case["reason"])
        for (model, provider), case in rows.items()
        if provider == "cpu"
    }
    assert told["good"][0] == told["elsewhere"][0] == "pass"
    for model, verdict, stage, text in [
        ("missing", "fail", "load", "did you mean 'good'"),
        ("no-module", "fail", "load", "there is no module 'not_there'"),
        ("raising", "fail", "load", "FileNotFoundError: weights.bin"),
        ("no-converter", "fail", "export", "Birch"),
        ("needs-more", "not-run", "load", "pip install 'no-such-distribution'"),
    ]:
        assert told[model][:2] == (verdict, stage)
        assert text in told[model][2]
        assert text in done.stdout
    elsewhere = rows["elsewhere", "cuda"]
    assert elsewhere["verdict"] == "not-run"
    assert "has no CUDAExecutionProvider" in elsewhere["reason"]
