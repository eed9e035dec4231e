"""SavedModels of Kaggle, of TF Hub and of other addresses: archives, kept unpacked.

Layout below the cache folder::

    saved_models/sha256-<digest>/model/saved_model.pb, ...      what was in the archive
    saved_models/sha256-<digest>/archive.sha256                 the archive's digest
    saved_models/kaggle--<owner>--<model>--<framework>--<variation>--<version>/...
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from conformance.errors import LoadError
from conformance.paths import check_kaggle_handle, check_url
from conformance.sources.archive import unpack
from conformance.sources.http import fetch_file
from conformance.sources.kept import kept_folder
from conformance.sources.spelling import Remote

_KAGGLE = "https://www.kaggle.com"
_MODEL = "model"
_ARCHIVE_DIGEST = "archive.sha256"


def saved_model(remote: Remote, cache_dir: Path, *, offline: bool) -> Path:
    """The folder of a SavedModel, downloaded unless it is there.

    For Kaggle, ``KAGGLE_API_TOKEN``, ``KAGGLE_USERNAME`` with ``KAGGLE_KEY``, and ``kaggle.json``
    in ``KAGGLE_CONFIG_DIR`` or ``~/.kaggle`` are honoured; many models need none of them.
    ``KAGGLE_API_ENDPOINT`` names another server.

    Args:
        remote: of kind ``kaggle``, or ``url`` with the digest of the archive.
        cache_dir: where downloads are kept.
        offline: use only what is kept.

    Raises:
        LoadError: when there is no such file, it is another than its digest says, holds no
            SavedModel or what has no place in one, or it is not kept and ``offline``.
        InfraError: when the server cannot be reached or what arrived is damaged.
    """
    try:
        if remote.kind == "url" and remote.sha256 is not None:
            url, headers = check_url(remote.name), dict[str, str]()
            name, what = _by_digest(remote.sha256), f"'{url}'"
        elif remote.kind == "kaggle":
            handle = check_kaggle_handle(remote.name)
            url, headers = f"{_endpoint()}/api/v1/models/{handle}/download", _credentials()
            name, what = f"kaggle--{handle.replace('/', '--')}", f"Kaggle's '{handle}'"
        else:
            raise LoadError(f"'{remote}' is no SavedModel of another place, or has no digest")
    except ValueError as error:
        raise LoadError(str(error)) from error
    folder = cache_dir / "saved_models" / name
    kept = kept_folder(folder, what, _filler(url, headers, remote.sha256), offline=offline)
    if remote.sha256 is not None:
        _check_kept(kept, remote.sha256, what)
    return _root(kept / _MODEL)


def archive_digest(url: str, cache_dir: Path, *, offline: bool) -> str:
    """SHA-256 of an archive whose digest nobody has said: what the address gives now.

    It is fetched whole, and lies where :func:`saved_model` takes it from.

    Args:
        url: of the archive.
        cache_dir: where downloads are kept.
        offline: nothing may be fetched.

    Raises:
        LoadError: when there is no such file, or ``offline``: any file could be meant.
        InfraError: when the server cannot be reached.
    """
    try:
        check_url(url)
    except ValueError as error:
        raise LoadError(str(error)) from error
    if offline:
        raise LoadError(
            f"'{url}' can be any file without its digest, and this run is offline: write #sha256= "
            "and the digest behind it, which the run that fetched it has told"
        )
    home = cache_dir / "saved_models"
    home.mkdir(parents=True, exist_ok=True)
    arriving = home / f"url-{hashlib.sha256(url.encode()).hexdigest()[:16]}.arriving"
    with FileLock(f"{arriving}.lock"):
        found = fetch_file(url, arriving)
        folder = home / _by_digest(found)
        with FileLock(f"{folder}.lock"):
            if folder.is_dir():
                arriving.unlink()
            else:
                arriving.replace(folder.with_name(f"{folder.name}.partial"))
    return found


def _by_digest(sha256: str) -> str:
    """The folder's name: what is unpacked is decided by the digest alone, wherever it is from."""
    return f"sha256-{sha256}"


def _filler(url: str, headers: dict[str, str], sha256: str | None) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        # stays when the run is ended, for the next one to go on
        archive = folder.with_suffix(".partial")
        found = fetch_file(url, archive, sha256=sha256, headers=headers)
        (folder / _MODEL).mkdir()
        try:
            unpack(archive, folder / _MODEL)
        finally:
            archive.unlink()
        _root(folder / _MODEL)
        (folder / _ARCHIVE_DIGEST).write_text(found, encoding="ascii")

    return fill


def _check_kept(folder: Path, sha256: str, what: str) -> None:
    """Refuse what was fetched before its entry had a digest, and is another."""
    found = (folder / _ARCHIVE_DIGEST).read_text(encoding="ascii")
    if found != sha256:
        raise LoadError(
            f"{what} was kept in '{folder}' from an archive with SHA-256 {found}, not {sha256}: "
            "correct 'sha256', or remove the folder"
        )


def _root(folder: Path) -> Path:
    """Where ``saved_model.pb`` is: at the top, or in the one folder that was packed."""
    inside = list(folder.iterdir())
    for place in [folder, *inside] if len(inside) == 1 else [folder]:
        if (place / "saved_model.pb").is_file():
            return place
    raise LoadError("the archive holds no saved_model.pb: it is no SavedModel of TensorFlow")


def _endpoint() -> str:
    return check_url(os.environ.get("KAGGLE_API_ENDPOINT", _KAGGLE)).rstrip("/")


def _credentials() -> dict[str, str]:
    if token := os.environ.get("KAGGLE_API_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    name, key = os.environ.get("KAGGLE_USERNAME"), os.environ.get("KAGGLE_KEY")
    if not (name and key):
        folder = Path(os.environ.get("KAGGLE_CONFIG_DIR", Path.home() / ".kaggle"))
        name, key = _stored(folder / "kaggle.json")
    if not (name and key):
        return {}
    login = base64.b64encode(f"{name}:{key}".encode()).decode("ascii")
    return {"Authorization": f"Basic {login}"}


def _stored(file: Path) -> tuple[str | None, str | None]:
    if not file.is_file():
        return None, None
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return str(data["username"]), str(data["key"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LoadError(
            f"'{file}' cannot be read as Kaggle's credentials: {type(error).__name__}; fetch it "
            "anew from your Kaggle account, or remove it"
        ) from error
