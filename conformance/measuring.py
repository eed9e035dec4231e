"""Timing a bundle's model: alone, against an earlier run's model, and against its source.

:func:`measure` is the work of one process, a target in the sense of
:mod:`conformance.execution.contract`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from conformance import latency, runtime
from conformance.bundle import Bundle, read_bundle
from conformance.entry import ZooEntry
from conformance.errors import CorruptBundle, ProviderAbsent, SessionError
from conformance.evidence import BaselineLatency, LatencyResult, Ratio
from conformance.execution.progress import Progress
from conformance.latency import YARDSTICK
from conformance.machine import hardware_class, latency_software
from conformance.model import Stage, from_json, to_json
from conformance.tensors import Arrays

_MODEL, _EARLIER, _SOURCE, _BASE = "model", "earlier model", "source", "base"
#: Pairs of fresh sessions that have to confirm that a model became slower or faster.
_CONFIRMATIONS = 6
#: Sessions are created anew, for their median, until this is spent, but at most so often.
_CREATION_BUDGET_NS = 40_000_000
_CREATIONS = 5
#: Half-width of a latency's 95% interval, relative, above which it is no figure to compare.
_MAX_HALF_WIDTH = 0.05
#: Samples that a record keeps.
_KEPT_SAMPLES = 200
#: How many times as fast as its source a model is decides nothing, and every conversion pays
#: for it: 2% is close enough. Of five rounds, the lowest and the highest hold the median with
#: 94% (1 - 2 / 2^5), and a bootstrap of so few reaches to both.
_ALONE_PLAN = latency.Plan(budget_ns=80_000_000, precision=0.015)
_SOURCE_PLAN = latency.Plan(budget_ns=60_000_000, min_rounds=5, precision=0.02)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is known of a case's latency in the run that it is compared with."""

    run: str
    latency: LatencyResult
    #: Key of the bundle that was timed then, and digest of its model, where they were kept.
    key: str | None
    model_digest: str | None
    #: The bundle's folder; ``None`` where it is gone, or holds the same model as now.
    bundle: str | None = None


def unchanged(earlier: Earlier, entry: ZooEntry, key: str) -> LatencyResult | None:
    """The latency of an earlier run, where it stands: nothing it depends on is another.

    To measure it again would take most of the time of a run in which nothing changed, and
    could only find the noise of the machine.

    Args:
        earlier: the case's latency then, undisturbed.
        entry: of the case now.
        key: of the bundle now; it covers model, inputs and seed.

    Returns:
        The figures, with the run that measured them; None where they have to be measured.
    """
    then = earlier.latency
    now = (key, hardware_class(), latency_software(), entry.latency.threads)
    if now != (earlier.key, then.hardware, then.software, then.intra_op_threads):
        return None
    if entry.options_of(then.provider) != then.provider_options:
        return None
    if then.software is None or not then.comparable:
        return None
    equal = BaselineLatency(
        run=earlier.run,
        how="unchanged",
        ratio=Ratio(1.0, 1.0, 1.0, 0),
        session_ratio=1.0,
        threshold=entry.latency.regression,
        certain=entry.latency.certain,
    )
    return replace(then, baseline=equal, measured_in=then.measured_in or earlier.run)


@dataclass(frozen=True, slots=True)
class _Subject:
    """A model that can be given as many sessions as are needed."""

    model: Path
    provider: str
    threads: int
    feeds: Arrays

    def session(self) -> tuple[int, Any]:
        """What creating a session took, in nanoseconds, and the session."""
        create = partial(
            runtime.create_session, self.model, self.provider, intra_op_threads=self.threads
        )
        return latency.time_once(create)

    def call(self, session: Any) -> Callable[[], object]:
        return partial(runtime.run, session, self.feeds)


