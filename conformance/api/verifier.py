"""The ONNX file of a hub model: the one that its repository ships, or one converted here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.api.architectures import wishes_of
from conformance.api.errors import OnnxVerificationError
from conformance.api.registering import PyTorchToOnnxConverter
from conformance.detection import Undetected, Wishes, at_revision, remote_named
from conformance.errors import InfraError, LoadError
from conformance.execution.child import Executor
from conformance.registry import ConversionRegistry
from conformance.registry.entries import SOURCE
from conformance.registry.schema import RESULT_COLUMNS
from conformance.shipped import Shipped, fetch_onnx, shipped_onnx
from conformance.single import CERTIFICATE, Listener

#: Places whose models are repositories of files, among which an ONNX file may be.
_SHIPPING = ("hub", "modelscope")


@dataclass(frozen=True, slots=True)
class Verified:
    """Where an ONNX file is from."""

    path: Path
    was_converted: bool


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
        self.converter = PyTorchToOnnxConverter(
            cache_dir, wishes=wishes, offline=offline, executor=executor
        )

    @property
    def cache_dir(self) -> Path:
        """Where everything is kept."""
        return self.converter.place.cache_dir

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
            return shipped_onnx(at_revision(remote, self.converter.wishes.revision), self.cache_dir)
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
        # what is wrong with the configuration is told before all else
        wishes_of(conversion_config, self.converter.wishes)
        if self.can_ship(model_id) and not self.converter.place.offline:
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
    model_path: str | Path, *, was_converted: bool, shipped_by: str = "huggingface"
) -> dict[str, str | None]:
    """The columns of ``performance_results`` that say where an ONNX model is from.

    Args:
        model_path: as :func:`verify_and_get_onnx_model` gives it.
        was_converted: likewise.
        shipped_by: the place that a file that was not converted is from.

    Returns:
        Value by column; the time of a conversion is that of the certificate beside it, and None
        where there is none.
    """
    values: tuple[str | None, ...]
    if not was_converted:
        values = (shipped_by, "original", None, None)
    else:
        values = (SOURCE, "converted", _issued(Path(model_path)), str(model_path))
    return dict(zip(RESULT_COLUMNS, values, strict=True))


def _issued(model: Path) -> str | None:
    """When the certificate of a conversion was issued: UTC, ISO 8601."""
    try:
        certificate = json.loads(model.with_name(CERTIFICATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # of another tool
    issued = certificate.get("issued") if isinstance(certificate, dict) else None
    return None if issued is None else str(issued)
