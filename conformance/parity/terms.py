"""By which terms the outputs of a case are judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from conformance.bundle import BundleManifest
from conformance.entry import Tolerance, ZooEntry
from conformance.evidence import Noise
from conformance.variants import Allowance, allowance_of


@dataclass(frozen=True, slots=True)
class Terms:
    """What is accepted of a case, and what is known of its source."""

    tolerance: Tolerance
    #: Why there is no fp64 reference; ``None`` where there is one.
    fp64_unavailable: str | None = None
    #: Output name to the source's rounding noise over further input sets.
    noise: Mapping[str, Noise] = field(default_factory=dict)
    #: Output name to why it may be constant.
    constant: Mapping[str, str] = field(default_factory=dict)
    #: What the model is for, as the zoo says: decides which decisions are compared.
    task: str | None = None
    #: What a lossy variant may lose; ``None`` where :attr:`tolerance` is what decides.
    budget: Allowance | None = None


def terms_for(entry: ZooEntry, manifest: BundleManifest) -> Terms:
    """The terms of a case.

    Args:
        entry: as the zoo has it today; what it accepts may be newer than the bundle.
        manifest: of the bundle, which knows what its source could do.
    """
    return Terms(
        tolerance=entry.tolerance,
        fp64_unavailable=manifest.fp64_unavailable,
        noise=manifest.noise,
        constant=entry.constant_outputs,
        task=entry.task,
        budget=_budget(entry, manifest.case.variant),
    )


def _budget(entry: ZooEntry, variant: str) -> Allowance | None:
    own = entry.budgets.get(variant)
    if own is None:
        return allowance_of(variant)
    return allowance_of(variant, min_snr_db=own.min_snr_db, min_agreement=own.min_agreement)
