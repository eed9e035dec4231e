"""Which ONNX files a hub repository ships, in which variants and sizes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from filelock import FileLock

from conformance.errors import InfraError, LoadError
from conformance.onnx_files import mistaken
from conformance.paths import check_hub_id, check_revision, name_problem

_TIMEOUT_S = 30.0
#: What is behind the name of a model whose weights are in further files.
_EXTERNAL = re.compile(r"(?:_data|\.data)(?:_\d+)?")
#: Endings of file names to the variants that they stand for, the longest first.
_VARIANTS = (
    ("q4f16", "int4 weights, fp16"),
    ("bnb4", "4-bit weights (bitsandbytes)"),
    ("quantized", "int8"),
    ("qint8", "int8"),
    ("quint8", "uint8"),
    ("int8", "int8"),
    ("uint8", "uint8"),
    ("bf16", "bf16"),
    ("fp16", "fp16"),
    ("float16", "fp16"),
    ("int4", "int4 weights"),
    ("q4", "int4 weights"),
    ("optimized", "optimized"),
    ("o1", "optimized"),
    ("o2", "optimized"),
    ("o3", "optimized"),
    ("o4", "optimized, fp16"),
)


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """One ONNX model of a repository."""

    path: str
    #: With its external data; ``None`` where the hub does not say.
    size_bytes: int | None
    #: By its name: what is in it is for an audit to say.
    variant: str
    #: Files with its weights, beside it.
    external: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shipped:
    """The ONNX files of one commit of a repository."""

    repo: str
    commit: str
    files: tuple[OnnxFile, ...]

    def file(self, path: str) -> OnnxFile | None:
        """The model of just this path."""
        return next((file for file in self.files if file.path == path), None)

    def has(self, path: str) -> bool:
        """Whether the repository ships just this file."""
        return self.file(path) is not None

    def elsewhere(self, path: str) -> tuple[str, ...]:
        """Files of the same name in other folders, such as ``onnx/model.onnx``."""
        name = PurePosixPath(path).name
        return tuple(
            file.path
            for file in self.files
            if PurePosixPath(file.path).name == name and file.path != path
        )


def variant_of(path: str) -> str:
    """What a file's name says of its numbers: ``onnx/model_fp16.onnx`` is ``fp16``."""
    words = re.split(r"[._-]", PurePosixPath(path).stem.lower())
    for ending, variant in _VARIANTS:
        if ending in words:
            return variant
    return "fp32"


def shipped_onnx(repo: str, revision: str | None = None) -> Shipped:
    """Ask the hub for a repository's ONNX files.

    Args:
        repo: hub id.
        revision: branch, tag or commit; the main branch unless given.

    Raises:
        LoadError: when the hub shows no such model or revision.
        InfraError: when the hub cannot be asked.
    """
    from conformance.sources import hub

    ref = revision or "main"
    try:
        check_hub_id(repo)
        check_revision(ref)
    except ValueError as error:
        raise LoadError(str(error)) from error
    hub.require_client()
    with hub.explained(repo, ref):
        found = hub.api().model_info(repo, revision=ref, files_metadata=True, timeout=_TIMEOUT_S)
    sizes = {
        file.rfilename: file.size
        for file in found.siblings or ()
        if name_problem(file.rfilename) is None
    }
    models = [path for path in sizes if path.endswith(".onnx")]
    return Shipped(repo, str(found.sha), tuple(_described(path, sizes) for path in sorted(models)))


def fetch_onnx(shipped: Shipped, path: str, cache_dir: Path) -> Path:
    """Bring one ONNX file and its external data here, as plain files with their digests checked.

    Raises:
        LoadError: when the repository does not ship it, or it is no ONNX file.
        InfraError: when it cannot be fetched, or arrived damaged.
    """
    from conformance.sources import hub

    file = shipped.file(path)
    if file is None:
        raise LoadError(f"'{shipped.repo}' at {shipped.commit} ships no '{path}'")
    home = cache_dir / "hub_onnx" / quote(shipped.repo.replace("/", "--"), safe="")
    folder = home / shipped.commit / quote(path, safe="")
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / ".lock"):
        if not folder.is_dir():
            with hub.explained(shipped.repo, shipped.commit):
                _download(shipped, (path, *file.external), folder)
    if (what := mistaken(folder / path)) is not None:
        raise LoadError(f"'{path}' of '{shipped.repo}' {what}")
    return folder / path


def _download(shipped: Shipped, paths: tuple[str, ...], folder: Path) -> None:
    from huggingface_hub import snapshot_download

    from conformance.sources import hub

    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f"{folder.name}.partial")
    snapshot_download(
        shipped.repo,
        revision=shipped.commit,
        local_dir=partial,
        endpoint=hub.endpoint(),
        allow_patterns=list(paths),
    )
    found = hub.api().model_info(
        shipped.repo, revision=shipped.commit, files_metadata=True, timeout=_TIMEOUT_S
    )
    by_name: dict[str, Any] = {file.rfilename: file for file in found.siblings or ()}
    for path in paths:
        if path not in by_name:
            raise InfraError(f"'{path}' is not listed any more by {hub.endpoint()}: run again")
        hub.check_arrival(partial / path, by_name[path])
    partial.rename(folder)


def _described(path: str, sizes: dict[str, int | None]) -> OnnxFile:
    stem = path.removesuffix(".onnx")
    external = tuple(
        sorted(
            other
            for other in sizes
            if (other.startswith(path) and _EXTERNAL.fullmatch(other.removeprefix(path)))
            or (other.startswith(stem) and other in (f"{stem}.data", f"{stem}.onnx_data"))
        )
    )
    parts = [sizes[name] for name in (path, *external)]
    known = [size for size in parts if size is not None]
    size = sum(known) if len(known) == len(parts) else None
    return OnnxFile(path, size, variant_of(path), external)
