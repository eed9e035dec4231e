"""Targets for the executors' tests: each ends in one way."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from conformance.errors import CheckError, InfraError
from conformance.model import Stage


def returns(payload, progress):
    return {"doubled": payload["number"] * 2, "threads": os.environ["OMP_NUM_THREADS"]}


def returns_a_tuple(payload, progress):
    return {"numbers": (1, 2)}


def returns_its_pid(payload, progress):
    return {"pid": os.getpid()}


def raises(payload, progress):
    progress.enter(Stage.EXPORT)
    sys.stdout.write("the exporter said this before it failed")
    raise ZeroDivisionError("by zero")


def raises_its_own_stage(payload, progress):
    progress.enter(Stage.EXPORT)
    raise CheckError("opset is 17")


def infra(payload, progress):
    raise InfraError("the hub does not answer")


def segfaults(payload, progress):
    progress.enter(Stage.SESSION)
    ctypes.string_at(0)


def exits(payload, progress):
    os._exit(3)


def killed(payload, progress):
    os.kill(os.getpid(), signal.SIGKILL)


def hangs(payload, progress):
    progress.enter(Stage.LATENCY)
    ctypes.PyDLL(None).sleep(600)  # PyDLL keeps the GIL: no Python code can interrupt it


def leaves_a_grandchild(payload, progress):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    time.sleep(0.2)
    return {"pid": child.pid}


def takes_memory(payload, progress):
    progress.enter(Stage.EXPORT)
    held = bytearray(payload["bytes"])
    held[:: mmap.PAGESIZE] = b"1" * len(held[:: mmap.PAGESIZE])
    time.sleep(payload["hold_s"])
    return {}


def has_a_child_that_takes_memory(payload, progress):
    progress.enter(Stage.EXPORT)
    code = f"import time; held = b'1' * {payload['bytes']}; time.sleep(600)"
    subprocess.run([sys.executable, "-c", code], check=True)


def writes(payload, progress):
    progress.enter(Stage.EXPORT)
    for _ in range(payload["mib"]):
        os.write(1, b"x" * (1 << 20))
        time.sleep(payload["pause_s"])
    Path(payload["done"]).touch()
    return {}
