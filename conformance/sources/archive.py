"""Tar archives of strangers, unpacked so that nothing but plain files in a folder comes of them."""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path, PurePosixPath

from conformance.errors import InfraError, LoadError
from conformance.paths import path_problem

#: More than any SavedModel has, and few enough to be listed.
_MAX_FILES = 100_000
#: Weights hardly shrink; what shrinks further than this is made to fill a disk ...
_MAX_RATIO = 100
#: ... unless it stays small.
_SMALL_BYTES = 1 << 30


def unpack(archive: Path, folder: Path) -> None:
    """Write the files of a ``.tar.gz`` (or ``.tar``) to a folder.

    The whole archive is looked at before anything is written. Owners, and rights other than
    those of a plain file, are not taken over.

    Args:
        archive: the file.
        folder: that exists and is empty.

    Raises:
        LoadError: when it is no archive, or holds links, devices, pipes, names that lead out of
            the folder, or far more than a model has.
        InfraError: when it is cut off or damaged.
    """
    try:
        with tarfile.open(archive) as tar:
            _check(tar, archive)
            tar.extractall(folder, filter="data")
    except tarfile.FilterError as error:
        raise LoadError(f"the archive is refused: {error}") from error
    except tarfile.ReadError as error:
        if "unexpected end of data" in str(error):
            raise InfraError(f"the archive is cut off: {error}") from error
        raise LoadError(f"'{archive.name}' is no .tar.gz archive: {error}") from error
    except (EOFError, zlib.error) as error:
        raise InfraError(f"the archive is damaged: {error}") from error
    except OSError as error:
        raise InfraError(f"the archive cannot be unpacked: {error}") from error


def _check(tar: tarfile.TarFile, archive: Path) -> None:
    limit = max(_SMALL_BYTES, _MAX_RATIO * archive.stat().st_size)
    files, folders, total = set[PurePosixPath](), set[PurePosixPath](), 0
    for member in tar:
        if not (member.isreg() or member.isdir()):
            raise LoadError(
                f"the archive is refused: {member.name!r} is neither a file nor a folder; links, "
                "devices and pipes have no place in a model"
            )
        if (reason := path_problem(member.name)) is not None:
            raise LoadError(f"the archive is refused: {member.name!r} {reason}")
        name = PurePosixPath(member.name)
        if name in files or (member.isreg() and name in folders):
            raise LoadError(f"the archive is refused: {member.name!r} is in it more than once")
        (files if member.isreg() else folders).add(name)
        folders.update(name.parents)
        total += member.size
        if len(files) + len(folders) > _MAX_FILES or total > limit:
            raise LoadError(
                f"the archive is refused: it unpacks to more than {_MAX_FILES} files or "
                f"{limit >> 20} MiB, far more than its own {archive.stat().st_size >> 20} MiB"
            )
    if both := sorted(files & folders):
        raise LoadError(f"the archive is refused: '{both[0]}' is both a file and a folder")
