"""Zip a folder so that equal folders make equal archives."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path

#: The earliest time that zip knows; when a file was written is nobody's business.
_TIME = (1980, 1, 1, 0, 0, 0)
#: A plain file, readable by all.
_MODE = 0o100644 << 16
#: Files from this size on are weights, which hardly compress: they are stored as they are.
_STORED_FROM_BYTES = 16 << 20


def zip_folder(folder: Path, out: Path) -> None:
    """Write ``out``, complete or not at all, with everything below ``folder``.

    Its entries stand below one folder of the same name, in sorted order, without times,
    owners or links.

    Raises:
        OSError: when a file cannot be read or the archive cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix=".packing-", dir=out.parent) as scratch:
        partial = Path(scratch) / "partial.zip"
        with zipfile.ZipFile(partial, "w") as archive:
            for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                inside = Path(folder.name) / file.relative_to(folder)
                entry = zipfile.ZipInfo(inside.as_posix(), _TIME)
                entry.external_attr = _MODE
                entry.file_size = file.stat().st_size  # decides whether it needs zip64
                large = entry.file_size >= _STORED_FROM_BYTES
                entry.compress_type = zipfile.ZIP_STORED if large else zipfile.ZIP_DEFLATED
                with file.open("rb") as source, archive.open(entry, "w") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
        partial.replace(out)
