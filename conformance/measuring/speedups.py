"""A model in alternation with what it was made of: its source, or the base of a variant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from conformance import latency
from conformance.errors import ProviderAbsent, SessionError
from conformance.evidence import Ratio
from conformance.measuring.subject import BASE, MODEL, SOURCE, Subject
from conformance.tensors import Arrays

#: How many times as fast as its source a model is decides nothing, and every conversion pays
#: for it: 2% is close enough. Of five rounds, the lowest and the highest hold the median with
#: 94% (1 - 2 / 2^5), and a bootstrap of so few reaches to both.
_SOURCE_PLAN = latency.Plan(budget_ns=60_000_000, min_rounds=5, precision=0.02)


def against_source(
    source: Callable[[], object], model: Path, providers: Sequence[str], feeds: Arrays
) -> tuple[int, dict[str, Ratio]]:
    """Time the source, and the ONNX model in alternation with it, one thread each.

    Args:
        source: runs the source on ``feeds``.
        model: the ONNX file that came from it.
        providers: on which it is timed; those that are absent or refuse the model are left out.
        feeds: input name to array.

    Returns:
        Median of the source in nanoseconds, and by provider how many times as fast as the
        source the ONNX model is.
    """
    medians: list[int] = []
    speedups: dict[str, Ratio] = {}
    for provider in providers:
        subject = Subject(model, provider, 1, feeds)
        try:
            call = subject.call(subject.session()[1])
            call()
        except (ProviderAbsent, SessionError):
            continue  # reported by the stage that is about sessions
        calls = {MODEL: call, SOURCE: source}
        samples = latency.interleave(calls, seed=0, plan=_SOURCE_PLAN).samples
        medians.append(latency.quantile_ns(samples[SOURCE].runs, 0.5))
        speedups[provider] = latency.ratio_of(latency.log_ratios(samples[SOURCE], samples[MODEL]))
    if not medians:
        alone = latency.interleave({SOURCE: source}, seed=0, plan=_SOURCE_PLAN).samples
        medians.append(latency.quantile_ns(alone[SOURCE].runs, 0.5))
    return int(np.median(medians)), speedups


def against_base(
    base: Path, variant: Path, providers: Sequence[str], feeds: Arrays
) -> dict[str, Ratio]:
    """Time a variant in alternation with the model that it was made of, one thread each.

    Args:
        base: the ONNX file that the variant was made of.
        variant: the ONNX file of the variant.
        providers: on which they are timed; those that are absent or refuse either are left out.
        feeds: input name to array.

    Returns:
        By provider, how many times as fast as its base the variant is.
    """
    speedups: dict[str, Ratio] = {}
    for provider in providers:
        calls: dict[str, Callable[[], object]] = {}
        try:
            for name, model in ((MODEL, variant), (BASE, base)):
                subject = Subject(model, provider, 1, feeds)
                calls[name] = subject.call(subject.session()[1])
                calls[name]()
        except (ProviderAbsent, SessionError):
            continue  # reported by the stage that is about sessions
        samples = latency.interleave(calls, seed=0, plan=_SOURCE_PLAN).samples
        speedups[provider] = latency.ratio_of(latency.log_ratios(samples[BASE], samples[MODEL]))
    return speedups
