"""One variant of a converted model: from file to file, with ONNX's own tools alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from conformance.errors import StageError, VariantError
from conformance.variants import optimized, quantized, reduced


@dataclass(frozen=True, slots=True)
class Base:
    """What a variant is made of."""

    #: The converted model, in float32.
    model: Path
    #: Input sets that static quantization is calibrated with; none where it is not asked for.
    calibration: Sequence[Mapping[str, np.ndarray]]
    #: What transformer fusions know the architecture by; ``None`` where they don't.
    model_type: str | None


#: Writes the variant of a base to a path, and says in words how.
Maker = Callable[[Base, Path], str]

MAKERS: dict[str, Maker] = {
    "optimized-onnxslim": lambda base, out: optimized.by_onnxslim(base.model, out),
    "optimized-onnxscript": lambda base, out: optimized.by_onnxscript(base.model, out),
    "optimized-ort": lambda base, out: optimized.by_onnx_runtime(base.model, out, base.model_type),
    "fp16": lambda base, out: reduced.to_float16(base.model, out),
    "bf16": lambda base, out: reduced.to_bfloat16(base.model, out),
    "int8-dynamic": lambda base, out: quantized.dynamic(base.model, out),
    "int8-static": lambda base, out: quantized.static(base.model, out, base.calibration),
    "int4": lambda base, out: quantized.weight_only(base.model, out),
}


def derive(variant: str, base: Base, out: Path) -> str:
    """Write a variant of ``base`` to ``out``.

    Args:
        variant: any name of :data:`~conformance.variants.VARIANTS` but the base's.
        base: what it is made of; stays as it is.
        out: the file to write; its folder exists.

    Returns:
        How it was made, in words.

    Raises:
        VariantError: when the tool fails, or leaves no file.
    """
    try:
        how = MAKERS[variant](base, out)
    except StageError:
        raise
    except Exception as error:
        first = next((line for line in str(error).splitlines() if line.strip()), "")
        raise VariantError(
            f"making {variant} failed: {type(error).__name__}: {first.strip()}"
        ) from error
    if not out.is_file():
        raise VariantError(f"making {variant} ended without writing a model")
    return how
