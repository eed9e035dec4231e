"""The work of one process: a bundle's model is timed on one provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from conformance import latency, runtime
from conformance.bundle import Bundle, read_bundle
from conformance.entry import ZooEntry
from conformance.errors import CorruptBundle, SessionError
from conformance.evidence import LatencyResult, Ratio
from conformance.execution.progress import Progress
from conformance.latency import YARDSTICK
from conformance.machine import hardware_class, latency_software
from conformance.measuring.comparison import Comparison
from conformance.measuring.earlier import Earlier, comparable
from conformance.measuring.subject import EARLIER, MODEL, Subject, creation_times
from conformance.model import Stage, from_json, to_json

#: Half-width of a latency's 95% interval, relative, above which it is no figure to compare.
_MAX_HALF_WIDTH = 0.05
#: Samples that a record keeps.
_KEPT_SAMPLES = 200
#: Of a model that is timed beside the yardstick alone.
_ALONE_PLAN = latency.Plan(budget_ns=80_000_000, precision=0.015)


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
    model = Subject(bundle.model_path, provider, entry.latency.threads, feeds)
    progress.enter(Stage.LATENCY)
    with latency.PeakMemory() as memory:
        create_ns, session = model.session()
        first_run_ns, _ = latency.time_once(model.call(session))
    given = payload.get("earlier")
    earlier = comparable(from_json(Earlier, given) if given else None, entry)
    other = _earlier_subject(earlier, model)
    creations = creation_times([model, other] if other else [model])
    calls = {MODEL: model.call(session), YARDSTICK: latency.yardstick()}
    if other is not None:
        calls[EARLIER] = other.call(other.session()[1])
    timed = latency.interleave(calls, seed=0, plan=_ALONE_PLAN if other is None else None)
    samples = timed.samples
    runs = samples[MODEL].runs
    create_ns = int(np.median([create_ns, *creations[0]]))
    in_yardsticks = latency.ratio_of(latency.log_ratios(samples[MODEL], samples[YARDSTICK]))
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
        found = Comparison(earlier, entry, result)
        result = replace(
            result,
            baseline=found.by_yardstick(model, samples)
            if other is None
            else found.paired(model, other, samples, creations),
        )
    return {"latency": to_json(result)}


def _earlier_subject(earlier: Earlier | None, model: Subject) -> Subject | None:
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


def _scattered(ratio: Ratio) -> str | None:
    half_width = (ratio.high - ratio.low) / 2 / ratio.value
    if half_width <= _MAX_HALF_WIDTH:
        return None
    return f"the 95% interval of the median is as wide as ±{half_width:.0%}"
