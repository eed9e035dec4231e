"""What a profile says: plain values, read by the command, its chart and its JSON."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from conformance.model import SCHEMA_VERSION


class Traced(StrEnum):
    """How a node that was run is known to stand for nodes of the exported model."""

    #: It is a node of the exported model.
    SAME = "same"
    #: It makes a tensor that nodes of the exported model make.
    OUTPUTS = "outputs"
    #: ONNX Runtime named it after a tensor or a node of the exported model.
    NAME = "name"
    #: It only reads what a node of the exported model makes, such as to lay it out otherwise.
    INPUTS = "inputs"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class NodeTime:
    """One node of the graph that was run, over all counted runs.

    Times are the node's own: what the nodes in its subgraphs took is theirs.
    """

    #: As ONNX Runtime names it; type and number where it has no name.
    node: str
    op_type: str
    #: ONNX Runtime's name of the provider that ran it.
    provider: str
    #: The Loop, If or Scan nodes around it, outermost first.
    inside: tuple[str, ...]
    #: Mean number of executions in a run; more than one in a loop, less in a branch.
    calls: float
    total_ns: int
    #: Of the time that it took in a run.
    median_ns: int
    #: Its median in the sum of all nodes' medians and of what is outside, from 0 to 1.
    share: float
    #: Dtype and shape of each output in the last run, ``float[2,9,32]``.
    outputs: tuple[str, ...]
    traced: Traced
    #: Names of the exported model's nodes that it stands for.
    origins: tuple[str, ...]
    #: Module of the source, where the exporter wrote it down.
    module: str | None
    #: ``model.py:41``, where the exporter wrote it down.
    source: str | None


@dataclass(frozen=True, slots=True)
class OperatorTime:
    """All nodes of one operator on one provider."""

    op_type: str
    provider: str
    nodes: int
    calls: float
    total_ns: int
    #: Sum of the medians of its nodes.
    median_ns: int
    share: float


@dataclass(frozen=True, slots=True)
class OutsideTime:
    """What of the runs was in no kernel: preparation, scheduling, and the profiler itself."""

    total_ns: int
    median_ns: int
    share: float


@dataclass(frozen=True, slots=True)
class Profile:
    """Where the time of a model's runs went."""

    #: What was profiled, as it was asked for.
    case: str
    #: Short name of the provider.
    provider: str
    threads: int
    #: Runs that are counted, and those before them that are not.
    runs: int
    warm_up_runs: int
    onnxruntime: str
    cpu: str
    #: Dtype and shape of each input, ``images: float32[4,1,8,8]``, and where they are from.
    inputs: tuple[str, ...]
    inputs_from: str
    #: Of all counted runs, by the profiler's ``model_run``.
    total_ns: int
    median_ns: int
    #: Of the fastest run, by the clock around the call from Python.
    fastest_ns: int
    #: The same in a session without the profiler.
    unprofiled_fastest_ns: int
    outside: OutsideTime
    #: The slowest first.
    operators: tuple[OperatorTime, ...]
    nodes: tuple[NodeTime, ...]
    #: What somebody who trusts the figures must know.
    notes: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION
