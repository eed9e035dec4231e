"""Models of ModelScope, kept as plain folders, one per content.

ModelScope tells the digest of each file, but not which commit a branch names. A folder therefore
bears the digest of its list of files: their names, sizes and digests.

Layout below the cache folder::

    modelscope/<org>--<name>/<digest>/config.json, model.safetensors, ...
    modelscope/<org>--<name>/refs/<branch, tag or commit>      holds the digest it last named
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from conformance.errors import InfraError, LoadError
from conformance.paths import check_hub_id, check_revision, name_problem
from conformance.redaction import hide_secrets
from conformance.sources.kept import kept_folder, not_kept

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DEFAULT_BRANCH = "master"


def modelscope_snapshot(
    model: str, revision: str | None, cache_dir: Path, *, offline: bool
) -> Path:
    """The folder of a ModelScope model, downloaded unless it is there.

    ``MODELSCOPE_ENDPOINT``, ``MODELSCOPE_API_TOKEN`` and the login that ModelScope's own client
    keeps are honoured.

    Args:
        model: id, such as ``org/name``.
        revision: branch, tag or full commit hash; ModelScope's ``master`` unless given. A commit
            that is kept is used without asking ModelScope.
        cache_dir: where downloads are kept.
        offline: use only what is kept.

    Raises:
        LoadError: when the id or the revision cannot be one, when ModelScope has no such model or
            does not show it, when it has no safetensors weights, when its client is not
            installed, or when the model is not kept and ``offline``.
        InfraError: when ModelScope cannot be reached or what arrived is damaged.
    """
    ref = revision or _DEFAULT_BRANCH
    try:
        check_hub_id(model)
        check_revision(ref)
    except ValueError as error:
        raise LoadError(str(error)) from error
    home = cache_dir / "modelscope" / model.replace("/", "--")
    remembered = home / "refs" / quote(ref, safe="")
    what = f"'{model}' at '{ref}'"
    if offline or _COMMIT.fullmatch(ref):
        kept = _kept(home, remembered)
        if kept is not None:
            return kept
        if offline:
            raise not_kept(what, home.parent)
    api = _client(home)
    with _explained(model, ref, api):
        files = _wanted(api.list_repo_files(model, "model", revision=ref, recursive=False), what)
        folder = home / digest_of(files)
        # the client goes on with a file that it had begun
        fill = partial(_download, api, model, ref, files)
        kept_folder(folder, what, fill, offline=False, resume=True)
    remembered.parent.mkdir(exist_ok=True)
    remembered.write_text(folder.name, encoding="ascii")
    return folder


def modelscope_files(model: str, revision: str | None, cache_dir: Path) -> list[Any]:
    """Every file of a model as ModelScope's client lists it, with ``path``, ``size``, ``sha256``.

    Raises:
        LoadError, InfraError: see :func:`modelscope_snapshot`.
    """
    ref = revision or _DEFAULT_BRANCH
    api = _client(cache_dir / "modelscope")
    with _explained(model, ref, api):
        listed = api.list_repo_files(model, "model", revision=ref, recursive=True)
    return [file for file in listed if not file.is_dir and name_problem(file.path) is None]


def modelscope_download(
    model: str, revision: str | None, files: Sequence[Any], folder: Path, cache_dir: Path
) -> None:
    """Write files of :func:`modelscope_files` into ``folder``, their digests checked.

    Raises:
        LoadError, InfraError: see :func:`modelscope_snapshot`.
    """
    ref = revision or _DEFAULT_BRANCH
    _check_digests(files, f"'{model}' at '{ref}'")
    api = _client(cache_dir / "modelscope")
    with _explained(model, ref, api):
        _download(api, model, ref, files, folder)


def _download(api: Any, model: str, ref: str, files: Sequence[Any], folder: Path) -> None:
    for file in files:
        api.download_file(
            model,
            "model",
            file.path,
            revision=ref,
            local_dir=folder,
            expected_sha256=file.sha256,
            file_size=file.size,
        )


def _kept(home: Path, remembered: Path) -> Path | None:
    if not remembered.is_file():
        return None
    folder = home / remembered.read_text(encoding="ascii")
    return folder if folder.is_dir() else None


def _client(home: Path) -> Any:
    try:
        from modelscope_hub import HubApi
        from modelscope_hub.config import HubConfig
    except ModuleNotFoundError as error:
        raise LoadError(
            "ModelScope's client is not installed: pip install "
            "'pytest-onnx-conformance[modelscope]'"
        ) from error
    # of its own, not the process's, which would be of the time of its first use
    return HubApi(HubConfig(cache_dir=home))


def _wanted(listed: Sequence[Any], what: str) -> list[Any]:
    """What a model is read from: configuration, code, and weights in a format that runs none.

    Raises:
        LoadError: when there are no such weights, or a file without a digest.
    """
    files = sorted(
        (
            file
            for file in listed
            if not file.is_dir
            and "/" not in file.path
            and name_problem(file.path) is None
            and file.path.endswith((".json", ".py", ".safetensors"))
        ),
        key=lambda file: str(file.path),
    )
    if not any(file.path.endswith(".safetensors") for file in files):
        raise LoadError(
            f"{what} has no .safetensors weights; other formats run code when they are read: "
            "convert it, or name another revision"
        )
    _check_digests(files, what)
    return files


def _check_digests(files: Sequence[Any], what: str) -> None:
    for file in files:
        if not _SHA256.fullmatch(file.sha256 or ""):
            raise LoadError(
                f"ModelScope tells no SHA-256 of '{file.path}' of {what}, so nobody could tell "
                "whether it arrived: name another revision, or download it and give its 'path'"
            )


def digest_of(files: Sequence[Any]) -> str:
    """What stands for the content of listed files: their names, sizes and digests."""
    listed = [[file.path, file.size, file.sha256] for file in files]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


@contextmanager
def _explained(model: str, ref: str, api: Any) -> Iterator[None]:
    """Tell what is wrong with the model's name from what is wrong with the way to it."""
    from modelscope_hub import errors

    endpoint = api.legacy.endpoint
    try:
        yield
    except (LoadError, InfraError):
        raise
    except (errors.AuthenticationError, errors.PermissionDeniedError) as error:
        raise LoadError(
            f"{endpoint} does not show '{model}': set MODELSCOPE_API_TOKEN if it is private or "
            "has conditions to accept"
        ) from error
    except errors.NotExistError as error:
        raise LoadError(
            f"{endpoint} has no model '{model}' with a revision '{ref}': check the spelling, or "
            "set MODELSCOPE_API_TOKEN if it is private"
        ) from error
    except errors.FileIntegrityError as error:
        raise InfraError(f"'{model}' arrived damaged from {endpoint}: {_line(error)}") from error
    except errors.InvalidParameter as error:
        raise LoadError(f"{endpoint} refuses '{model}' at '{ref}': {_line(error)}") from error
    except (errors.HubError, OSError) as error:
        raise InfraError(
            f"'{model}' cannot be fetched from {endpoint}: {type(error).__name__}: {_line(error)}"
        ) from error


def _line(error: Exception) -> str:
    return hide_secrets(str(error)).strip().partition("\n")[0]
