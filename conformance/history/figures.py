"""The figures of a case in two runs: which of them changed by more than chance explains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from conformance.entry import Latency
from conformance.evidence import BaselineLatency, LatencyResult, Ratio
from conformance.model import CaseResult

#: The error against its limit is rounding itself: half or twice as much is worth a look.
PARITY_FACTOR = 1.5
#: Below this share of the limit nobody needs to look.
PARITY_FLOOR = 0.1
#: Names and metadata in the model's file change its size a little.
SIZE_SHARE = 0.01


class Figure(StrEnum):
    """What is compared; less is better for each."""

    #: Error of the worst output over its limit.
    PARITY_RATIO = "parity ratio"
    #: Known as a ratio only.
    LATENCY = "latency"
    #: Of the model's files, in bytes.
    SIZE = "size"
    #: Of the graph.
    NODES = "nodes"


@dataclass(frozen=True, slots=True)
class FigureChange:
    """A figure of one case on one provider that is not what it was."""

    figure: Figure
    #: In the figure's unit; None for a latency.
    before: float | None
    after: float | None
    #: Now over then: above 1 is worse. None where the figure was zero.
    ratio: float | None
    #: 95% interval of the ratio, for latencies.
    low: float | None = None
    high: float | None = None
    #: A latency that looked changed was measured again, and stayed so.
    confirmed: bool = False

    @property
    def worse(self) -> bool:
        """Whether it grew."""
        return self.ratio is None or self.ratio > 1


def figure_changes(
    before: CaseResult, now: CaseResult, before_run: str
) -> tuple[FigureChange, ...]:
    """The figures of a row that changed by what is worth telling.

    A latency is compared where the present run has timed the model of ``before_run`` beside
    its own; else where both are in units of the same yardstick, were taken on the same class of
    hardware with the same threads, and nothing disturbed either. The thresholds of such a
    change are the defaults of a zoo entry.

    Args:
        before: the row then.
        now: the row of the same id now.
        before_run: id of the run that ``before`` is of.
    """
    return (
        *_parity(before, now),
        *_latency(before.latency, now.latency, before_run),
        *_export(before, now),
    )


def _parity(before: CaseResult, now: CaseResult) -> Iterator[FigureChange]:
    then, present = _parity_ratio(before), _parity_ratio(now)
    if then is None or present is None or max(then, present) < PARITY_FLOOR:
        return
    low, high = sorted((then, present))
    if high > low * PARITY_FACTOR:
        yield FigureChange(Figure.PARITY_RATIO, then, present, present / then if then else None)


def _parity_ratio(row: CaseResult) -> float | None:
    worst = row.parity.worst_output if row.parity else None
    return worst.ratio if worst else None


def _latency(
    before: LatencyResult | None, now: LatencyResult | None, before_run: str
) -> Iterator[FigureChange]:
    if before is None or now is None or not now.comparable:
        return
    measured = now.baseline
    if measured is not None and measured.run == before_run:
        if measured.slower or measured.faster:
            yield _timed(measured.ratio, confirmed=True)
        return
    ratio = _by_yardstick(before, now)
    if ratio is None:
        return
    terms = Latency()
    stored = BaselineLatency(
        before_run,
        "yardstick",
        ratio,
        session_ratio=1.0,
        threshold=terms.regression,
        certain=terms.certain,
    )
    if stored.slower or stored.faster:
        yield _timed(ratio)


def _timed(ratio: Ratio, *, confirmed: bool = False) -> FigureChange:
    return FigureChange(
        Figure.LATENCY, None, None, ratio.value, ratio.low, ratio.high, confirmed=confirmed
    )


def _by_yardstick(before: LatencyResult, now: LatencyResult) -> Ratio | None:
    """Now over then in runs of the yardstick, with the widest interval that both allow."""
    same = (
        before.comparable
        and before.hardware is not None
        and (before.hardware, before.yardstick_name, before.intra_op_threads)
        == (now.hardware, now.yardstick_name, now.intra_op_threads)
    )
    then, present = before.yardstick, now.yardstick
    if not same or then is None or present is None:
        return None
    return Ratio(
        present.value / then.value,
        present.low / then.high,
        present.high / then.low,
        min(present.rounds, then.rounds),
    )


def _export(before: CaseResult, now: CaseResult) -> Iterator[FigureChange]:
    then, present = before.export, now.export
    if then is None or present is None:
        return
    if abs(present.size_bytes - then.size_bytes) > SIZE_SHARE * then.size_bytes:
        yield _counted(Figure.SIZE, then.size_bytes, present.size_bytes)
    if present.nodes != then.nodes:
        yield _counted(Figure.NODES, then.nodes, present.nodes)


def _counted(figure: Figure, then: int, present: int) -> FigureChange:
    return FigureChange(figure, then, present, present / then if then else None)
