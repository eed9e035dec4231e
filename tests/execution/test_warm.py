from __future__ import annotations

import subprocess
import sys

from conformance.execution.process import practise

_CODE = """
import sys
from conformance import machine
from conformance.bundle import BundleManifest
from conformance.evidence import ParityReport
from conformance.execution.warm import warm
from conformance.model import Case, serialization
import threading
warm()
assert machine._installed_versions.cache_info().currsize == 1
assert {BundleManifest, ParityReport, Case} <= serialization._adapters.keys()
assert "numpy.ma" in sys.modules
heavy = {"torch", "tensorflow", "sklearn", "onnxruntime"}
print(threading.active_count(), sorted(heavy & sys.modules.keys()))
"""


def test_warming_does_the_work_ahead_and_nothing_that_a_fork_could_break():
    """A parent warms itself without a thread and without a framework."""
    done = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, text=True, check=True)
    assert done.stdout.split(maxsplit=1) == ["1", "[]\n"]


def test_practice_leaves_nothing(tmp_path, monkeypatch):
    """What a child does while it waits writes no file."""
    monkeypatch.chdir(tmp_path)
    practise()
    assert not list(tmp_path.iterdir())


def test_versions_are_the_callers_own():
    """What one caller does to the versions it was given, another does not see."""
    from conformance.machine import installed_versions

    installed_versions().clear()
    assert "numpy" in installed_versions()
