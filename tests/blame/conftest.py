"""A history of two real runs between which a converter changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODELS = ("Steady", "Worsened", "Renaming")


def run_zoo(folder, version):
    """Run the zoo with a version of its converter."""
    text = (Path(__file__).parent / "drifting.py").read_text()
    (folder / "drifting.py").write_text(text.replace("VERSION = 1", f"VERSION = {version}", 1))
    pythonpath = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_XDIST")}
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--zoo", "zoo.yaml", "--zoo-cache-dir", "cache"),
            *("-p", "no:cacheprovider", "-k", "not latency", "--zoo-isolation", "inline"),
        ],
        cwd=folder,
        # other runs on this machine are none of a test's business
        env=environment
        | {"PYTHONPATH": pythonpath, "CONFORMANCE_MACHINE_LOCK": str(folder / "machine.lock")},
        capture_output=True,
        check=False,
    )


@pytest.fixture(scope="session")
def two_runs(tmp_path_factory):
    """A folder with ``reports`` and ``cache`` of a run at version 1 and one at version 2."""
    folder = tmp_path_factory.mktemp("drift")
    shutil.copy(ROOT / "tests" / "miniatures.py", folder)
    (folder / "pytest.ini").write_text("[pytest]\n")
    entries = [
        {
            "id": name.lower(),
            "framework": f"drifting:{name}",
            "source": {"factory": "drifting:unused"},
            "exporters": ["mini"],
            "opsets": [18],
            "inputs": {
                "spec": {"x": {"shape": ["batch", 3]}},
                "sets": [{"batch": 4}, {"batch": 7}],
            },
        }
        for name in MODELS
    ]
    # every JSON document is YAML
    (folder / "zoo.yaml").write_text(json.dumps({"models": entries}))
    for version in (1, 2):
        run_zoo(folder, version)
    assert len(list((folder / "reports" / "runs").iterdir())) == 2
    return folder


class Past:
    """A copy of the two runs, whose first one may be told otherwise."""

    def __init__(self, folder):
        self.folder = folder
        self.reports = folder / "reports"
        self.cache = folder / "cache"
        self.first, self.second = sorted((self.reports / "runs").iterdir())

    def retell(self, *, verdict="pass", commit=None, machine=None, **versions):
        """Change the first run: every verdict, and what was installed then."""
        lines = [json.loads(line) for line in self.first.read_text().splitlines()]
        lines[0]["versions"] |= versions
        lines[0]["commit"] = commit
        lines[0]["machine"] |= machine or {}
        for line in lines:
            if line["kind"] == "record":
                line |= {"verdict": verdict, "reason": None}
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        self.first.write_text(text)

    def forget_old_bundles(self):
        """As the cache's limit does it."""
        for line in self.first.read_text().splitlines():
            export = json.loads(line).get("export")
            if export:
                key = export["bundle"]
                shutil.rmtree(self.cache / "bundles" / key[:2] / key, ignore_errors=True)


@pytest.fixture
def past(two_runs, tmp_path):
    """The two runs, for one test."""
    for name in ("reports", "cache"):
        shutil.copytree(two_runs / name, tmp_path / name)
    return Past(tmp_path)
