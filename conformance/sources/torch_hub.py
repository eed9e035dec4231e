"""Models that a repository's ``hubconf.py`` makes, loaded by ``torch.hub`` itself.

Repositories of GitHub are fetched with Git, which knows by a commit's hash that all of it is that
commit; a zip of the same commit has no digest that anybody published. Where Git reaches GitHub,
with which credentials and by which mirror (``url.<base>.insteadOf``) is Git's own configuration.

Layout below the cache folder::

    torch_hub/<owner>--<name>/<commit>/hubconf.py, ...
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conformance.entry import Source
from conformance.errors import LoadError
from conformance.paths import check_github_id
from conformance.sources.git import fetch_commit
from conformance.sources.kept import kept_folder


def from_torch_hub(source: Source, folder: Path) -> Any:
    """The model that an entrypoint returns, on whatever device and in whatever mode it is.

    Weights that the entrypoint downloads are its own affair: they lie in the folder of
    ``torch.hub``, and an offline run does not keep it from asking for them.

    Args:
        source: names the repository or folder, the entrypoint and its arguments.
        folder: the files of the repository.

    Raises:
        LoadError: when there is no ``hubconf.py`` or entrypoint, when packages that it names are
            missing, when it raises or returns nothing.
    """
    if source.torch_hub is None or source.entrypoint is None:
        raise LoadError(f"the source is a {source.kind}, not a repository of torch.hub")
    if not (folder / "hubconf.py").is_file():
        raise LoadError(f"'{source.torch_hub}' holds no hubconf.py, in which torch.hub looks")
    import torch

    name = f"'{source.entrypoint}' of '{source.torch_hub}'"
    try:
        with _no_bytecode():
            model = torch.hub.load(str(folder), source.entrypoint, source="local", **source.args)
    except ModuleNotFoundError as error:
        raise LoadError(
            f"{name} needs '{error.name}': install it, and name its distribution under 'requires'"
        ) from error
    except Exception as error:
        text = " ".join(str(error).split())
        hint = ""
        if text.startswith("Missing dependencies"):
            hint = "; install them, and name their distributions under 'requires'"
        raise LoadError(f"{name} raised {type(error).__name__}: {text}{hint}") from error
    if model is None:
        raise LoadError(f"{name} returned None: it must return the model")
    return model


def repository(name: str, commit: str, cache_dir: Path, *, offline: bool) -> Path:
    """The folder of a GitHub repository at a commit, fetched unless it is there.

    Args:
        name: ``owner/name``.
        commit: its full hash.
        cache_dir: where repositories are kept.
        offline: use only what is kept.

    Raises:
        LoadError: when there is no such repository or commit, or it is not kept and ``offline``.
        InfraError: when Git is not there or cannot reach the repository.
    """
    try:
        check_github_id(name)
    except ValueError as error:
        raise LoadError(str(error)) from error
    home = cache_dir / "torch_hub" / name.replace("/", "--")
    url = f"https://github.com/{name}.git"
    return kept_folder(
        home / commit,
        f"'{name}' at '{commit}'",
        lambda partial: fetch_commit(url, commit, partial),
        offline=offline,
    )


@contextmanager
def _no_bytecode() -> Iterator[None]:
    """Leave folders of models as they are: their digests are part of a bundle's key."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
