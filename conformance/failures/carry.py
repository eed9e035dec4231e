"""Take the folder of a failure over from the report folder of another machine."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from conformance.failures.folder import failure_name
from conformance.paths import link_problem, strange_file


def carry_failure(source: Path, target: Path, test_id: str) -> str | None:
    """Copy a failure's folder and its zip; what is there of the same test is replaced.

    Args:
        source: folder of failures that another machine has written.
        target: folder of failures that gets the copy; made if need be.
        test_id: of the test that failed.

    Returns:
        Why the folder was left out; None when it was copied, or is in its place already.

    Raises:
        OSError: when it cannot be read or written.
    """
    name = failure_name(test_id)
    folder = source / name
    if folder.is_symlink() or not folder.is_dir():
        return f"{folder} is not there"
    if source.resolve() == target.resolve():
        return None
    # only their content is taken, so a file with several names is as good as another
    if (strange := strange_file(folder, hard_links=True)) is not None:
        return f"{strange[0]} {strange[1]}"
    target.mkdir(parents=True, exist_ok=True)
    archive = f"{name}.zip"
    with tempfile.TemporaryDirectory(prefix=".carrying-", dir=target) as scratch:
        copy = Path(scratch) / name
        shutil.copytree(folder, copy)
        zipped = link_problem(source, archive) is None
        if zipped:
            shutil.copyfile(source / archive, Path(scratch) / archive)
        if (target / name).exists():
            (target / name).rename(Path(scratch) / "old")
        copy.rename(target / name)
        if zipped:
            (Path(scratch) / archive).replace(target / archive)
        else:
            (target / archive).unlink(missing_ok=True)
    return None
