"""Time several calls against each other: warm up until steady, then blocks in random order."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from conformance.latency.accounting import waited_ns
from conformance.latency.ratio import log_ratios, standard_error

Call = Callable[[], object]

#: Time that all blocks of one comparison may take together, warm-up apart.
BUDGET_NS = 250_000_000
#: A call is steady when two windows of this many runs differ by less than ``_STEADY``.
_WINDOW = 4
_STEADY = 0.05
_MAX_WARM_UP_RUNS = 40
#: Calls shorter than this are run once untimed at the head of a block, because the call
#: before them has taken the caches.
_SHORT_NS = 1_000_000
_MAX_BLOCK_RUNS = 64
#: Share of a round that may be lost to other processes; what lost more is set aside.
_MAX_LOST = 0.02
#: Rounds that were set aside are made up for, until the budget is overdrawn so many times.
_OVERDRAFT = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a comparison goes on."""

    budget_ns: int = BUDGET_NS
    #: What a block should last; a call that takes longer is a block by itself.
    block_ns: int = 1_500_000
    #: Undisturbed rounds, each a block of every call, before the comparison may end.
    min_rounds: int = 9
    #: It ends early once every ratio to the first call is known this closely: the half-width
    #: of its 95% interval, relative.
    precision: float = 0.006


@dataclass(frozen=True, slots=True)
class Samples:
    """Durations of one call in nanoseconds, block by block; one block a round."""

    blocks: tuple[tuple[int, ...], ...]

    @property
    def runs(self) -> tuple[int, ...]:
        """All durations, in the order in which they were taken."""
        return tuple(run for block in self.blocks for run in block)

    @property
    def per_round(self) -> np.ndarray:
        """Median of each block in nanoseconds: float64 of shape (rounds,)."""
        return np.array([np.median(block) for block in self.blocks])


@dataclass(frozen=True, slots=True)
class Timed:
    """What a comparison took down."""

    #: Of each call; all have the same number of rounds.
    samples: Mapping[str, Samples]
    #: Why others' work spoilt the comparison; ``None`` where enough rounds were undisturbed.
    contended: str | None


def interleave(calls: Mapping[str, Call], *, seed: int, plan: Plan | None = None) -> Timed:
    """Time ``calls`` in rounds: one block of each, in an order drawn anew each round.

    Rounds in which other processes took the processor are set aside and made up for. Where
    too few others come together, all count, and the result says so. Garbage is not collected
    meanwhile.

    Args:
        calls: what to time, by name; ratios are those of the others to the first.
        seed: of the order.
        plan: when to end.
    """
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        return _Comparison(calls, plan or Plan(), np.random.default_rng(seed)).run()
    finally:
        if collecting:
            gc.enable()


def time_once(call: Call) -> tuple[int, object]:
    """Duration of one call in nanoseconds, and what it returned."""
    start = time.perf_counter_ns()
    result = call()
    return time.perf_counter_ns() - start, result


def quantile_ns(samples_ns: Sequence[int], share: float) -> int:
    """The quantile of durations, in whole nanoseconds."""
    return int(np.quantile(samples_ns, share))


_Round = dict[str, tuple[int, ...]]


@dataclass(slots=True)
class _Comparison:
    calls: Mapping[str, Call]
    plan: Plan
    rng: np.random.Generator
    clean: list[_Round] = field(default_factory=list)
    disturbed: list[_Round] = field(default_factory=list)

    def run(self) -> Timed:
        typical = {n: _warm_up(call, self.plan.budget_ns // 2) for n, call in self.calls.items()}
        started = time.perf_counter_ns()
        while not self._enough(time.perf_counter_ns() - started):
            self._round(typical)
        contended = len(self.clean) < self.plan.min_rounds
        rounds = self.clean + self.disturbed if contended else self.clean
        return Timed(
            {name: Samples(tuple(taken[name] for taken in rounds)) for name in self.calls},
            f"other work took the processor in {len(self.disturbed)} of {len(rounds)} rounds"
            if contended
            else None,
        )

    def _round(self, typical: Mapping[str, int]) -> None:
        names = list(self.calls)
        waited, started = waited_ns(), time.perf_counter_ns()
        taken: _Round = {}
        for index in self.rng.permutation(len(names)):
            name = names[index]
            once_ns = typical[name]
            size = int(np.clip(self.plan.block_ns // max(once_ns, 1), 1, _MAX_BLOCK_RUNS))
            taken[name] = _block(self.calls[name], size, untimed=once_ns < _SHORT_NS)
        took_ns = time.perf_counter_ns() - started
        lost = (waited_ns() - waited) / took_ns
        (self.disturbed if lost > _MAX_LOST else self.clean).append(taken)

    def _enough(self, spent_ns: int) -> bool:
        if len(self.clean) >= self.plan.min_rounds:
            return spent_ns > self.plan.budget_ns or self._precise()
        done = len(self.clean) + len(self.disturbed)
        return done >= self.plan.min_rounds and spent_ns > _OVERDRAFT * self.plan.budget_ns

    def _precise(self) -> bool:
        first, *others = (
            Samples(tuple(taken[name] for taken in self.clean)) for name in self.calls
        )
        errors = [standard_error(log_ratios(other, first)) for other in others]
        return bool(errors) and 2 * max(errors) < self.plan.precision


def _warm_up(call: Call, budget_ns: int) -> int:
    """Run a call until it is steady; gives what one run then takes, in nanoseconds."""
    started = time.perf_counter_ns()
    former: float | None = None
    window: list[int] = []
    for _ in range(_MAX_WARM_UP_RUNS):
        start = time.perf_counter_ns()
        call()
        end = time.perf_counter_ns()
        window.append(end - start)
        if end - started > budget_ns:
            break
        if len(window) == _WINDOW:
            now = float(np.median(window))
            if former is not None and now > former * (1 - _STEADY):
                break
            former, window = now, []
    return int(np.median(window)) if window else int(former or 1)


def _block(call: Call, size: int, *, untimed: bool) -> tuple[int, ...]:
    if untimed:
        call()
    taken = []
    for _ in range(size):
        start = time.perf_counter_ns()
        call()
        taken.append(time.perf_counter_ns() - start)
    return tuple(taken)
