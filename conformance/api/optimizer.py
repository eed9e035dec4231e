"""Optimizer and quantizer: names for the variants that the engine makes and proves."""

from __future__ import annotations

from pathlib import Path

from conformance.api.conversion import convert
from conformance.api.errors import OnnxConversionError
from conformance.model import BASE
from conformance.single import Conversion, Listener
from conformance.variants import VARIANTS
from conformance.zoo.suggest import choices


class _Maker:
    """Makes one variant of models."""

    def __init__(self, variant: str, cache_dir: str | Path | None, *, lossy: bool) -> None:
        known = [v.name for v in VARIANTS.values() if v.lossy is lossy and v.name != BASE]
        if variant not in known:
            raise OnnxConversionError(f"unknown variant '{variant}'{choices(variant, known)}")
        self.variant = variant
        self._cache_dir = cache_dir

    def _made(self, model: str, out: str | Path, progress: Listener | None) -> Conversion:
        return convert(
            model, out, variant=self.variant, cache_dir=self._cache_dir, progress=progress
        )


class ModelOptimizer(_Maker):
    """Makes a graph that computes the same with less: variants that lose nothing.

    Args:
        variant: one of ``conformance.variants.VARIANTS`` that is held to the tolerance rule.
        cache_dir: of downloads and converted models.

    Raises:
        OnnxConversionError: when there is no such variant.
    """

    def __init__(self, variant: str = "optimized-ort", cache_dir: str | Path | None = None) -> None:
        super().__init__(variant, cache_dir, lossy=False)

    def optimize(self, model: str, out: str | Path, progress: Listener | None = None) -> Conversion:
        """Convert ``model`` into the optimized form, proven against its source.

        Raises:
            OnnxConversionError: when the variant is not within its limits, or cannot be made.
        """
        return self._made(model, out, progress)


class ModelQuantizer(_Maker):
    """Makes a model of smaller numbers, within the accuracy budget of its variant.

    Args:
        variant: one of ``conformance.variants.VARIANTS`` that is lossy.
        cache_dir: of downloads and converted models.

    Raises:
        OnnxConversionError: when there is no such variant.
    """

    def __init__(self, variant: str = "int8-dynamic", cache_dir: str | Path | None = None) -> None:
        super().__init__(variant, cache_dir, lossy=True)

    def quantize(self, model: str, out: str | Path, progress: Listener | None = None) -> Conversion:
        """Convert ``model`` into the quantized form, proven against its source.

        Raises:
            OnnxConversionError: when the variant is not within its budget, or cannot be made.
        """
        return self._made(model, out, progress)
