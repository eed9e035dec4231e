"""ONNX graphs as data: load, cut, evaluate exactly, and tell where a node comes from.

Nothing here knows ONNX Runtime.
"""
