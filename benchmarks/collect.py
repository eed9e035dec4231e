"""Collecting a large zoo, against bare pytest with parametrized tests.

A model is three tests, so bare pytest is measured twice: with as many tests as the zoo has
models, and with as many as it has tests. What remains is reading the zoo. The three alternate,
so that all meet the same machine; the figures are the ratios of the medians.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

MODELS = 10_000
TESTS_PER_MODEL = 3
ROUNDS = 3

_ENTRY = """  - id: model-{number}
    framework: pytorch
    source: {{factory: "models:build", args: {{width: {number}}}}}
    task: image-classification
    inputs:
      spec: {{x: {{shape: [batch, 8]}}}}
      sets: [{{batch: 2}}, {{batch: 3}}]
"""
_BARE = """
import pytest
@pytest.mark.parametrize("number", range({count}))
def test_bare(number): ...
"""


def main() -> None:
    """Print the medians and their ratios."""
    tests = MODELS * TESTS_PER_MODEL
    sides: dict[str, list[str]] = {
        f"zoo of {MODELS} models, {tests} tests": ["--zoo", "zoo.yaml"],
        f"bare pytest, {MODELS} tests": ["-p", "no:conformance", "test_models.py"],
        f"bare pytest, {tests} tests": ["-p", "no:conformance", "test_tests.py"],
    }
    taken: dict[str, list[float]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        entries = "".join(_ENTRY.format(number=n) for n in range(MODELS))
        (folder / "zoo.yaml").write_text(f"models:\n{entries}", encoding="utf-8")
        (folder / "test_models.py").write_text(_BARE.format(count=MODELS), encoding="utf-8")
        (folder / "test_tests.py").write_text(_BARE.format(count=tests), encoding="utf-8")
        (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        for _ in range(ROUNDS):
            for side, arguments in sides.items():
                taken[side].append(_cpu_seconds(folder, arguments))
    medians = {side: statistics.median(seconds) for side, seconds in taken.items()}
    ours = next(iter(medians.values()))
    print(f"collected with --collect-only, CPU time, median of {ROUNDS}")
    for side, seconds in medians.items():
        print(f"  {side:36} {seconds:6.2f} s   zoo / this {ours / seconds:5.2f}")


def _cpu_seconds(folder: Path, arguments: list[str]) -> float:
    """CPU time, which a busy machine changes less than the time that passes."""
    before = os.times()
    command = [sys.executable, "-m", "pytest", "--co", "-q", "-p", "no:cacheprovider", *arguments]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    spent = after.children_user + after.children_system
    return spent - before.children_user - before.children_system
