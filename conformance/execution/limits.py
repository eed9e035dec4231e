"""Limits beside time: the memory and the output of a child, watched from outside it.

``RLIMIT_AS`` is no measure of memory here: frameworks reserve address space by the tens of
gigabytes and never touch it. ``RLIMIT_FSIZE`` would stop a large model's own file as well.
So the parent looks, while it waits, at what the child's process group really holds.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from conformance.execution.contract import OUTPUT_LOG, Spec

#: How often the parent looks. A runaway writer gets a few hundred MB on to the disk between
#: two looks at the very worst; one look costs microseconds, some more with a memory limit.
LOOK_EVERY_SECONDS = 0.05
_UNITS = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10}


def exceeded(spec: Spec, group: int) -> str | None:
    """Say which limit the running process group ``group`` is above; None while it is not."""
    return _output(spec) or _memory(spec, _resident_bytes(spec, group))


def exceeded_at_end(spec: Spec, peak_rss_bytes: int | None) -> str | None:
    """Say which limit a process was above that has ended.

    Being quick does not help: what is too much while the parent looks is too much between two
    looks as well, and the same model gets the same verdict every time.
    """
    return _output(spec) or _memory(spec, peak_rss_bytes or 0)


def _output(spec: Spec) -> str | None:
    written = _size_of(spec.workdir / OUTPUT_LOG)
    if written <= spec.output_bytes:
        return None
    return f"wrote more than {_shown(spec.output_bytes)} (limit) to its output"


def _memory(spec: Spec, held: int) -> str | None:
    if spec.memory_bytes is None or held <= spec.memory_bytes:
        return None
    return f"needed more than {_shown(spec.memory_bytes)} (limit) of memory"


def _resident_bytes(spec: Spec, group: int) -> int:
    """Resident memory of a process group; 0 where no limit asks for it."""
    if spec.memory_bytes is None:
        return 0
    import psutil

    sizes: list[tuple[int, Any]] = []
    for pid in psutil.pids():
        try:
            if os.getpgid(pid) == group:
                process = psutil.Process(pid)
                sizes.append((process.memory_info().rss, process))
        except (OSError, psutil.Error):
            continue  # it has ended, or is none of ours
    resident = sum(size for size, _ in sizes)
    if len(sizes) <= 1 or resident <= spec.memory_bytes:
        return resident
    # a model's own children share its pages: now that it matters, count each page once
    return sum(_own_bytes(process, size) for size, process in sizes)


def _own_bytes(process: Any, resident: int) -> int:
    import psutil

    try:
        full = process.memory_full_info()
    except psutil.Error:
        return resident
    return int(getattr(full, "pss", full.uss))


def _size_of(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0  # the child has not opened it yet


def _shown(size: int) -> str:
    unit = next((name for name, factor in _UNITS.items() if size >= factor), None)
    return f"{size / _UNITS[unit]:.4g} {unit}" if unit else f"{size} bytes"
