"""A model's latency against that of an earlier run: beside its model, or by the yardstick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance import latency
from conformance.entry import ZooEntry
from conformance.evidence import BaselineLatency, LatencyResult, Ratio
from conformance.latency import YARDSTICK
from conformance.measuring.earlier import Earlier
from conformance.measuring.subject import EARLIER, MODEL, Subject

#: Pairs of fresh sessions that have to confirm that a model became slower or faster.
_CONFIRMATIONS = 6


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of a model with itself as it was; what looks different has to prove it once more."""

    earlier: Earlier
    entry: ZooEntry
    result: LatencyResult

    def paired(
        self,
        model: Subject,
        other: Subject,
        samples: Mapping[str, latency.Samples],
        creations: Sequence[Sequence[int]],
    ) -> BaselineLatency:
        """By the earlier model, timed in the same process."""
        first = latency.log_ratios(samples[MODEL], samples[EARLIER])
        session_ratio = float(np.median(creations[0]) / np.median(creations[1]))
        found = self._found("paired", latency.ratio_of(first), session_ratio)
        if found.slower or found.faster:
            looks = [_look({MODEL: model, EARLIER: other}, n) for n in range(_CONFIRMATIONS)]
            found = self._found("paired", latency.pooled([first, *looks]), session_ratio)
        return found

    def by_yardstick(
        self, model: Subject, samples: Mapping[str, latency.Samples]
    ) -> BaselineLatency | None:
        """By the figures of then, both in yardsticks."""
        then, now = self.earlier.latency, self.result
        if then.yardstick is None or now.yardstick is None:
            return None
        if then.yardstick_name != now.yardstick_name:
            return None
        session_ratio = (now.session_create_ns / then.session_create_ns) * (
            then.median_ns / then.yardstick.value / (now.median_ns / now.yardstick.value)
        )
        ratio = _quotient(now.yardstick, then.yardstick)
        found = self._found("yardstick", ratio, session_ratio)
        if found.slower or found.faster:
            first = latency.log_ratios(samples[MODEL], samples[YARDSTICK])
            looks = [_look({MODEL: model}, number) for number in range(_CONFIRMATIONS)]
            ratio = _quotient(latency.pooled([first, *looks]), then.yardstick)
            found = self._found("yardstick", ratio, session_ratio)
        return found

    def _found(self, how: Any, ratio: Ratio, session_ratio: float) -> BaselineLatency:
        terms = self.entry.latency
        return BaselineLatency(
            run=self.earlier.run,
            how=how,
            ratio=ratio,
            session_ratio=session_ratio,
            threshold=terms.regression,
            certain=terms.certain,
        )


def _look(subjects: Mapping[str, Subject], number: int) -> np.ndarray:
    """Logarithms of ratios to the second subject, or the yardstick, with fresh sessions.

    Args:
        subjects: one or two, by name; their sessions are created in either order by turns.
        number: of the look.
    """
    order = list(subjects)[:: 1 if number % 2 else -1]
    sessions = {name: subjects[name].session()[1] for name in order}
    calls = {name: subject.call(sessions[name]) for name, subject in subjects.items()}
    if len(calls) == 1:
        calls[YARDSTICK] = latency.yardstick()
    model, other = latency.interleave(calls, seed=number + 1).samples.values()
    return latency.log_ratios(model, other)


def _quotient(numerator: Ratio, denominator: Ratio) -> Ratio:
    """Ratio of two ratios of different runs, with the widest interval that they allow."""
    return Ratio(
        numerator.value / denominator.value,
        numerator.low / denominator.high,
        numerator.high / denominator.low,
        min(numerator.rounds, denominator.rounds),
    )
