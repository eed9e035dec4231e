"""Looking after the cache: what lies there, whether it is whole, and what has to go."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conformance.bundle import MANIFEST, Bundle, read_bundle
from conformance.cache.folders import (
    discard,
    entries,
    key_of_unfinished,
    locked_if_free,
    unfinished,
)
from conformance.cache.leases import leased
from conformance.errors import CorruptBundle


@dataclass(frozen=True, slots=True)
class Stored:
    """A bundle of the cache, not verified."""

    key: str
    path: Path
    size_bytes: int
    #: When it was made or asked for last, in nanoseconds since the epoch.
    used_ns: int


@dataclass(frozen=True, slots=True)
class Verified:
    """What looking at a bundle's every byte has shown."""

    bundle: Stored
    #: Why the bundle is damaged, None when it is not.
    problem: str | None
    #: Somebody makes, reads or removes it right now: it was not looked at.
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, or would be."""

    removed: tuple[Stored, ...]
    #: Leftovers of killed processes.
    leftovers: tuple[Path, ...]
    #: Bundles that would have had to go, too, but are in use.
    in_use: tuple[Stored, ...]
    #: Size of what remains.
    left_bytes: int


def stored(root: Path) -> list[Stored]:
    """The bundles of a cache, the least recently used first.

    Raises:
        OSError: when the cache cannot be read.
    """
    found = []
    for path in entries(root):
        if path.name.startswith("."):  # unfinished
            continue
        try:
            used_ns = path.lstat().st_mtime_ns
        except FileNotFoundError:  # removed since it was listed
            continue
        found.append(Stored(path.name, path, _size(path), used_ns))
    return sorted(found, key=lambda bundle: (bundle.used_ns, bundle.key))


def _size(path: Path) -> int:
    """Bytes of the files below a folder; what vanishes meanwhile counts nothing."""
    total = 0
    for folder, _, names in () if path.is_symlink() else os.walk(path):
        for name in names:
            try:
                total += (Path(folder) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return total


def framework_of(bundle: Stored) -> str | None:
    """The framework that a bundle was converted from, None when its manifest is damaged."""
    try:
        manifest = json.loads((bundle.path / MANIFEST).read_text(encoding="utf-8"))
        return str(manifest["case"]["entry"]["framework"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def verify(root: Path, *, remove: bool = False) -> Iterator[Verified]:
    """Compare every file of every bundle with its digest, one bundle after the other.

    Args:
        root: the cache.
        remove: whether damaged bundles are removed.

    Raises:
        OSError: when the cache cannot be read, or a damaged bundle not be removed.
    """
    for bundle in stored(root):
        with locked_if_free(root, bundle.key) as free:
            if not free:
                yield Verified(bundle, None, busy=True)
                continue
            if not os.path.lexists(bundle.path):
                continue
            problem = None
            try:
                open_stored(bundle.path)
            except CorruptBundle as error:
                problem = str(error)
                if remove:
                    discard(bundle.path)
            yield Verified(bundle, problem)


def open_stored(folder: Path) -> Bundle:
    """Open a bundle of the cache; every file's digest is verified.

    Raises:
        CorruptBundle: when it may not be served, naming what is wrong.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise CorruptBundle(f"{folder} is not a folder")
    return read_bundle(folder)


def prune(root: Path, max_bytes: int, *, dry_run: bool = False) -> Pruned:
    """Remove the least recently used bundles until at most ``max_bytes`` remain.

    Bundles that a living process has asked for, and those that somebody works on, stay.
    What killed processes left is removed in any case.

    Args:
        root: the cache.
        max_bytes: size that may remain; 0 empties the cache.
        dry_run: only say what would be removed.

    Raises:
        OSError: when something cannot be read or removed.
    """
    leftovers = sweep(root, dry_run=dry_run)
    bundles = stored(root)
    left = sum(bundle.size_bytes for bundle in bundles)
    removed, in_use = [], []
    for bundle in bundles:
        # an empty limit means everything, folders of no size among it
        if left <= max_bytes and max_bytes > 0:
            break
        with locked_if_free(root, bundle.key) as free:
            if not os.path.lexists(bundle.path):  # somebody else removed it
                left -= bundle.size_bytes
                continue
            if not free or bundle.key in leased(root):
                in_use.append(bundle)
                continue
            if not dry_run:
                discard(bundle.path)
            removed.append(bundle)
            left -= bundle.size_bytes
    return Pruned(tuple(removed), tuple(leftovers), tuple(in_use), left)


def sweep(root: Path, *, dry_run: bool = False) -> list[Path]:
    """Remove the folders that killed processes left unfinished; those being made stay.

    Args:
        root: the cache.
        dry_run: only say what would be removed.

    Returns:
        What was removed, or would be.
    """
    swept = []
    for folder in unfinished(root):
        with locked_if_free(root, key_of_unfinished(folder)) as free:
            if free and folder.is_dir():
                if not dry_run:
                    # a child that outlived its killed parent may still write into it
                    shutil.rmtree(folder, ignore_errors=True)
                swept.append(folder)
    return swept
