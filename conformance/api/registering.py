"""Conversions that are remembered: made once for what was asked, and found in the registry."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from conformance.api.converters import PyTorchConverter
from conformance.api.errors import OnnxConversionError
from conformance.detection import Undetected, canonical_name, remote_named
from conformance.detection.named import MANIFESTS
from conformance.model import to_json
from conformance.registry import ConversionRegistry, RegistryEntry, RegistryProblem
from conformance.registry.entries import plain
from conformance.registry.json_file import now
from conformance.single import Conversion, Listener, OutputRefused

_CONVERTED = "converted"
#: Wishes that say where a model is from and who is trusted, not what becomes of it.
_NO_PART = ("revision", "allow_pickle", "trust_remote_code")


class PyTorchToOnnxConverter(PyTorchConverter):
    """Converts PyTorch models, and keeps in a registry what became of each."""

    @property
    def registry(self) -> ConversionRegistry:
        """Of the cache folder."""
        return ConversionRegistry(self.place.cache_dir)

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
        folder = self.place.cache_dir / _CONVERTED / _folder_name(wanted.key)
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
            name = canonical_name(model_id, self.wishes.revision)
        except Undetected as error:
            raise OnnxConversionError(str(error)) from error
        beside = {
            key: value
            for key, value in to_json(self.wishes).items()
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
    """Whether what is here was written after a moment; other places are not asked again.

    What a manifest names can be code of anywhere: the cache of the conversion knows.
    """
    if remote_named(model_id) is not None:
        return False
    path = Path(model_id.partition("#")[0])
    if path.suffix in MANIFESTS:
        return True
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
