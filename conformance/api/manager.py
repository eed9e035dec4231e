"""A local collection of models: pulled from a hub or converted here, listed, removed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.api.errors import OnnxConversionError, OnnxVerificationError
from conformance.api.registering import PyTorchToOnnxConverter
from conformance.detection import Undetected, Wishes, at_revision, canonical_name, remote_named
from conformance.errors import InfraError, LoadError
from conformance.locations import default_cache_dir
from conformance.registry import ConversionRegistry, RegistryEntry
from conformance.requirements import missing_client
from conformance.single import Listener, Step
from conformance.single.steps import Reporter
from conformance.sources.fetching import fetch

_ONNX = "model.onnx"


@dataclass(frozen=True, slots=True)
class ManagedModel:
    """A model of the collection."""

    model_id: str
    onnx_path: str
    #: The converted file; ``None`` where the conversion failed, or the file is gone.
    path: Path | None
    size_bytes: int | None
    #: ``pass``, or the verdict of a conversion that was not proven.
    verdict: str | None
    #: Why there is none.
    error: str | None
    use_count: int
    last_used: str | None


class ModelManager:
    """Pulls, converts, finds and removes models; the cache folder's registry is what it knows.

    Args:
        cache_dir: of downloads, converted models and the registry.
        offline: ask no hub.
        progress: called with a :class:`~conformance.single.Progressed` at each step of a
            download or conversion, unless a call brings its own.
    """

    def __init__(
        self,
        cache_dir: str | Path | None = None,
        *,
        offline: bool = False,
        progress: Listener | None = None,
    ) -> None:
        self.cache_dir = Path(cache_dir) if cache_dir is not None else default_cache_dir()
        self._offline = offline
        self._progress = progress
        self._registry = ConversionRegistry(self.cache_dir)

    def pull(
        self, model: str, revision: str | None = None, progress: Listener | None = None
    ) -> Path:
        """Download a model of another place; gives its folder.

        Args:
            model: hub id ``org/name``, or another form of
                :data:`~conformance.sources.spelling.FORMS`.
            revision: branch, tag or commit of a repository, unless ``model`` says it.
            progress: told of the download.

        Raises:
            OnnxVerificationError: when there is no such model, or its place cannot be asked.
        """
        reporter = Reporter(progress or self._progress)
        try:
            remote = remote_named(model)
            if remote is None:
                raise OnnxVerificationError(f"'{model}' is no model of another place")
            if missing := missing_client(remote.kind):
                raise OnnxVerificationError(missing)
            reporter.begin(Step.DOWNLOAD)
            remote = at_revision(remote, revision)
            return fetch(remote, self.cache_dir, offline=self._offline).folder
        except (Undetected, LoadError, InfraError) as error:
            raise OnnxVerificationError(str(error)) from error
        finally:
            reporter.end()

    def convert(
        self,
        model: str,
        config: Mapping[str, Any] | None = None,
        *,
        onnx_path: str = _ONNX,
        wishes: Wishes | None = None,
        progress: Listener | None = None,
    ) -> ManagedModel:
        """Convert a model of whichever framework, unless it was converted before.

        Args:
            model: as for :func:`conformance.convert`.
            config: a ``conversion_config``, see :mod:`conformance.api.architectures`.
            onnx_path: the name under which it is kept.
            wishes: what is asked for beside ``config``: variant, provider, trust.
            progress: told of every step.

        Raises:
            OnnxConversionError: when there is no proven model; the registry keeps the message.
        """
        converter = PyTorchToOnnxConverter(self.cache_dir, wishes=wishes, offline=self._offline)
        path = converter.convert_model(model, onnx_path, config, progress or self._progress)
        wanted = converter.wanted(model, onnx_path, config)
        entry = self._registry.entries().get(wanted.key)
        if entry is not None and entry.local_path == str(path):
            return _managed(entry)
        raise OnnxConversionError(f"'{model}' was removed while it was converted: convert it again")

    def get(self, model: str, onnx_path: str = _ONNX) -> Path | None:
        """The converted file of a model, the one that was used last; counts a use."""
        names, registry = _names(model), self._registry
        fitting = [
            entry
            for entry in registry.entries().values()
            if entry.model_id in names
            and entry.onnx_path == onnx_path
            and _managed(entry).path is not None
        ]
        if not fitting:
            return None
        latest = max(fitting, key=lambda entry: entry.last_used or entry.conversion_time)
        registry.used(latest.key)
        return Path(latest.local_path)

    def list(self) -> list[ManagedModel]:
        """Every model that was converted or tried, by name."""
        entries = self._registry.entries().values()
        return [_managed(entry) for entry in sorted(entries, key=lambda entry: entry.key)]

    def remove(self, model: str) -> int:
        """Forget a model and remove what was converted of it; gives how many conversions.

        What was downloaded stays: other conversions may be made of it.
        """
        gone = [entry for name in _names(model) for entry in self._registry.remove(name)]
        home = (self.cache_dir / "converted").resolve()
        for entry in gone:
            folder = Path(entry.local_path).resolve().parent
            if entry.local_path and folder.is_relative_to(home) and folder != home:
                shutil.rmtree(folder, ignore_errors=True)
        return len(gone)


def _names(model: str) -> set[str]:
    """Under which a registry may know a model: as it was given, and by its one name."""
    try:
        return {model, canonical_name(model)}
    except Undetected:
        return {model}


def _managed(entry: RegistryEntry) -> ManagedModel:
    path = Path(entry.local_path) if entry.conversion_success and entry.local_path else None
    return ManagedModel(
        model_id=entry.model_id,
        onnx_path=entry.onnx_path,
        path=path if path is not None and path.is_file() else None,
        size_bytes=entry.file_size_bytes,
        verdict=entry.verification_status,
        error=entry.error_message,
        use_count=entry.use_count,
        last_used=entry.last_used,
    )
