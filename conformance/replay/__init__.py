"""Replay stored models and test data on ONNX Runtime, with no framework at hand.

A folder in the layout of ONNX's own test data is a model, inputs and expected outputs. A
bundle of this package is such a folder with a ``bundle.json``, and is judged by its own
tolerance; every other one is judged by the tolerance that the caller names.
"""

from conformance.parity.tolerance import ONNX_ATOL, ONNX_RTOL
from conformance.replay.cases import CasesFile, case_of
from conformance.replay.engine import Replay, Replayed
from conformance.replay.folders import ModelFolder, find_model_folders

__all__ = [
    "ONNX_ATOL",
    "ONNX_RTOL",
    "CasesFile",
    "ModelFolder",
    "Replay",
    "Replayed",
    "case_of",
    "find_model_folders",
]
