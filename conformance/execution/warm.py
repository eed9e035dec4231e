"""What every child would do again for itself, done once in the parent they are forked from.

None of it starts a thread, opens a file that stays open, or draws a random number: a forked
child is the same as one that did it alone, about a tenth of a second earlier.
"""

from __future__ import annotations

from importlib import import_module

from conformance.bundle import BundleManifest
from conformance.evidence import LatencyResult, ParityReport
from conformance.execution.contract import Completed, Spec
from conformance.machine import installed_versions
from conformance.model import Case, prepare

#: numpy imports its own at the first ``numpy.unique``, a child ours when it has its spec.
_LATE_MODULES = ("numpy.ma", "conformance.execution.process")


def warm() -> None:
    """Read the installed versions and build the readers and writers of what is passed on."""
    installed_versions()
    prepare(Spec, Completed, Case, BundleManifest, ParityReport, LatencyResult)
    for module in _LATE_MODULES:
        import_module(module)
