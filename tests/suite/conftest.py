from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

MINIATURES = Path(__file__).parents[1] / "miniatures.py"


class Suite:
    """A folder with a zoo of miniatures, and pytest to run on it."""

    def __init__(self, pytester):
        self.pytester = pytester
        self.path = pytester.path
        shutil.copy(MINIATURES, self.path)
        # the project's own ini must not reach into this folder
        pytester.makeini("[pytest]\n")

    def zoo(self, *adapters, name="zoo.yaml", **entries):
        """Write a zoo of one model per adapter; keyword: YAML lines added to an entry."""
        lines = ["models:"]
        for adapter in adapters:
            lines += [
                f"  - id: {adapter.lower()}",
                f"    framework: miniatures:{adapter}",
                "    source: {factory: 'miniatures:unused'}",
                "    exporters: [mini]",
                "    opsets: [18]",
                "    inputs:",
                "      spec: {x: {shape: [batch, 3]}}",
                "      sets: [{batch: 4}, {batch: 7}]",
                *(f"    {line}" for line in entries.get(adapter, "").splitlines()),
            ]
        (self.path / name).write_text("\n".join(lines) + "\n")

    def run(self, *args, zoo="zoo.yaml"):
        cache = self.path / "cache"
        return self.pytester.runpytest_subprocess(
            "--zoo", zoo, "--zoo-cache-dir", cache, "-p", "no:cacheprovider", *args
        )

    @property
    def report(self):
        return json.loads((self.path / "reports" / "report.json").read_text())

    @property
    def verdicts(self):
        return {case["id"].partition("/")[0]: case["verdict"] for case in self.report["cases"]}


@pytest.fixture
def suite(pytester, monkeypatch):
    # other runs on this machine are none of a test's business
    monkeypatch.setenv("CONFORMANCE_MACHINE_LOCK", str(pytester.path / "machine.lock"))
    return Suite(pytester)
