"""Calls that are timed against each other."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest

from conformance.latency import protocol
from conformance.latency.protocol import Plan, Samples, interleave, time_once

QUICK = Plan(budget_ns=20_000_000, block_ns=200_000, min_rounds=5)


def undisturbed(monkeypatch):
    monkeypatch.setattr(protocol, "waited_ns", lambda: 0)


def test_every_call_has_a_block_in_every_round():
    """What is compared round by round was taken in the same round."""
    order = []
    calls = {name: lambda name=name: order.append(name) for name in ("a", "b", "c")}
    timed = interleave(calls, seed=0, plan=QUICK)
    rounds = {len(samples.blocks) for samples in timed.samples.values()}
    assert len(rounds) == 1
    assert rounds.pop() >= QUICK.min_rounds
    assert set(order) == {"a", "b", "c"}


def test_the_order_within_a_round_is_drawn_anew():
    """Neither of two calls is always the one that finds the caches of the other."""
    order = []
    calls = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    interleave(calls, seed=0, plan=Plan(budget_ns=1, block_ns=1, min_rounds=40))
    blocks = [name for name, _ in itertools.groupby(order)]
    doubled = len(order[-160:]) - len([*itertools.groupby(order[-160:])])
    assert len(set(blocks)) == 2
    # in a fixed order no name would ever follow itself beyond the run at the head of a block
    assert doubled > 80


def test_a_slow_call_is_run_the_fewest_rounds_that_give_an_interval(monkeypatch):
    """The budget of a slow model is its minimum of rounds, one run each."""
    undisturbed(monkeypatch)
    timed = interleave({"slow": lambda: time.sleep(0.01)}, seed=0, plan=QUICK)
    assert timed.samples["slow"].per_round.shape == (QUICK.min_rounds,)
    assert len(timed.samples["slow"].runs) == QUICK.min_rounds


def test_a_quick_call_fills_its_block_with_many_runs(monkeypatch):
    """One run of microseconds is within the clock's own noise."""
    undisturbed(monkeypatch)
    timed = interleave({"quick": lambda: None}, seed=0, plan=QUICK)
    assert min(map(len, timed.samples["quick"].blocks)) > 10


def test_warm_up_goes_on_until_runs_no_longer_get_quicker(monkeypatch):
    """The slow first runs of a model are in no sample."""
    undisturbed(monkeypatch)
    durations = itertools.chain([0.02, 0.02, 0.02, 0.02, 0.01, 0.01, 0.01, 0.01])
    call = {"a": lambda: time.sleep(next(durations, 0.001))}
    timed = interleave(call, seed=0, plan=Plan(budget_ns=400_000_000, min_rounds=5))
    assert np.median(timed.samples["a"].runs) < 5_000_000


def test_it_ends_early_once_the_ratio_is_known(monkeypatch):
    """Two calls of the same steady duration need no whole budget."""
    undisturbed(monkeypatch)
    clock = itertools.count(step=1000)
    monkeypatch.setattr(protocol.time, "perf_counter_ns", lambda: next(clock))
    timed = interleave({"a": int, "b": int}, seed=0, plan=Plan(budget_ns=10**12))
    assert len(timed.samples["a"].blocks) == Plan().min_rounds


def test_rounds_in_which_others_ran_are_set_aside(monkeypatch):
    """A round that lost the processor counts only where there are too few others."""
    losses = itertools.chain.from_iterable((0, 10**9) for _ in itertools.count())
    waited = itertools.accumulate(losses)
    rounds = itertools.count()

    def every_other() -> int:
        # asked twice a round: the second answer differs in every other round
        asked = next(rounds)
        return next(waited) if asked % 4 in (1, 2) else 0

    monkeypatch.setattr(protocol, "waited_ns", every_other)
    timed = interleave({"a": int}, seed=0, plan=QUICK)
    assert timed.contended is None
    assert len(timed.samples["a"].blocks) >= QUICK.min_rounds


def test_a_comparison_that_was_disturbed_all_the_time_says_so(monkeypatch):
    """Its figures are there for reading, with the reason why they are not to be trusted."""
    ever_more = itertools.count(step=10**12)
    monkeypatch.setattr(protocol, "waited_ns", lambda: next(ever_more))
    timed = interleave({"a": int}, seed=0, plan=QUICK)
    rounds = len(timed.samples["a"].blocks)
    assert timed.contended == f"other work took the processor in {rounds} of {rounds} rounds"


def test_garbage_is_collected_again_afterwards():
    """Even when a call raises."""
    import gc

    with pytest.raises(ZeroDivisionError):
        interleave({"a": lambda: 1 / 0}, seed=0)
    assert gc.isenabled()


def test_one_call_gives_its_duration_and_its_result():
    """Session creation and first run are timed once."""
    duration_ns, result = time_once(lambda: time.sleep(0.002) or "done")
    assert duration_ns >= 2_000_000
    assert result == "done"


def test_a_round_counts_by_the_median_of_its_block():
    """One slow run in a block is no slow block."""
    samples = Samples(((1, 2, 900), (4, 4, 4)))
    assert samples.per_round.tolist() == [2.0, 4.0]
    assert samples.runs == (1, 2, 900, 4, 4, 4)
