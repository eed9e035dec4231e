"""The folder that a conversion writes: whole, or not there."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from conformance.errors import ConformanceError
from conformance.single.document import CERTIFICATE


class OutputRefused(ConformanceError):
    """The output folder is somebody else's, or cannot be written."""


def check_output(out: Path) -> None:
    """Make sure that ``out`` is ours to write before any work starts.

    Raises:
        OutputRefused: when it is a file, or a folder with other things than a conversion.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise OutputRefused(f"'{out}' is no folder: give another --out")
    if out.is_dir() and any(out.iterdir()) and not (out / CERTIFICATE).is_file():
        raise OutputRefused(
            f"'{out}' holds files that are no conversion of ours (no {CERTIFICATE}): give a new "
            "or an empty folder"
        )


def write_folder(out: Path, fill: Callable[[Path], None]) -> None:
    """Make ``out`` what ``fill`` leaves in the empty folder it is given.

    It is filled beside ``out`` and renamed: a reader finds the former conversion, or this one.

    Raises:
        OutputRefused: when the place cannot be written; nothing half-done is left.
    """
    out = out.absolute()
    partial = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    former = out.with_name(f"{partial.name}.former")
    try:
        partial.mkdir(parents=True)
        fill(partial)
        if out.exists():
            out.replace(former)
        partial.replace(out)
    except OSError as error:
        if former.exists() and not out.exists():
            former.replace(out)
        raise OutputRefused(f"'{out}' cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(former, ignore_errors=True)
