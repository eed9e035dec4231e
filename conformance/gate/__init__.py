"""The gate: a run held against rules, by pure functions over plain data."""

from conformance.gate.check import check
from conformance.gate.look import GatedRun
from conformance.gate.outcomes import vanished_cases
from conformance.gate.rules import Accepted, GateRules, with_rules

__all__ = [
    "Accepted",
    "GateRules",
    "GatedRun",
    "check",
    "vanished_cases",
    "with_rules",
]
