"""The store: a bundle is found whole, or made once and kept."""

from __future__ import annotations

import contextlib
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from conformance.bundle import MANIFEST, Bundle, read_manifest
from conformance.cache.folders import (
    bundle_folder,
    discard,
    locked,
    new_partial,
    publish,
    unfinished,
)
from conformance.cache.leases import lease
from conformance.cache.limit import size_limit
from conformance.cache.upkeep import open_stored, prune
from conformance.errors import CorruptBundle

T = TypeVar("T")

#: Part of the limit that a process may add before it looks through the whole cache again: a
#: look costs time per bundle that is kept, and other processes add as well.
_UNSEEN_PARTS = 100


class BundleCache:
    """Bundles under ``<root>/bundles``, one folder per key, complete or absent."""

    def __init__(self, root: Path) -> None:
        self.root = root
        #: Bytes that this process has added since it last looked at the whole cache.
        self._unseen = 0
        #: Bytes that there was room for then; None before the first look.
        self._room: int | None = None

    def get_or_make(self, key: str, make: Callable[[Path], T]) -> tuple[Bundle | None, T | None]:
        """The bundle of ``key``; made under a lock when there is none or a damaged one.

        A bundle that was returned stays while this process lives. After one was made, the
        least recently used others go as far as the size limit demands; one hundredth of it
        may be added unseen by each process.

        Args:
            key: from :func:`conformance.cache.bundle_key`.
            make: fills the empty folder it is given. The folder becomes the bundle if
                ``make`` left a complete one, and is removed otherwise.

        Returns:
            The bundle, or None when ``make`` left none; and what ``make`` returned, or None
            when the bundle was there already.

        Raises:
            OSError: when the cache cannot be written, as when the disk is full; nothing
                half-done is left then.
        """
        final = bundle_folder(self.root, key)
        with locked(self.root, key):
            bundle = self._existing(final)
            if bundle is not None:
                lease(self.root, key)
                return bundle, None
            # the lock is ours, so whoever left these is dead
            for leftover in unfinished(self.root, key):
                shutil.rmtree(leftover, ignore_errors=True)
            partial = new_partial(self.root, key)
            try:
                outcome = make(partial)
                if not (partial / MANIFEST).is_file():
                    return None, outcome
                lease(self.root, key)
                publish(partial, final)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
            # its digests were taken a moment ago; whoever opens it later verifies them
            bundle = Bundle(final, read_manifest(final))
        self._keep_within_limit(sum(file.size_bytes for file in bundle.manifest.files.values()))
        return bundle, outcome

    def find(self, key: str) -> Bundle | None:
        """The bundle of ``key`` if it is there and whole; it stays while this process lives.

        Raises:
            OSError: when the cache cannot be written, which takes a lease.
        """
        with locked(self.root, key):
            bundle = self._existing(bundle_folder(self.root, key))
            if bundle is not None:
                lease(self.root, key)
            return bundle

    def _existing(self, folder: Path) -> Bundle | None:
        if not os.path.lexists(folder):
            return None
        try:
            bundle = open_stored(folder)
        except CorruptBundle as error:
            warnings.warn(f"cached bundle dropped: {error}", stacklevel=3)
            discard(folder)
            return None
        # when it was used last; not for us to say in a cache that belongs to somebody else
        with contextlib.suppress(PermissionError):
            os.utime(folder)
        return bundle

    def _keep_within_limit(self, added: int) -> None:
        """Prune; the bundle is there, so trouble with the others is only worth a warning."""
        self._unseen += added
        try:
            limit = size_limit()
            if limit is None:
                return
            if self._room is not None and self._unseen <= min(self._room, limit // _UNSEEN_PARTS):
                return
            left = prune(self.root, limit).left_bytes
            self._unseen, self._room = 0, max(0, limit - left)
        except (OSError, ValueError) as error:
            warnings.warn(f"the cache in {self.root} was not pruned: {error}", stacklevel=3)
