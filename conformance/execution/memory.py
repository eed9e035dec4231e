"""What the C library does with memory that arrays have given back."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

#: Parameters of glibc's ``mallopt``.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -3, -4
#: Beyond this, the free end of the heap goes back to the system.
_KEPT_BYTES = 1 << 30
#: Where glibc's own adaptation ends in a process that has freed large arrays; naming any of
#: these values switches the adaptation off, so that it can only be put where it would end.
_ADAPTED_MMAP_BYTES, _ADAPTED_TRIM_BYTES, _ADAPTED_MMAPS = 32 << 20, 64 << 20, 65536


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """While it lasts, large arrays are made of memory that earlier ones have freed.

    By default glibc returns each of them to the system, which clears every page before it lends
    it again: a tenth of what converting a model costs is that. Other C libraries are left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        yield
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
    try:
        yield
    finally:
        mallopt(_M_MMAP_MAX, _ADAPTED_MMAPS)
        mallopt(_M_MMAP_THRESHOLD, _ADAPTED_MMAP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _ADAPTED_TRIM_BYTES)
