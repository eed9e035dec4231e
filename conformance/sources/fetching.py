"""The one way from a model of another place to a folder here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from conformance.entry import Source
from conformance.errors import LoadError
from conformance.sources.hub import snapshot
from conformance.sources.local import model_path
from conformance.sources.modelscope import modelscope_snapshot
from conformance.sources.saved_model import archive_digest, saved_model
from conformance.sources.spelling import Remote, remote_of
from conformance.sources.torch_hub import repository


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model that was brought here."""

    #: As it was asked for, with the commit or the digest of what came where its place tells one.
    remote: Remote
    folder: Path


def fetch(remote: Remote, cache_dir: Path, *, offline: bool) -> Fetched:
    """Bring a model here, unless it is kept.

    Args:
        remote: what and where.
        cache_dir: where downloads are kept.
        offline: use only what is kept.

    Raises:
        LoadError: when there is no such model, it is refused, or it is not kept and ``offline``.
        InfraError: when its place cannot be reached, or what arrived is damaged.
    """
    name, revision = remote.name, remote.revision
    match remote.kind:
        case "hub":
            folder = snapshot(name, revision, cache_dir, offline=offline)
            return Fetched(replace(remote, revision=folder.name), folder)
        case "modelscope":
            # it tells no commit, only what the files are
            folder = modelscope_snapshot(name, revision, cache_dir, offline=offline)
        case "torch_hub":
            folder = repository(name, revision or "", cache_dir, offline=offline)
        case "kaggle" | "url":
            if remote.kind == "url" and remote.sha256 is None:
                found = archive_digest(name, cache_dir, offline=offline)
                remote = replace(remote, sha256=found)
            folder = saved_model(remote, cache_dir, offline=offline)
        case _:
            raise LoadError(f"'{remote}' is nothing that is fetched")
    return Fetched(remote, folder)


def source_folder(source: Source, zoo_dir: Path, cache_dir: Path, *, offline: bool) -> Path:
    """The file or folder that a source is read from, fetched where it is of another place.

    Raises:
        LoadError, InfraError: see :func:`fetch` and
            :func:`~conformance.sources.local.model_path`.
    """
    remote = remote_of(source)
    if remote is not None:
        return fetch(remote, cache_dir, offline=offline).folder
    if source.local_path is None:
        raise LoadError(f"the source is a {source.kind}, not a file or folder")
    return model_path(source.local_path, zoo_dir)
