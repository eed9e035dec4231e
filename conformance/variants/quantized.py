"""Integers in place of floats, by ``onnxruntime.quantization``."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from conformance.machine import hardware
from conformance.variants import VARIANTS
from conformance.variants.files import load, save

#: What is quantized dynamically: not convolutions, whose int8 form ONNX Runtime's CPU provider
#: has no kernel for.
_DYNAMIC = ["MatMul", "Gather", "LSTM", "Attention", "EmbedLayerNormalization"]

#: What is quantized statically: where the time goes and the weights are. What lies between, such
#: as the sum of scores and a mask of minus infinity, has ranges that 8 bits do not bear.
_STATIC = ["Conv", "ConvTranspose", "Gemm", "MatMul"]


def dynamic(model: Path, out: Path) -> str:
    """Weights in int8, per channel; activations are measured at each run."""
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _quiet(), _prepared(model) as prepared:
        quantize_dynamic(
            prepared,
            out,
            op_types_to_quantize=_DYNAMIC,
            per_channel=True,
            reduce_range=_saturates(),
            weight_type=QuantType.QInt8,
        )
    return (
        f"onnxruntime {onnxruntime.__version__}'s quantize_dynamic: weights in int8 per channel, "
        "activations in uint8 by the range of each run"
    )


def static(model: Path, out: Path, inputs: Sequence[Mapping[str, np.ndarray]]) -> str:
    """Weights and activations in 8 bits between QuantizeLinear and DequantizeLinear.

    Args:
        model: the base.
        out: the file to write.
        inputs: input sets on which the ranges of the activations are measured; other ones than
            those that the variant is judged on.
    """
    import onnxruntime
    from onnxruntime.quantization import (
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    with _quiet(), _prepared(model) as prepared:
        quantize_static(
            prepared,
            out,
            _Reader(inputs),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_STATIC,
            per_channel=True,
            reduce_range=_saturates(),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            calibration_providers=["CPUExecutionProvider"],
        )
    return (
        f"onnxruntime {onnxruntime.__version__}'s quantize_static (QDQ): weights in int8 per "
        f"channel, activations in uint8 by the smallest and largest of {len(inputs)} calibration "
        "sets"
    )


def weight_only(model: Path, out: Path) -> str:
    """Weights of matrix products in 4 bits, by blocks (``MatMulNBits``)."""
    import onnxruntime
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
    from onnxruntime.quantization.onnx_model import ONNXModel

    block_size = VARIANTS["int4"].parameters["block_size"]
    base = ONNXModel(load(model))
    base.replace_gemm_with_matmul()  # a dense layer is a Gemm, which has no 4-bit form
    with _quiet():
        quantizer = MatMulNBitsQuantizer(
            base.model, bits=4, block_size=block_size, is_symmetric=False
        )
        quantizer.process()
    quantizer.model.topological_sort()
    save(quantizer.model.model, out)
    return (
        f"onnxruntime {onnxruntime.__version__}'s MatMulNBitsQuantizer: weights of matrix "
        f"products in 4 bits, by blocks of {block_size}"
    )


def _saturates() -> bool:
    """Whether this CPU adds up products of int8 and uint8 in 16 bits, which overflow.

    x86 without VNNI does; ONNX Runtime's advice for it is weights of 7 bits.
    """
    isa = hardware()["isa"]
    known = isa if isinstance(isa, list) else []
    x86 = any(str(name).startswith("sse") for name in known)
    return x86 and not any("vnni" in str(name) for name in known)


class _Reader:
    """Input sets one after another, as calibration asks for them."""

    def __init__(self, inputs: Sequence[Mapping[str, np.ndarray]]) -> None:
        self._left = iter(inputs)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next input set; None after the last."""
        following = next(self._left, None)
        return None if following is None else dict(following)


@contextmanager
def _prepared(model: Path) -> Iterator[Path]:
    """A file of the model with the types that quantization needs to know.

    ONNX Runtime's own preparation can also optimize the graph; that is left out, so that a
    variant is one change and no more.
    """
    from onnxruntime.quantization.shape_inference import quant_pre_process

    base = load(model)
    # the tool transposes weights in place, and would be at odds with what is said of them here
    weights = {tensor.name for tensor in base.graph.initializer}
    described = [value for value in base.graph.value_info if value.name not in weights]
    del base.graph.value_info[:]
    base.graph.value_info.extend(described)
    with tempfile.TemporaryDirectory(prefix="conformance-quantize-") as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(base, prepared, skip_optimization=True, skip_symbolic_shape=True)
        yield prepared


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice that the tool gives on every model, by way of the root logger."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
