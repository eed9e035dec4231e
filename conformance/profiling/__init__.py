"""Where the time of a run goes: ONNX Runtime's own profile, traced back to the source's modules.

The profile names the nodes of the graph that ONNX Runtime made of the model: fused, renamed,
with nodes of its own between them. They are traced to the nodes that the exporter wrote, and
from there, by the metadata, to the module and the source line.
"""

from conformance.profiling.engine import NotProfiled, Request, profile
from conformance.profiling.result import NodeTime, OperatorTime, Profile, Traced
from conformance.profiling.subject import NoSubject, Subject, subject_at, subject_of

__all__ = [
    "NoSubject",
    "NodeTime",
    "NotProfiled",
    "OperatorTime",
    "Profile",
    "Request",
    "Subject",
    "Traced",
    "profile",
    "subject_at",
    "subject_of",
]
