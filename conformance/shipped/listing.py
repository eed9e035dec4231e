"""Which ONNX files a hub repository ships, in which variants and sizes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from conformance.entry import Source
from conformance.errors import InfraError, LoadError
from conformance.onnx_files import mistaken
from conformance.paths import name_problem
from conformance.sources.kept import kept_folder
from conformance.sources.modelscope import digest_of, modelscope_download, modelscope_files
from conformance.sources.spelling import PLACES, Remote

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
    """The ONNX files of a repository, at one commit where its place tells commits."""

    #: At the commit that was listed; on ModelScope at what was asked for.
    remote: Remote
    files: tuple[OnnxFile, ...]

    @property
    def commit(self) -> str | None:
        """Of the files; None for a branch or tag of ModelScope, which does not tell it."""
        pinned = Source.model_validate(self.remote.fields).is_pinned
        return self.remote.revision if pinned else None

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


def shipped_onnx(remote: Remote, cache_dir: Path) -> Shipped:
    """Ask a repository's place for its ONNX files.

    Args:
        remote: a model of the Hugging Face hub or of ModelScope; the main branch unless it says
            another revision.
        cache_dir: where downloads are kept.

    Raises:
        LoadError: when there is no such model or revision, or it is of another place.
        InfraError: when the place cannot be asked.
    """
    if remote.kind == "hub":
        found = _hub_info(remote)
        remote = replace(remote, revision=str(found.sha))
        files = [(file.rfilename, file.size) for file in found.siblings or ()]
        sizes = {name: size for name, size in files if name_problem(name) is None}
    elif remote.kind == "modelscope":
        listed = modelscope_files(remote.name, remote.revision, cache_dir)
        sizes = {file.path: file.size for file in listed}
    else:
        raise LoadError(f"'{remote}' is {PLACES[remote.kind]}, not a repository of files")
    models = [path for path in sizes if path.endswith(".onnx")]
    return Shipped(remote, tuple(_described(path, sizes) for path in sorted(models)))


def fetch_onnx(shipped: Shipped, path: str, cache_dir: Path) -> Path:
    """Bring one ONNX file and its external data here, as plain files with their digests checked.

    Raises:
        LoadError: when the repository does not ship it, or it is no ONNX file.
        InfraError: when it cannot be fetched, or arrived damaged.
    """
    remote, file = shipped.remote, shipped.file(path)
    if file is None:
        raise LoadError(f"'{remote}' ships no '{path}'")
    paths = (path, *file.external)
    if remote.kind == "hub":
        version, fill = str(remote.revision), partial(_hub_download, remote, paths)
    else:
        listed = modelscope_files(remote.name, remote.revision, cache_dir)
        files = sorted((f for f in listed if f.path in paths), key=lambda f: str(f.path))
        version = digest_of(files)
        asked = (remote.name, remote.revision, files)
        fill = partial(modelscope_download, *asked, cache_dir=cache_dir)
    home = cache_dir / f"{remote.kind}_onnx" / quote(remote.name.replace("/", "--"), safe="")
    folder = home / version / quote(path, safe="")
    kept_folder(folder, f"'{path}' of '{remote}'", fill, offline=False, resume=True)
    if (what := mistaken(folder / path)) is not None:
        raise LoadError(f"'{path}' of '{remote.name}' {what}")
    return folder / path


def _hub_info(remote: Remote) -> Any:
    from conformance.sources import hub

    ref = remote.revision or "main"
    hub.require_client()
    with hub.explained(remote.name, ref):
        return hub.api().model_info(
            remote.name, revision=ref, files_metadata=True, timeout=_TIMEOUT_S
        )


def _hub_download(remote: Remote, paths: tuple[str, ...], folder: Path) -> None:
    from huggingface_hub import snapshot_download

    from conformance.sources import hub

    with hub.explained(remote.name, str(remote.revision)):
        snapshot_download(
            remote.name,
            revision=remote.revision,
            local_dir=folder,
            endpoint=hub.endpoint(),
            allow_patterns=list(paths),
        )
    by_name: dict[str, Any] = {f.rfilename: f for f in _hub_info(remote).siblings or ()}
    for path in paths:
        if path not in by_name:
            raise InfraError(f"'{path}' is not listed any more by {hub.endpoint()}: run again")
        hub.check_arrival(folder / path, by_name[path])


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
