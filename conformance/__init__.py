"""Prove that machine-learning models survive conversion to ONNX."""

__version__ = "0.1.0"
