"""One commit of a Git repository as a plain folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from conformance.errors import InfraError, LoadError
from conformance.redaction import hide_secrets

#: A transfer slower than this is given up.
_SLOW = ("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=30")
#: What Git says of a repository that is not there, or not for everyone.
_NO_REPOSITORY = re.compile(
    r"repository .*not found|not appear to be a git repository|could not read Username"
    r"|Authentication failed|The requested URL returned error: 40[134]",
    re.IGNORECASE,
)
_NO_COMMIT = re.compile(
    r"not our ref|couldn't find remote ref|no such remote ref|unadvertised object", re.IGNORECASE
)
#: Where Git would work instead of where it is told, as in a hook.
_PLACES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")


def fetch_commit(url: str, commit: str, folder: Path) -> None:
    """Write the files of a commit to a folder, as ``git archive`` does; no history, no hooks.

    Git checks every object against its hash, and so the whole against ``commit``.

    Args:
        url: of the repository.
        commit: full hash.
        folder: that exists and is empty.

    Raises:
        LoadError: when the repository is not shown or has no such commit, or when a file of it
            would lie outside.
        InfraError: when there is no Git, or it cannot reach the repository.
    """
    if shutil.which("git") is None:
        raise InfraError(f"'{url}' is fetched with Git, which is not installed here")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="git-") as place:
        _git(place, "init", "--quiet", "--bare", "--template=", url=url, commit=commit)
        fetch = ("fetch", "--quiet", "--depth=1", "--no-tags", "--", url, commit)
        _git(place, *_SLOW, *fetch, url=url, commit=commit)
        files = Path(place) / "files.tar"
        archive = ("archive", "--format=tar", f"--output={files}", commit)
        _git(place, *archive, url=url, commit=commit)
        try:
            with tarfile.open(files) as tar:
                tar.extractall(folder, filter="data")
        except tarfile.FilterError as error:
            raise LoadError(f"'{url}' at '{commit}' is refused: {error}") from error


def _git(place: str, *arguments: str, url: str, commit: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in _PLACES}
    environment |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    done = subprocess.run(
        ["git", "-C", place, *arguments],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env=environment,
        check=False,
    )
    if done.returncode == 0:
        return
    said = " ".join(hide_secrets(done.stderr.decode(errors="replace")).split())
    if _NO_COMMIT.search(said):
        raise LoadError(f"'{url}' has no commit '{commit}': {said}")
    if _NO_REPOSITORY.search(said):
        raise LoadError(
            f"there is no '{url}', or Git may not read it: check the spelling, or give Git the "
            f"credentials for it: {said}"
        )
    raise InfraError(f"'{url}' cannot be fetched: {said}")
