"""Find what is to be profiled: by a path, or by a case of a zoo whose bundle is cached."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from conformance.bundle import MANIFEST, read_manifest
from conformance.cache import bundle_key
from conformance.cache.folders import bundle_folder
from conformance.cache.leases import lease
from conformance.errors import ConformanceError, CorruptBundle
from conformance.model import FrameworkInfo
from conformance.paths import file_problem
from conformance.providers import PROVIDERS
from conformance.replay.folders import data_set_folders
from conformance.zoo import LocatedCase, ZooError, read_zoo
from conformance.zoo.suggest import did_you_mean

_TIMEOUT_S = 300.0


class NoSubject(ConformanceError):
    """There is nothing to profile; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A model, and what it is run on."""

    #: As it was asked for, or the case that a bundle was made from.
    case: str
    model: Path
    #: The folder of a bundle of this package.
    bundle: Path | None
    #: The first data set beside the model.
    data: Path | None
    timeout_s: float = _TIMEOUT_S
    memory_bytes: int | None = None


def subject_at(path: Path) -> Subject | None:
    """What a path stands for: a bundle's folder, one with a single model, or a model's file.

    Returns:
        None where nothing is there: it may be the id of a case.

    Raises:
        NoSubject: when what is there cannot be profiled.
    """
    if (path / MANIFEST).is_file():
        return _of_bundle(path)
    if path.is_dir():
        models = sorted(path.glob("*.onnx"))
        if len(models) != 1:
            listed = ", ".join(model.name for model in models) or "none"
            raise NoSubject(f"{path} has no bundle.json and not one .onnx file ({listed})")
        return _of_model(str(path), models[0])
    if path.is_file():
        return _of_model(str(path), path)
    if path.suffix == ".onnx":
        raise NoSubject(f"{path} does not exist")
    return None


def subject_of(
    case: str, zoo: Path, frameworks: Mapping[str, FrameworkInfo], cache_dir: Path, seed: int
) -> Subject:
    """What the id of a case stands for: its bundle, where a run has left it in the cache.

    Args:
        case: with or without ``-<provider>``; the model's id where it has one case.
        zoo: file to look it up in.
        frameworks: what is known of them, by name.
        cache_dir: where its bundle is.
        seed: of the run that converted it.

    Raises:
        NoSubject: naming what was looked for, and the next step.
    """
    if not zoo.is_file():
        raise NoSubject(
            f"'{case}' is no file and no folder, and there is no zoo {zoo} to look it up in; "
            "name one with --zoo"
        )
    try:
        cases = read_zoo([zoo], frameworks).cases()
    except ZooError as error:
        raise NoSubject(f"the zoo cannot be read: {error}") from error
    found = _chosen(case, cases, zoo)
    folder = _cached(found, frameworks, cache_dir, seed)
    if folder is None:
        raise NoSubject(_not_cached(found, zoo, cache_dir, seed))
    return _of_bundle(folder)


def _of_bundle(folder: Path) -> Subject:
    try:
        manifest = read_manifest(folder)
    except CorruptBundle as error:
        raise NoSubject(str(error)) from error
    entry = manifest.case.entry
    return Subject(
        manifest.case.key,
        folder / "model.onnx",
        folder,
        folder / "test_data_set_0",
        entry.timeout,
        entry.memory,
    )


def _of_model(case: str, model: Path) -> Subject:
    return Subject(case, model, None, next(iter(data_set_folders(model.parent)), None))


def _not_cached(found: LocatedCase, zoo: Path, cache_dir: Path, seed: int) -> str:
    case = found.case
    if not case.entry.source.is_pinned:
        return (
            f"{case.key} names no fixed revision of its repository, so it is converted anew in "
            "every run and not kept: pin it, or name a bundle's folder"
        )
    words = ("pytest", "--zoo", str(zoo), *(("--zoo-seed", str(seed)) if seed else ()))
    test = f"{zoo}::test_export[{case.key}]"
    return (
        f"{case.key} is not in the cache {cache_dir}, or something that it is made from has "
        f"changed; convert it: {shlex.join((*words, test))}"
    )


def _chosen(case: str, cases: tuple[LocatedCase, ...], zoo: Path) -> LocatedCase:
    ids = {found.case.key: found for found in cases}
    bare = [case.removesuffix(f"-{provider}") for provider in PROVIDERS]
    if by_id := next((ids[key] for key in (case, *bare) if key in ids), None):
        return by_id
    of_model = [
        key for key, found in ids.items() if case in (found.case.entry.id, key.partition("@")[0])
    ]
    if len(of_model) == 1:
        return ids[of_model[0]]
    if of_model:
        raise NoSubject(f"'{case}' has several cases, name one: {', '.join(of_model)}")
    raise NoSubject(
        f"'{case}' is no file, no folder and no case of {zoo}{did_you_mean(case, ids)}; "
        f"`conformance zoo list {zoo} --json` lists them"
    )


def _cached(
    found: LocatedCase, frameworks: Mapping[str, FrameworkInfo], cache_dir: Path, seed: int
) -> Path | None:
    info = frameworks.get(found.case.entry.framework)
    if info is None:
        raise NoSubject(
            f"{found.case.key} is of an adapter from elsewhere; name its bundle's folder"
        )
    key = bundle_key(found.case, info, found.zoo_dir, seed)
    folder = bundle_folder(cache_dir, key)
    if not folder.is_dir() or file_problem(folder, MANIFEST) is not None:
        return None
    lease(cache_dir, key)  # it stays while this process lives
    return folder
