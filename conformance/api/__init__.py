"""The Python API: thin names over the one engine.

- :func:`convert`: one model, to a folder with a certificate;
- :func:`verify_and_get_onnx_model`, :class:`OnnxVerifier`, :class:`PyTorchToOnnxConverter`: the
  ONNX file that a hub model ships, or else one converted here, with a registry;
- :class:`ModelManager`, :class:`ONNXConverter` and its converters: a local collection of models.
"""

from conformance.api.conversion import convert
from conformance.api.converters import ONNXConverter, PyTorchConverter, TensorFlowConverter
from conformance.api.errors import OnnxConversionError, OnnxVerificationError
from conformance.api.manager import ManagedModel, ModelManager
from conformance.api.optimizer import ModelOptimizer, ModelQuantizer
from conformance.api.registering import PyTorchToOnnxConverter
from conformance.api.verifier import (
    OnnxVerifier,
    Verified,
    result_fields,
    verify_and_get_onnx_model,
)

__all__ = [
    "ManagedModel",
    "ModelManager",
    "ModelOptimizer",
    "ModelQuantizer",
    "ONNXConverter",
    "OnnxConversionError",
    "OnnxVerificationError",
    "OnnxVerifier",
    "PyTorchConverter",
    "PyTorchToOnnxConverter",
    "TensorFlowConverter",
    "Verified",
    "convert",
    "result_fields",
    "verify_and_get_onnx_model",
]
