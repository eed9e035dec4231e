"""The forms in which repositories ship a model, each made by ONNX Runtime's own tool."""

from __future__ import annotations


def _dynamic(model, path, kind):
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    weights = {tensor.name for tensor in model.graph.initializer}
    described = [value for value in model.graph.value_info if value.name not in weights]
    del model.graph.value_info[:]
    model.graph.value_info.extend(described)
    before = path.with_name("before.onnx")
    quant_pre_process(model, before, skip_optimization=True, skip_symbolic_shape=True)
    operators = ["MatMul", "Gather", "Gemm"]
    kind = getattr(QuantType, kind)
    quantize_dynamic(
        before, path, per_channel=True, weight_type=kind, op_types_to_quantize=operators
    )
    return onnx.load(path)


def _four_bits(model, quantizer):
    from onnxruntime.quantization.onnx_model import ONNXModel

    base = ONNXModel(model)
    base.replace_gemm_with_matmul()
    made = quantizer(base.model)
    made.process()
    made.model.topological_sort()
    return made.model.model


def _half(model):
    from onnxruntime.quantization.onnx_model import ONNXModel
    from onnxruntime.transformers.float16 import convert_float_to_float16

    halved = ONNXModel(convert_float_to_float16(model, keep_io_types=True))
    halved.topological_sort()
    return halved.model


def _q4(model):
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    return _four_bits(
        model, lambda base: MatMulNBitsQuantizer(base, bits=4, block_size=32, is_symmetric=True)
    )


def _bnb4(model):
    from onnxruntime.quantization.matmul_bnb4_quantizer import MatMulBnb4Quantizer

    return _four_bits(
        model,
        lambda base: MatMulBnb4Quantizer(base, MatMulBnb4Quantizer.NF4, block_size=64),
    )


#: Name, as of files of ``transformers.js``, to the dtype of the weights and what makes the form.
FORMS = {
    "fp16": ("float16", lambda model, path: _half(model)),
    "int8": ("int8", lambda model, path: _dynamic(model, path, "QInt8")),
    "uint8": ("int8", lambda model, path: _dynamic(model, path, "QUInt8")),
    "q4": ("int4", lambda model, path: _q4(model)),
    "q4f16": ("int4", lambda model, path: _half(_q4(model))),
    "bnb4": ("int4", lambda model, path: _bnb4(model)),
}
