"""Timing a bundle's model: alone, against an earlier run's model, and against its source.

:func:`measure` is the work of one process, a target in the sense of
:mod:`conformance.execution.contract`.
"""

from conformance.measuring.earlier import Earlier, unchanged
from conformance.measuring.speedups import against_base, against_source
from conformance.measuring.target import measure

__all__ = [
    "Earlier",
    "against_base",
    "against_source",
    "measure",
    "unchanged",
]
