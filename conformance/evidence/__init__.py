"""What was found out about a case: the figures and findings that a certificate is made of.

Like :mod:`conformance.model`, nothing here computes more than questions about a value
itself. Errors are absolute, in the unit of the output, unless a name says otherwise.
"""

from conformance.evidence.explanation import (
    Divergence,
    ErrorStep,
    Explanation,
    Guilty,
    ReducedModel,
)
from conformance.evidence.export import Derivation, ExportResult, OpsetConversion
from conformance.evidence.generalization import (
    Generalization,
    PaddingCheck,
    ShapeOutcome,
    ShapeProbe,
)
from conformance.evidence.latency import BaselineLatency, LatencyResult, Ratio
from conformance.evidence.mutation import Mutant, MutantFate, MutationReport
from conformance.evidence.outputs import DecisionParity, Noise, OutputParity, Worst
from conformance.evidence.parity import ComponentParity, ParityReport

__all__ = [
    "BaselineLatency",
    "ComponentParity",
    "DecisionParity",
    "Derivation",
    "Divergence",
    "ErrorStep",
    "Explanation",
    "ExportResult",
    "Generalization",
    "Guilty",
    "LatencyResult",
    "Mutant",
    "MutantFate",
    "MutationReport",
    "Noise",
    "OpsetConversion",
    "OutputParity",
    "PaddingCheck",
    "ParityReport",
    "Ratio",
    "ReducedModel",
    "ShapeOutcome",
    "ShapeProbe",
    "Worst",
]
