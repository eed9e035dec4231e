"""Where an error comes from: step by step from the exact answer, and node by node."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Guilty(StrEnum):
    """The step of the way from source to answer that brought the error in."""

    CONVERTER = "converter"
    OPTIMIZATION = "graph optimization"
    KERNEL = "kernel"
    PROVIDER = "provider"
    QUANTIZATION = "quantization"


@dataclass(frozen=True, slots=True)
class ErrorStep:
    """One way of computing the explained output, and how far it is from the exact answer."""

    #: "source fp32", "ONNX in float64", "ONNX Runtime, optimizations off", ...
    name: str
    #: max |this - exact| over the data sets; ``None`` when it was not computed.
    error: float | None
    #: max |this - step before it|; ``None`` for the first and where either is missing.
    delta: float | None = None
    #: Why it was not computed.
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first node at which two executions of one graph part."""

    node: str
    op_type: str
    output: str
    #: Position of the node in topological order, from 0, and how many nodes there are.
    position: int
    nodes: int
    #: The two executions: the trusted one, the suspect.
    between: tuple[str, str]
    #: Fed the trusted inputs, the node alone still errs; otherwise it passes an error on.
    originates: bool
    #: Largest difference of the node's output between the two; ``None`` if not finite.
    error: float | None
    #: Source line or module of the exporter's metadata.
    location: str | None = None


@dataclass(frozen=True, slots=True)
class ReducedModel:
    """The smallest part of the model that still shows the error."""

    #: Folder in ONNX's test-data layout, relative to the failure folder.
    path: str
    nodes: int
    #: ``None`` if not finite.
    error: float | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where the error of one output comes from."""

    output: str
    #: The accepted error of that output.
    limit: float
    steps: tuple[ErrorStep, ...]
    #: ``None`` when no step brings in more than the limit accepts.
    guilty: Guilty | None
    #: One sentence: which step, by how much.
    summary: str
    divergence: Divergence | None = None
    reduced: ReducedModel | None = None
    #: What else was seen, what could not be found out, and why.
    notes: tuple[str, ...] = ()
