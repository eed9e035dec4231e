"""Add the executions of all runs up, per node and per operator."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from conformance.profiling.events import Call, NodeId, Run
from conformance.profiling.result import OperatorTime, OutsideTime

_NS_PER_US = 1000


@dataclass(frozen=True, slots=True)
class NodeKey:
    """A node of the graph that was run, with the nodes whose subgraphs it stands in."""

    node: NodeId
    provider: str
    inside: tuple[NodeId, ...] = ()


@dataclass(slots=True)
class Spent:
    """What one node, or several, took."""

    #: Own time in each run, in microseconds.
    per_run_us: list[int]
    calls: int = 0
    outputs: tuple[str, ...] = ()

    @property
    def total_ns(self) -> int:
        """Of all runs."""
        return _NS_PER_US * sum(self.per_run_us)

    @property
    def median_ns(self) -> int:
        """Of the time in one run."""
        return round(_NS_PER_US * median(self.per_run_us))

    @property
    def calls_per_run(self) -> float:
        """Mean number of executions in a run."""
        return round(self.calls / len(self.per_run_us), 3)


@dataclass(slots=True)
class Spending:
    """Where the time of the counted runs went."""

    #: Duration of each run, in microseconds.
    runs_us: list[int] = field(default_factory=list)
    nodes: dict[NodeKey, Spent] = field(default_factory=dict)

    @property
    def total_ns(self) -> int:
        """Of all runs."""
        return _NS_PER_US * sum(self.runs_us)

    @property
    def median_ns(self) -> int:
        """Of one run."""
        return round(_NS_PER_US * median(self.runs_us))

    def shares(self) -> dict[NodeKey, float]:
        """What each node takes of a typical run, from 0 to 1: of the sum of all medians.

        By medians, because whichever kernel another process gets in between of is slow once.
        """
        whole = self._typical_ns
        return {
            key: round(spent.median_ns / whole, 6) if whole else 0.0
            for key, spent in self.nodes.items()
        }

    def outside(self) -> OutsideTime:
        """What was in no kernel."""
        rest, whole = self._rest, self._typical_ns
        share = round(rest.median_ns / whole, 6) if whole else 0.0
        return OutsideTime(rest.total_ns, rest.median_ns, share)

    def operators(self) -> tuple[OperatorTime, ...]:
        """All nodes by operator and provider, the slowest first."""
        groups: dict[tuple[str, str], list[NodeKey]] = {}
        for key in self.nodes:
            groups.setdefault((key.node.op_type, key.provider), []).append(key)
        shares = self.shares()
        found = [
            OperatorTime(
                op_type,
                provider,
                len(keys),
                round(sum(self.nodes[key].calls_per_run for key in keys), 3),
                sum(self.nodes[key].total_ns for key in keys),
                sum(self.nodes[key].median_ns for key in keys),
                round(sum(shares[key] for key in keys), 6),
            )
            for (op_type, provider), keys in groups.items()
        ]
        return tuple(sorted(found, key=lambda operator: -operator.share))

    @property
    def _rest(self) -> Spent:
        left = list(self.runs_us)
        for spent in self.nodes.values():
            left = [whole - own for whole, own in zip(left, spent.per_run_us, strict=True)]
        return Spent(left)

    @property
    def _typical_ns(self) -> int:
        return self._rest.median_ns + sum(spent.median_ns for spent in self.nodes.values())


def add_up(runs: Iterable[Run]) -> Spending:
    """The own time of every node in every run; a node that a run did not reach took none."""
    spending = Spending()
    for number, run in enumerate(runs):
        spending.runs_us.append(run.duration_us)
        for spent in spending.nodes.values():
            spent.per_run_us.append(0)
        _add(spending, number, run.calls, ())
    return spending


def _add(
    spending: Spending, number: int, calls: Iterable[Call], inside: tuple[NodeId, ...]
) -> None:
    for call in calls:
        key = NodeKey(call.node, call.provider, inside)
        spent = spending.nodes.get(key)
        if spent is None:
            spent = spending.nodes[key] = Spent([0] * (number + 1))
        spent.per_run_us[number] += call.own_us
        spent.calls += 1
        spent.outputs = call.outputs
        _add(spending, number, call.inner, (*inside, call.node))
