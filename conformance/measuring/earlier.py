"""A case's latency in an earlier run, and whether it still says something."""

from __future__ import annotations

from dataclasses import dataclass, replace

from conformance.entry import ZooEntry
from conformance.evidence import BaselineLatency, LatencyResult, Ratio
from conformance.machine import hardware_class, latency_software


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


def comparable(earlier: Earlier | None, entry: ZooEntry) -> Earlier | None:
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
