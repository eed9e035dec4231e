"""The contract of a converter, and those of PyTorch and TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from conformance.api.architectures import wishes_of
from conformance.api.conversion import proven
from conformance.detection import Undetected, Wishes, find
from conformance.execution.child import Executor
from conformance.locations import default_cache_dir
from conformance.single import Conversion, Listener, Place


class ONNXConverter(Protocol):
    """Converts models of some frameworks."""

    def supports(self, model: str) -> bool:
        """Whether a model is of a framework that this converter reads; loads nothing."""

    def convert(
        self,
        model: str,
        out: str | Path,
        config: Mapping[str, Any] | None = None,
        progress: Listener | None = None,
    ) -> Conversion:
        """Convert ``model`` into the folder ``out``, proven.

        Args:
            model: as for :func:`conformance.convert`.
            out: as for :func:`conformance.convert`.
            config: a ``conversion_config``, see :mod:`conformance.api.architectures`.
            progress: told of every step.

        Raises:
            OnnxConversionError: when there is no proven model.
            OutputRefused: when ``out`` is not to be written.
        """


class _Converter:
    frameworks: tuple[str, ...] = ()

    def __init__(
        self,
        cache_dir: str | Path | None = None,
        *,
        wishes: Wishes | None = None,
        offline: bool = False,
        executor: Executor | None = None,
    ) -> None:
        """Convert with a cache.

        Args:
            cache_dir: of downloads and converted models.
            wishes: what is asked for beside each ``config``: exporter, trust, variant.
            offline: use only what is kept.
            executor: runs the processes of several conversions, for which a framework is then
                imported once; closed by its owner.
        """
        folder = Path(cache_dir) if cache_dir is not None else default_cache_dir()
        self.place = Place(cache_dir=folder, offline=offline, executor=executor)
        self.wishes = wishes or Wishes()

    def supports(self, model: str) -> bool:
        """See :class:`ONNXConverter`."""
        from conformance.adapters import catalog

        try:
            named = find(model, catalog(), self.wishes.framework)
        except Undetected:
            return False
        framework = named.framework if named.entry is None else named.entry.framework
        return framework in self.frameworks

    def convert(
        self,
        model: str,
        out: str | Path,
        config: Mapping[str, Any] | None = None,
        progress: Listener | None = None,
    ) -> Conversion:
        """See :class:`ONNXConverter`."""
        wishes = wishes_of(config, self.wishes)
        return proven(model, Path(out), wishes, self.place, progress)


class PyTorchConverter(_Converter):
    """Models of PyTorch and of Transformers."""

    frameworks = ("pytorch", "transformers")


class TensorFlowConverter(_Converter):
    """Keras models and SavedModels."""

    frameworks = ("tensorflow",)
