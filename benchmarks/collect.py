"""Collecting a large zoo, against bare pytest with as many parametrized tests.

Both sides collect the same number of tests; they alternate, so that both meet the same
machine. The figure is the ratio of the medians.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODELS = 1000
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
    """Print both medians and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        entries = "".join(_ENTRY.format(number=n) for n in range(MODELS))
        (folder / "zoo.yaml").write_text(f"models:\n{entries}", encoding="utf-8")
        count = MODELS * TESTS_PER_MODEL
        (folder / "test_bare.py").write_text(_BARE.format(count=count), encoding="utf-8")
        (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        zoo, bare = [], []
        for _ in range(ROUNDS):
            zoo.append(_seconds(folder, ["--zoo", "zoo.yaml"]))
            bare.append(_seconds(folder, ["-p", "no:conformance", "test_bare.py"]))
    ours, theirs = statistics.median(zoo), statistics.median(bare)
    print(f"{count} tests collected, median of {ROUNDS}")
    print(f"  zoo of {MODELS} models  {ours:6.2f} s")
    print(f"  bare pytest         {theirs:6.2f} s")
    print(f"  ratio               {ours / theirs:6.2f}")


def _seconds(folder: Path, arguments: list[str]) -> float:
    start = time.perf_counter()
    command = [sys.executable, "-m", "pytest", "--co", "-q", "-p", "no:cacheprovider", *arguments]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start
