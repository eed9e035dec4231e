"""Folders of the cache that bear their name only once everything in them is there and checked."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from conformance.errors import LoadError


def kept_folder(
    folder: Path, what: str, fill: Callable[[Path], None], *, offline: bool, resume: bool = False
) -> Path:
    """``folder``, made by ``fill`` unless it is there.

    One process fills it; others wait.

    Args:
        folder: of a name that says all about its content, such as a commit.
        what: named in errors.
        fill: gets a folder beside ``folder``, which becomes ``folder`` unless it raises.
        offline: use only what is kept.
        resume: give ``fill`` what it left when it failed; an empty folder otherwise.

    Raises:
        LoadError: when it is not kept and ``offline``.
    """
    if folder.is_dir():
        return folder
    if offline:
        raise not_kept(what, folder.parent)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        if not folder.is_dir():
            partial = folder.with_name(f"{folder.name}.filling")
            if not resume:
                shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(exist_ok=True)
            try:
                fill(partial)
            except BaseException:
                if not resume:
                    shutil.rmtree(partial, ignore_errors=True)
                raise
            partial.rename(folder)
    return folder


def not_kept(what: str, home: Path) -> LoadError:
    """The error of a run that may not ask for what is not kept in ``home``."""
    return LoadError(
        f"{what} is not in '{home}', and this run is offline: run once online to keep it"
    )
