"""Adapters that do harm in one way each; like miniatures, they need NumPy and ONNX only."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from miniatures import Honest


def write_pid(name: str, pid: int) -> None:
    """Tell the test a pid; the newline says that it is complete."""
    Path(name).write_text(f"{pid}\n")


class Segfault(Honest):
    """Crashes in native code."""

    def export(self, model, job, feeds, path):
        ctypes.string_at(0)


class Sigkill(Honest):
    """Is killed, as by the kernel when memory runs out."""

    def export(self, model, job, feeds, path):
        os.kill(os.getpid(), signal.SIGKILL)


class Exit(Honest):
    """Ends its process without a word."""

    def export(self, model, job, feeds, path):
        os._exit(3)


class GilHang(Honest):
    """Never returns from native code, and keeps the GIL."""

    def export(self, model, job, feeds, path):
        write_pid("hang.pid", os.getpid())
        ctypes.PyDLL(None).sleep(600)


class Grandchild(Honest):
    """Leaves a process behind; is right otherwise."""

    def export(self, model, job, feeds, path):
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        write_pid("grandchild.pid", subprocess.Popen(command).pid)
        super().export(model, job, feeds, path)


class Memory(Honest):
    """Takes memory step by step, 2 GiB in the end."""

    def export(self, model, job, feeds, path):
        held = []
        for _ in range(64):
            held.append(mmap.mmap(-1, 32 << 20))
            held[-1].write(b"1" * (32 << 20))
            time.sleep(0.01)
        write_pid("memory.done", 1)
        super().export(model, job, feeds, path)


class Output(Honest):
    """Writes 1 GB to its standard output."""

    def export(self, model, job, feeds, path):
        for _ in range(1024):
            os.write(1, b"x" * (1 << 20))
            time.sleep(0.002)
        write_pid("output.done", 1)
        super().export(model, job, feeds, path)


class KillsWorker(Honest):
    """Kills the process that its test runs in: pytest's, or xdist's worker."""

    def export(self, model, job, feeds, path):
        server = Path(f"/proc/{os.getppid()}/stat").read_text()
        os.kill(int(server.rpartition(")")[2].split()[1]), signal.SIGKILL)
        time.sleep(600)


class TellsItsPid(Honest):
    """Does no harm; says in which process it is exported."""

    def export(self, model, job, feeds, path):
        write_pid("export.pid", os.getpid())
        super().export(model, job, feeds, path)
