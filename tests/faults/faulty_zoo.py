"""A folder with a zoo of faulty miniatures, and a real pytest process on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
_MODEL = """\
  - id: {id}
    framework: {framework}
    source: {{factory: 'faulty:unused'}}
    exporters: [mini]
    opsets: [18]
    inputs:
      spec: {{x: {{shape: [batch, 3]}}}}
      sets: [{{batch: 4}}, {{batch: 7}}]
"""


class FaultyZoo:
    """Models whose adapters do harm, on purpose and for real."""

    def __init__(self, path: Path) -> None:
        self.path = path
        shutil.copy(HERE / "faulty.py", path)
        shutil.copy(HERE.parent / "miniatures.py", path)
        (path / "pytest.ini").write_text("[pytest]\n")
        self._models = ["models:\n"]

    def add(self, model, framework="miniatures:Honest", **more):
        """Add a model; further entry fields as keywords."""
        lines = "".join(f"    {key}: {value}\n" for key, value in more.items())
        self._models.append(_MODEL.format(id=model, framework=framework) + lines)

    def start(self, *args):
        """Start pytest on the zoo; its standard output and error go to ``run.log``."""
        (self.path / "zoo.yaml").write_text("".join(self._models))
        (self.path / "tmp").mkdir(exist_ok=True)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(self.path), os.environ.get("PYTHONPATH", "")]),
            "TMPDIR": str(self.path / "tmp"),
            "CONFORMANCE_MACHINE_LOCK": str(self.path / "machine.lock"),
        }
        command = ["--zoo", "zoo.yaml", "--zoo-cache-dir", "cache", "-p", "no:cacheprovider"]
        with (self.path / "run.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "pytest", *command, *args],
                cwd=self.path,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def run(self, *args):
        """Run pytest on the zoo to its end; gives its exit code."""
        return self.start(*args).wait(120)

    @property
    def log(self):
        return (self.path / "run.log").read_text(errors="replace")

    @property
    def report(self):
        return json.loads((self.path / "reports" / "report.json").read_text())

    @property
    def cases(self):
        """Model id to its row of the report."""
        return {case["model"]: case for case in self.report["cases"]}


def wait_for(condition, seconds=30.0):
    """Wait until ``condition()`` is true and return it."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return value


def pid_in(file):
    """The pid that a faulty model wrote down, or None while it has not."""
    text = file.read_text() if file.exists() else ""
    return int(text) if text.endswith("\n") else None


def runs(pid):
    """Whether a process is alive; a zombie is not."""
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
