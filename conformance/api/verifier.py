"""The ONNX file of a hub model: the one that its repository ships, or one converted here."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from conformance.api.architectures import wishes_of
from conformance.api.converters import PyTorchConverter
from conformance.api.errors import OnnxConversionError, OnnxVerificationError
from conformance.detection import Undetected, Wishes, at_revision, canonical_name, remote_named
from conformance.errors import InfraError, LoadError
from conformance.execution.child import Executor
from conformance.locations import default_cache_dir
from conformance.model import to_json
from conformance.registry import ConversionRegistry, RegistryEntry, RegistryProblem
from conformance.registry.entries import SOURCE, plain
from conformance.registry.json_file import now
from conformance.shipped import Shipped, fetch_onnx, shipped_onnx
from conformance.single import Conversion, Listener, OutputRefused

_CONVERTED = "converted"
#: Wishes that say where a model is from and who is trusted, not what becomes of it.
_NO_PART = ("revision", "allow_pickle", "trust_remote_code")
#: Places whose models are repositories of files, among which an ONNX file may be.
_SHIPPING = ("hub", "modelscope")


@dataclass(frozen=True, slots=True)
class Verified:
    """Where an ONNX file is from."""

    path: Path
    was_converted: bool


class PyTorchToOnnxConverter(PyTorchConverter):
    """Converts PyTorch models, and keeps in a registry what became of each."""

    def __init__(
        self,
        cache_dir: str | Path | None = None,
        *,
        wishes: Wishes | None = None,
        offline: bool = False,
        executor: Executor | None = None,
    ) -> None:
        super().__init__(cache_dir, wishes=wishes, offline=offline, executor=executor)
        self.registry = ConversionRegistry(self._place.cache_dir)

    def convert_model(
        self,
        model_id: str,
        onnx_path: str,
        conversion_config: Mapping[str, Any] | None = None,
        progress: Listener | None = None,
    ) -> Path:
        """The converted file of a model, made unless the registry has it.

        Args:
            model_id: as for :func:`conformance.convert`.
            onnx_path: the file that it stands for, as a path in the model's repository.
            conversion_config: see :mod:`conformance.api.architectures`.
            progress: told of every step.

        Raises:
            OnnxConversionError: when the conversion fails; the registry keeps the message.
        """
        wanted = self.wanted(model_id, onnx_path, conversion_config)
        folder = self._place.cache_dir / _CONVERTED / _folder_name(wanted.key)
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            # of two that ask for the same, one converts
            with FileLock(f"{folder}.lock"):
                known = self._known(wanted, model_id)
                if known is not None:
                    return known
                return self._converted(wanted, model_id, folder, conversion_config, progress)
        except RegistryProblem as error:
            raise OnnxConversionError(str(error)) from error

    def wanted(
        self, model_id: str, onnx_path: str, config: Mapping[str, Any] | None = None
    ) -> RegistryEntry:
        """The entry that a conversion gets, of which nothing is known yet but its key.

        Everything that decides what it gives is in the key: the model by one name however it is
        written, its revision, the configuration, and what is wished for beside it.

        Raises:
            OnnxConversionError: when ``model_id`` is nothing that is known.
        """
        try:
            name = canonical_name(model_id, self._wishes.revision)
        except Undetected as error:
            raise OnnxConversionError(str(error)) from error
        beside = {
            key: value
            for key, value in to_json(self._wishes).items()
            if value and key not in _NO_PART
        }
        asked = plain({**(config or {}), **({"wishes": beside} if beside else {})})
        return RegistryEntry(name, onnx_path, "", now(), asked)

    def _known(self, wanted: RegistryEntry, model_id: str) -> Path | None:
        entry = self.registry.entries().get(wanted.key)
        if entry is None or not entry.conversion_success or not entry.local_path:
            return None
        path = Path(entry.local_path)
        if not path.is_file() or _changed_since(model_id, entry.conversion_time):
            return None
        self.registry.used(entry.key)
        return path

    def _converted(
        self,
        wanted: RegistryEntry,
        model_id: str,
        folder: Path,
        config: Mapping[str, Any] | None,
        progress: Listener | None,
    ) -> Path:
        try:
            done = self.convert(model_id, folder, config, progress)
        except (OnnxConversionError, OutputRefused) as error:
            certificate = error.certificate if isinstance(error, OnnxConversionError) else None
            self.registry.record(
                replace(
                    wanted,
                    model_type=_model_type(wanted),
                    conversion_success=False,
                    error_message=str(error),
                    verification_status=certificate.verdict if certificate else None,
                )
            )
            if isinstance(error, OnnxConversionError):
                raise
            raise OnnxConversionError(str(error)) from error
        self.registry.record(_entry_of(wanted, done))
        return done.model


class OnnxVerifier:
    """Finds out whether hub models ship an ONNX file, and has it converted where they do not."""

    def __init__(
        self,
        cache_dir: str | Path | None = None,
        *,
        wishes: Wishes | None = None,
        offline: bool = False,
        executor: Executor | None = None,
    ) -> None:
        """Use a cache folder.

        Args:
            cache_dir: of downloads, converted models and ``conversion_registry.json``; the
                package's cache folder unless given.
            wishes: what is asked for beside each ``conversion_config``.
            offline: ask no hub; only what was converted here is found.
            executor: see :class:`~conformance.api.converters.PyTorchConverter`.
        """
        self.cache_dir = Path(cache_dir) if cache_dir is not None else default_cache_dir()
        self._wishes = wishes or Wishes()
        self._offline = offline
        self.converter = PyTorchToOnnxConverter(
            self.cache_dir, wishes=wishes, offline=offline, executor=executor
        )

    @property
    def registry(self) -> ConversionRegistry:
        """Of the cache folder."""
        return self.converter.registry

    def shipped(self, model_id: str) -> Shipped:
        """The ONNX files of a hub repository, with variants and sizes.

        Raises:
            OnnxVerificationError: when there is no such model, or the hub cannot be asked.
        """
        try:
            remote = remote_named(model_id)
            if remote is None or remote.kind not in _SHIPPING:
                raise OnnxVerificationError(
                    f"'{model_id}' is no repository of files: those of the Hugging Face hub "
                    "(org/name) and of ModelScope (modelscope:org/name) can ship an ONNX file"
                )
            return shipped_onnx(at_revision(remote, self._wishes.revision), self.cache_dir)
        except (Undetected, LoadError, InfraError) as error:
            raise OnnxVerificationError(str(error)) from error

    def can_ship(self, model_id: str) -> bool:
        """Whether a model is of a place whose repositories can ship an ONNX file; asks nobody.

        Raises:
            OnnxVerificationError: when it is nothing that is known.
        """
        try:
            remote = remote_named(model_id)
        except Undetected as error:
            raise OnnxVerificationError(str(error)) from error
        return remote is not None and remote.kind in _SHIPPING

    def verify_onnx_file(self, model_id: str, onnx_path: str) -> bool:
        """Whether the repository ships just this file.

        Raises:
            OnnxVerificationError: see :meth:`shipped`.
        """
        return self.shipped(model_id).has(onnx_path)

    def get_onnx_model(
        self,
        model_id: str,
        onnx_path: str = "model.onnx",
        conversion_config: Mapping[str, Any] | None = None,
        progress: Listener | None = None,
    ) -> Verified:
        """The shipped file, downloaded and its digest checked, or else a converted one.

        Raises:
            OnnxVerificationError: when the hub cannot be asked, or the file is damaged.
            OnnxConversionError: when the file is not shipped and cannot be converted.
        """
        wishes_of(conversion_config, self._wishes)  # what is wrong with it is told before all else
        if self.can_ship(model_id) and not self._offline:
            shipped = self.shipped(model_id)
            if shipped.has(onnx_path):
                try:
                    return Verified(
                        fetch_onnx(shipped, onnx_path, self.cache_dir), was_converted=False
                    )
                except (LoadError, InfraError) as error:
                    raise OnnxVerificationError(str(error)) from error
        path = self.converter.convert_model(model_id, onnx_path, conversion_config, progress)
        return Verified(path, was_converted=True)


def verify_and_get_onnx_model(
    model_id: str,
    onnx_path: str = "model.onnx",
    conversion_config: Mapping[str, Any] | None = None,
    *,
    cache_dir: str | Path | None = None,
) -> tuple[str, bool]:
    """Path of a model's ONNX file, and whether it was converted here.

    Args:
        model_id: hub id, such as ``org/name``, or any model that :func:`conformance.convert`
            takes; what is no repository of files is converted.
        onnx_path: the file in its repository.
        conversion_config: how to convert it where it is not there, see
            :mod:`conformance.api.architectures`.
        cache_dir: see :class:`OnnxVerifier`.

    Raises:
        OnnxVerificationError: when the hub cannot be asked, or the file is damaged.
        OnnxConversionError: when the file is not there and cannot be converted.
    """
    found = OnnxVerifier(cache_dir).get_onnx_model(model_id, onnx_path, conversion_config)
    return str(found.path), found.was_converted


def result_fields(
    model_path: str | Path, *, was_converted: bool, conversion_time: str | None = None
) -> dict[str, str | None]:
    """The columns of ``performance_results`` that say where an ONNX model is from."""
    return {
        "onnx_source": SOURCE if was_converted else "huggingface",
        "onnx_conversion_status": _CONVERTED if was_converted else "original",
        "onnx_conversion_time": conversion_time if was_converted else None,
        "onnx_local_path": str(model_path) if was_converted else None,
    }


def _entry_of(wanted: RegistryEntry, done: Conversion) -> RegistryEntry:
    certificate = done.certificate
    return replace(
        wanted,
        local_path=str(done.model.absolute()),
        model_type=certificate.model_type or _model_type(wanted),
        opset_version=certificate.opset,
        file_size_bytes=sum(file.size_bytes for file in certificate.files.values()),
        verification_status=certificate.verdict,
        last_used=now(),
        extra={"certificate": str(done.certificate_file.absolute())},
    )


def _changed_since(model_id: str, moment: str) -> bool:
    """Whether what is here was written after a moment; other places are not asked again."""
    if remote_named(model_id) is not None:
        return False
    path = Path(model_id.partition("#")[0])
    try:
        since = datetime.fromisoformat(moment).timestamp()
        return any(file.lstat().st_ctime > since for file in (path, *path.rglob("*")))
    except (OSError, ValueError):
        return True


def _model_type(wanted: RegistryEntry) -> str | None:
    given = wanted.conversion_config.get("model_type")
    return str(given) if given else None


def _folder_name(key: str) -> str:
    readable = re.sub(r"[^A-Za-z0-9._-]+", "--", key).strip("-.")[:100]
    return f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
