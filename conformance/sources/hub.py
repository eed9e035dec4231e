"""Models of the Hugging Face hub, kept as plain folders, one per commit.

A folder bears its commit's name only once everything in it has arrived and was checked, so
what is kept can be used offline without a doubt. Branches and tags are looked up at the hub
each time it may be asked, and remembered for when it may not.

Layout below the cache folder::

    hub/<org>--<name>/<commit>/config.json, model.safetensors, ...
    hub/<org>--<name>/refs/<branch or tag>      holds the commit it last named
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from filelock import FileLock

from conformance.errors import InfraError, LoadError
from conformance.paths import check_hub_id, check_revision, name_problem

_COMMIT = re.compile(r"[0-9a-f]{40}")
_TIMEOUT_S = 30.0
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500


def snapshot(repo: str, revision: str | None, cache_dir: Path, *, offline: bool) -> Path:
    """The folder of a hub model, downloaded unless it is there.

    ``HF_ENDPOINT``, ``HF_TOKEN`` and ``HF_HUB_OFFLINE`` are honoured.

    Args:
        repo: hub id, such as ``org/name``.
        revision: branch, tag or full commit hash; the hub's main branch unless given. A
            commit that is kept is used without asking the hub.
        cache_dir: where downloads are kept.
        offline: use only what is kept.

    Raises:
        LoadError: when the id or the revision cannot be one, when the hub has no such model or
            does not show it, when it has no safetensors weights, or when it is not kept and
            ``offline``.
        InfraError: when the hub cannot be reached or what arrived is damaged.
    """
    try:
        check_hub_id(repo)
        check_revision(revision or "main")
    except ValueError as error:
        raise LoadError(str(error)) from error
    from huggingface_hub.constants import is_offline_mode

    home = cache_dir / "hub" / quote(repo.replace("/", "--"), safe="")
    ref = revision or "main"
    remembered = home / "refs" / quote(ref, safe="")
    if _COMMIT.fullmatch(ref) and (home / ref).is_dir():
        return home / ref
    if offline or is_offline_mode():
        return _kept(home, remembered, f"'{repo}' at '{ref}'")
    with explained(repo, ref):
        found = _look_up(repo, ref)
        commit = str(found.sha)
        folder = home / commit
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / ".lock"):
            if not folder.is_dir():
                _download(repo, found, folder)
            remembered.parent.mkdir(exist_ok=True)
            remembered.write_text(commit, encoding="ascii")
    return folder


def _kept(home: Path, remembered: Path, what: str) -> Path:
    if remembered.is_file():
        folder = home / remembered.read_text(encoding="ascii")
        if folder.is_dir():
            return folder
    raise LoadError(
        f"{what} is not in '{home.parent}', and this run is offline: run once online to keep it"
    )


def _look_up(repo: str, ref: str) -> Any:
    """The hub's description of a model: commit and files with sizes and digests."""
    found = api().model_info(repo, revision=ref, files_metadata=True, timeout=_TIMEOUT_S)
    if not _COMMIT.fullmatch(found.sha or ""):
        raise InfraError(f"{endpoint()} gave no commit for '{repo}' at '{ref}'")
    files = [file.rfilename for file in _wanted(found)]
    if not any(name.endswith(".safetensors") for name in files):
        raise LoadError(
            f"'{repo}' at '{ref}' has no .safetensors weights; other formats run code when they "
            "are read: convert it, or name another revision"
        )
    return found


def _download(repo: str, found: Any, folder: Path) -> None:
    from huggingface_hub import snapshot_download

    files = _wanted(found)
    # the client asks for the rest of a file when a connection breaks; of a run that was ended,
    # whole files are found here by the next one
    partial = folder.with_name(f"{folder.name}.partial")
    snapshot_download(
        repo,
        revision=found.sha,
        local_dir=partial,
        endpoint=endpoint(),
        allow_patterns=[file.rfilename for file in files],
    )
    for file in files:
        check_arrival(partial / file.rfilename, file)
    partial.rename(folder)


def check_arrival(path: Path, expected: Any) -> None:
    """Hold a file against the hub's figures: the client does not check digests itself.

    Raises:
        InfraError: when it is missing, or damaged, in which case it is removed.
    """
    if not path.is_file():
        raise InfraError(f"'{expected.rfilename}' did not arrive from {endpoint()}: run again")
    damaged = expected.size not in (None, path.stat().st_size)
    if expected.lfs is not None:
        with path.open("rb") as stream:
            damaged |= hashlib.file_digest(stream, "sha256").hexdigest() != expected.lfs.sha256
    elif expected.blob_id is not None and not damaged:
        damaged = _git_blob_id(path) != expected.blob_id
    if damaged:
        path.unlink()
        raise InfraError(f"'{expected.rfilename}' arrived damaged from {endpoint()}: run again")


def _git_blob_id(path: Path) -> str:
    """The id that Git gives a file's content: SHA-1 over a header and the bytes."""
    content = path.read_bytes()  # large files are LFS objects
    header = f"blob {len(content)}\0".encode()
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def _wanted(found: Any) -> list[Any]:
    """What a model is read from: configuration, and weights in a format that runs no code.

    Its Python code comes along, and is run only for an entry that trusts it. Subfolders hold the
    same model for other programs.
    """
    return [
        file
        for file in found.siblings or ()
        if "/" not in file.rfilename
        and name_problem(file.rfilename) is None
        and file.rfilename.endswith((".json", ".py", ".safetensors"))
    ]


def require_client() -> None:
    """Make sure that the hub's client is installed.

    Raises:
        InfraError: with what to install.
    """
    if find_spec("huggingface_hub") is None:
        raise InfraError(
            "huggingface_hub not installed: pip install 'pytest-onnx-conformance[transformers]'"
        )


def endpoint() -> str:
    """Address of the hub, without a slash at its end."""
    from huggingface_hub.constants import ENDPOINT

    # the library's constant is of the time of its import
    return str(os.environ.get("HF_ENDPOINT", ENDPOINT)).rstrip("/")


def api() -> Any:
    """The hub's client."""
    from huggingface_hub import HfApi

    return HfApi(endpoint=endpoint())


@contextmanager
def explained(repo: str, ref: str) -> Iterator[None]:
    """Tell what is wrong with the model's name from what is wrong with the way to it.

    Raises:
        LoadError: for a name that the hub does not know or show.
        InfraError: for a hub that cannot be reached.
    """
    from huggingface_hub import errors

    try:
        yield
    except (LoadError, InfraError):
        raise
    except errors.HFValidationError as error:
        raise LoadError(f"'{repo}' is not a hub id such as 'org/name': {error}") from error
    except errors.GatedRepoError as error:
        raise LoadError(
            f"'{repo}' is gated: accept its conditions at {endpoint()}/{repo} and set HF_TOKEN"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise LoadError(f"'{repo}' has no revision '{ref}' at {endpoint()}") from error
    except errors.RepositoryNotFoundError as error:
        raise LoadError(
            f"{endpoint()} shows no model '{repo}': check the spelling, "
            "or set HF_TOKEN if it is private"
        ) from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        text = f"{endpoint()} answered {status} for '{repo}' at '{ref}'"
        if status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR:
            raise InfraError(f"{text}: try again later, or run offline") from error
        raise LoadError(f"{text}: check the id, the revision and HF_TOKEN") from error
    except Exception as error:
        # the client's transport errors have no base class that all its versions share
        raise InfraError(
            f"'{repo}' cannot be fetched from {endpoint()}: "
            f"{type(error).__name__}: {' '.join(str(error).split())}"
        ) from error
