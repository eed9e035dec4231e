"""Which bundles are in use: a process that asked for one works with it until it ends.

A process writes the keys it asks for into a file, and holds a lock beside it. The kernel
releases the lock when the process ends, however it ends; the file counts no more then, and
the next one who looks removes it.
"""

from __future__ import annotations

import os
import threading
import uuid
from pathlib import Path

from filelock import FileLock, Timeout

from conformance.cache.folders import locked

#: Guards the folder, so that no lease is removed between its making and its locking.
_GUARD = "leases"


class _Lease:
    """The keys that a process asked one cache for."""

    def __init__(self, root: Path) -> None:
        folder = root / "leases"
        folder.mkdir(parents=True, exist_ok=True)
        name = uuid.uuid4().hex
        self._keys = folder / f"{name}.keys"
        # the thread that asks first may end long before the process
        self._lock = FileLock(folder / f"{name}.lock", thread_local=False)
        with locked(root, _GUARD):
            self._lock.acquire()

    @property
    def stands(self) -> bool:
        """Whether nobody has removed the cache from under it."""
        return Path(self._lock.lock_file).exists()

    def add(self, key: str) -> None:
        with self._keys.open("a", encoding="utf-8") as stream:
            stream.write(f"{key}\n")


#: By cache folder and process: a forked child must not write into its parent's. They are held
#: to the end of the process, as bundles are handed on and kept.
_LEASES: dict[tuple[Path, int], _Lease] = {}
_TAKING = threading.Lock()


def lease(root: Path, key: str) -> None:
    """Keep the bundle of ``key`` from being pruned while this process lives.

    The caller holds the lock of ``key``, as does who prunes: a bundle is leased before it
    is looked at for removal, or found absent after it was removed.

    Raises:
        OSError: when the cache cannot be written.
    """
    mine = (root, os.getpid())
    with _TAKING:
        if mine not in _LEASES or not _LEASES[mine].stands:
            _LEASES[mine] = _Lease(root)
        _LEASES[mine].add(key)


def leased(root: Path) -> set[str]:
    """Keys of bundles that living processes work with; leases of dead ones are removed."""
    folder = root / "leases"
    if not folder.is_dir():
        return set()
    keys: set[str] = set()
    with locked(root, _GUARD):
        for file in sorted(folder.glob("*.lock")):
            names = file.with_suffix(".keys")
            lock = FileLock(file, thread_local=False)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                if names.exists():
                    keys.update(names.read_text(encoding="utf-8").split())
                continue
            file.unlink()
            names.unlink(missing_ok=True)
            lock.release()
    return keys
