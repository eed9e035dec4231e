"""Optimizer and quantizer: names for the variants that the engine makes and proves."""

from __future__ import annotations

from pathlib import Path

from conformance.api.conversion import convert
from conformance.api.errors import OnnxConversionError
from conformance.single import Conversion, Listener
from conformance.variants import VARIANTS
from conformance.zoo.suggest import choices


class _Variants:
    """Converts models into one kind of variants."""

    def __init__(self, variant: str, cache_dir: str | Path | None = None) -> None:
        if variant not in VARIANTS:
            raise OnnxConversionError(f"unknown variant '{variant}'{choices(variant, VARIANTS)}")
        self.variant = variant
        self._cache_dir = cache_dir

    def _convert(self, model: str, out: str | Path, progress: Listener | None) -> Conversion:
        return convert(
            model, out, variant=self.variant, cache_dir=self._cache_dir, progress=progress
        )


class ModelOptimizer(_Variants):
    """Makes a graph that computes the same with less: see ``VARIANTS`` for what there is."""

    def optimize(self, model: str, out: str | Path, progress: Listener | None = None) -> Conversion:
        """Convert ``model`` into the optimized form, proven against its source.

        Raises:
            OnnxConversionError: when the variant is not within its budget, or cannot be made.
        """
        return self._convert(model, out, progress)


class ModelQuantizer(_Variants):
    """Makes a model of smaller numbers, within the accuracy budget of its variant."""

    def quantize(self, model: str, out: str | Path, progress: Listener | None = None) -> Conversion:
        """Convert ``model`` into the quantized form, proven against its source.

        Raises:
            OnnxConversionError: when the variant is not within its budget, or cannot be made.
        """
        return self._convert(model, out, progress)
