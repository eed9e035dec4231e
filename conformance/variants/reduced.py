"""Floats of half the size."""

from __future__ import annotations

from pathlib import Path

from conformance.variants.bfloat16 import lowered
from conformance.variants.files import load, save


def to_float16(model: Path, out: Path) -> str:
    """IEEE half precision inside; inputs and outputs stay float32."""
    import onnxruntime
    from onnxruntime.quantization.onnx_model import ONNXModel
    from onnxruntime.transformers import float16

    halved = ONNXModel(float16.convert_float_to_float16(load(model), keep_io_types=True))
    halved.topological_sort()  # the casts of inputs come last
    save(halved.model, out)
    return (
        f"onnxruntime {onnxruntime.__version__}'s convert_float_to_float16, inputs and outputs "
        "in float32"
    )


def to_bfloat16(model: Path, out: Path) -> str:
    """Bfloat16 wherever ONNX defines an operator for it; inputs and outputs stay float32."""
    save(lowered(load(model)), out)
    return "bfloat16 where ONNX defines the operators for it, inputs and outputs in float32"
