"""ONNX files that hub repositories ship: which there are, and whether they are still right."""

from conformance.shipped.auditing import Audit, AuditImpossible, audit
from conformance.shipped.comparing import Finding
from conformance.shipped.listing import OnnxFile, Shipped, fetch_onnx, shipped_onnx, variant_of
from conformance.shipped.results import Checked, CheckResults

__all__ = [
    "Audit",
    "AuditImpossible",
    "CheckResults",
    "Checked",
    "Finding",
    "OnnxFile",
    "Shipped",
    "audit",
    "fetch_onnx",
    "shipped_onnx",
    "variant_of",
]