@runtime.configured_by_entry
def measure(payload: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Time a bundle's model on one provider, on the traced inputs.

    Args:
        payload: ``bundle``, ``provider``, ``entry``; ``earlier``, an :class:`Earlier` or None;
            ``alone``, whether no other stage runs on the machine meanwhile.
        progress: told each stage.

    Returns:
        ``latency`` (a :class:`~conformance.evidence.LatencyResult`).

    Raises:
        ProviderAbsent, SessionError: when the model cannot run on the provider.
    """
    progress.enter(Stage.SESSION)
    provider = payload["provider"]
    runtime.require_provider(provider)
    bundle = read_bundle(Path(payload["bundle"]))
    entry = ZooEntry.model_validate(payload["entry"])
    feeds = next(bundle.data_sets()).inputs
    model = _Subject(bundle.model_path, provider, entry.latency.threads, feeds)
    progress.enter(Stage.LATENCY)
    with latency.PeakMemory() as memory:
        create_ns, session = model.session()
        first_run_ns, _ = latency.time_once(model.call(session))
    given = payload.get("earlier")
    earlier = _comparable(from_json(Earlier, given) if given else None, entry)
    other = _earlier_subject(earlier, model)
    creations = _creations([model, other] if other else [model])
    calls = {_MODEL: model.call(session), YARDSTICK: latency.yardstick()}
    if other is not None:
        calls[_EARLIER] = other.call(other.session()[1])
    timed = latency.interleave(calls, seed=0, plan=_ALONE_PLAN if other is None else None)
    samples = timed.samples
    runs = samples[_MODEL].runs
    create_ns = int(np.median([create_ns, *creations[0]]))
    in_yardsticks = latency.ratio_of(latency.log_ratios(samples[_MODEL], samples[YARDSTICK]))
    result = LatencyResult(
        provider=provider,
        median_ns=latency.quantile_ns(runs, 0.5),
        p95_ns=latency.quantile_ns(runs, 0.95),
        session_create_ns=create_ns,
        first_run_ns=first_run_ns,
        runs=len(runs),
        intra_op_threads=entry.latency.threads,
        source_median_ns=bundle.manifest.source_median_ns,
        speedup=bundle.manifest.speedups.get(provider),
        yardstick=in_yardsticks,
        yardstick_name=latency.yardstick_name(),
        hardware=hardware_class(),
        software=latency_software(),
        session_peak_bytes=memory.grown_bytes,
        contended=timed.contended if payload["alone"] else "other models were worked on meanwhile",
        unstable=_scattered(in_yardsticks),
        samples_ns=runs[:: -(-len(runs) // _KEPT_SAMPLES)],
        provider_options=entry.options_of(provider),
    )
    if earlier is not None:
        found = _Comparison(earlier, entry, result)
        result = replace(
            result,
            baseline=found.by_yardstick(model, samples)
            if other is None
            else found.paired(model, other, samples, creations),
        )
    return {"latency": to_json(result)}


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
        subject = _Subject(model, provider, 1, feeds)
        try:
            call = subject.call(subject.session()[1])
            call()
        except (ProviderAbsent, SessionError):
            continue  # reported by the stage that is about sessions
        calls = {_MODEL: call, _SOURCE: source}
        samples = latency.interleave(calls, seed=0, plan=_SOURCE_PLAN).samples
        medians.append(latency.quantile_ns(samples[_SOURCE].runs, 0.5))
        speedups[provider] = latency.ratio_of(latency.log_ratios(samples[_SOURCE], samples[_MODEL]))
    if not medians:
        alone = latency.interleave({_SOURCE: source}, seed=0, plan=_SOURCE_PLAN).samples
        medians.append(latency.quantile_ns(alone[_SOURCE].runs, 0.5))
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
            for name, model in ((_MODEL, variant), (_BASE, base)):
                subject = _Subject(model, provider, 1, feeds)
                calls[name] = subject.call(subject.session()[1])
                calls[name]()
        except (ProviderAbsent, SessionError):
            continue  # reported by the stage that is about sessions
        samples = latency.interleave(calls, seed=0, plan=_SOURCE_PLAN).samples
        speedups[provider] = latency.ratio_of(latency.log_ratios(samples[_BASE], samples[_MODEL]))
    return speedups


def _comparable(earlier: Earlier | None, entry: ZooEntry) -> Earlier | None:
    """Figures of other hardware, with other threads or options, say nothing about the model."""
    if earlier is None:
        return None
    then = earlier.latency
    same = (then.hardware, then.intra_op_threads, then.provider_options) == (
        hardware_class(),
        entry.latency.threads,
        entry.options_of(then.provider),
    )
    return earlier if same else None


def _earlier_subject(earlier: Earlier | None, model: _Subject) -> _Subject | None:
    """The earlier model, where it still runs on what the present one is given."""
    if earlier is None or earlier.bundle is None:
        return None
    try:
        bundle: Bundle = read_bundle(Path(earlier.bundle))
        subject = replace(model, model=bundle.model_path)
        subject.call(subject.session()[1])()
    except (CorruptBundle, SessionError):
        return None  # pruned meanwhile, or other inputs: the yardstick has to do
    return subject


def _creations(subjects: Sequence[_Subject]) -> list[list[int]]:
    """Durations of session creation in nanoseconds, one list a subject, in alternation."""
    taken: list[list[int]] = [[] for _ in subjects]
    spent_ns = 0
    for _ in range(_CREATIONS):
        for subject, own in zip(subjects, taken, strict=True):
            own.append(subject.session()[0])
            spent_ns += own[-1]
        if spent_ns > _CREATION_BUDGET_NS:
            break
    return taken


def _scattered(ratio: Ratio) -> str | None:
    half_width = (ratio.high - ratio.low) / 2 / ratio.value
    if half_width <= _MAX_HALF_WIDTH:
        return None
    return f"the 95% interval of the median is as wide as ±{half_width:.0%}"


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Of a model with itself as it was; what looks different has to prove it once more."""

    earlier: Earlier
    entry: ZooEntry
    result: LatencyResult

    def paired(
        self,
        model: _Subject,
        other: _Subject,
        samples: Mapping[str, latency.Samples],
        creations: Sequence[Sequence[int]],
    ) -> BaselineLatency:
        """By the earlier model, timed in the same process."""
        first = latency.log_ratios(samples[_MODEL], samples[_EARLIER])
        session_ratio = float(np.median(creations[0]) / np.median(creations[1]))
        found = self._found("paired", latency.ratio_of(first), session_ratio)
        if found.slower or found.faster:
            looks = [_look({_MODEL: model, _EARLIER: other}, n) for n in range(_CONFIRMATIONS)]
            found = self._found("paired", latency.pooled([first, *looks]), session_ratio)
        return found

    def by_yardstick(
        self, model: _Subject, samples: Mapping[str, latency.Samples]
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
            first = latency.log_ratios(samples[_MODEL], samples[YARDSTICK])
            looks = [_look({_MODEL: model}, number) for number in range(_CONFIRMATIONS)]
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


def _look(subjects: Mapping[str, _Subject], number: int) -> np.ndarray:
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
