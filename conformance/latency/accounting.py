"""What the kernel's books say of this process: time lost to others, memory (Linux)."""

from __future__ import annotations

from pathlib import Path
from typing import Self

#: Written to ``clear_refs``: forget the peak of resident memory (proc(5)).
_RESET_PEAK = "5"
_PROCESS = Path("/proc/self")


def waited_ns() -> int:
    """Nanoseconds that this process's threads were ready to run and others ran instead.

    From ``schedstat``, where it is exact; 0 where the system does not tell.
    """
    waited = 0
    try:
        for task in (_PROCESS / "task").iterdir():
            waited += int((task / "schedstat").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return waited


class PeakMemory:
    """Measures by how much resident memory grew at its peak within its block, in bytes."""

    def __enter__(self) -> Self:
        self.grown_bytes: int | None = None
        try:
            (_PROCESS / "clear_refs").write_text(_RESET_PEAK)
            self._before = _status_bytes("VmRSS")
        except OSError:
            self._before = None
        return self

    def __exit__(self, *_: object) -> None:
        peak = _status_bytes("VmHWM")
        if self._before is not None and peak is not None:
            self.grown_bytes = max(peak - self._before, 0)


def _status_bytes(name: str) -> int | None:
    try:
        lines = (_PROCESS / "status").read_text().splitlines()
    except OSError:
        return None
    found = (int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
    return next(found, None)
