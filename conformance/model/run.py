"""What a run says of itself: before it begins, of what it selected, and at its end."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue

from conformance.gate_result import GateResult
from conformance.model.case import TestRef


@dataclass(frozen=True, slots=True)
class RunHeader:
    """Where and with what a run was made: the first line of its JSON lines."""

    id: str
    started: str
    commit: str | None
    machine: dict[str, JsonValue]
    versions: dict[str, str]
    seed: int
    zoos: tuple[str, ...]
    command: str
    shard: str | None = None
    #: Every case id the zoo files hold, selected or not: tells "vanished" from "deselected".
    zoo_cases: tuple[str, ...] = ()
    #: Digest of the parts that the zoo was divided into, where the run took one of them.
    division: str | None = None
    #: Id of the run that it was to be compared with; ``None`` where nobody named one.
    baseline: str | None = None


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The tests that were selected: what the records of the run must account for."""

    tests: tuple[TestRef, ...]
    #: How many tests of the zoo (of this shard of it) were not selected.
    deselected: int = 0
    #: The options by which they were, such as ``-k bert``; ``None`` where that is not known.
    selected_by: str | None = None


@dataclass(frozen=True, slots=True)
class RunFooter:
    """How a run ended: the last line of its JSON lines."""

    finished: str
    #: "finished", "interrupted" or "crashed".
    status: str
    exit_code: int
    #: What the gate made of it; ``None`` where nobody asked, or the run was interrupted.
    gate: GateResult | None = None
