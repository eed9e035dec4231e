"""The shape of a zoo file's entries: what a user may write, and nothing else.

These models are the single source of the zoo's JSON Schema, of its validation and of the
values that the pipeline reads. Reading files, positions in them, defaults and includes
are the business of :mod:`conformance.zoo`.
"""

from conformance.entry.inputs import Calibration, Dtype, Inputs, TensorSpec
from conformance.entry.source import GOES_WITH, Source, SourceKind
from conformance.entry.strict import Conversion, Strict, check_reference
from conformance.entry.terms import Budget, Expectation, Latency, Mutation, StageName, Tolerance
from conformance.entry.zoo_entry import ZooEntry

__all__ = [
    "GOES_WITH",
    "Budget",
    "Calibration",
    "Conversion",
    "Dtype",
    "Expectation",
    "Inputs",
    "Latency",
    "Mutation",
    "Source",
    "SourceKind",
    "StageName",
    "Strict",
    "TensorSpec",
    "Tolerance",
    "ZooEntry",
    "check_reference",
]
