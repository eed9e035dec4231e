from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

#: Prints by how many MiB a process shrinks when it frees an array of 200 MiB.
_SHRINKS = """
import numpy as np
from pathlib import Path
from conformance.execution.memory import freed_memory_kept

def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096

def freed():
    array = np.ones(200 << 20, dtype=np.uint8)
    before = resident()
    del array
    return (before - resident()) >> 20

with freed_memory_kept():
    print(freed())
print(freed())
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="only glibc can be told to"
)
def test_freed_memory_is_kept_as_long_as_that_is_asked_for():
    """In a process of its own: what it is told stays told."""
    command = [sys.executable, "-c", _SHRINKS]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    kept, returned = map(int, told)
    assert kept < 10
    assert returned > 150
