"""Frozen values that travel between the layers, and the closed sets they are made of.

Nothing here computes: a value answers questions about itself and no more. Everything
serialises to plain JSON (:func:`to_json`) and is read back with its types checked
(:func:`from_json`), so the same values serve child processes, JSON lines and reports.
"""

from conformance.model.case import AUTO, BASE, Case, FrameworkInfo, TestRef
from conformance.model.records import Judgement, Record
from conformance.model.report import CaseResult, RunOrigin, RunReport, TrendPoint
from conformance.model.run import RunFooter, RunHeader, RunPlan
from conformance.model.serialization import SCHEMA_VERSION, from_json, prepare, to_json
from conformance.model.verdicts import Stage, TestKind, Verdict

__all__ = [
    "AUTO",
    "BASE",
    "SCHEMA_VERSION",
    "Case",
    "CaseResult",
    "FrameworkInfo",
    "Judgement",
    "Record",
    "RunFooter",
    "RunHeader",
    "RunOrigin",
    "RunPlan",
    "RunReport",
    "Stage",
    "TestKind",
    "TestRef",
    "TrendPoint",
    "Verdict",
    "from_json",
    "prepare",
    "to_json",
]
