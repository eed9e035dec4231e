"""The forms in which a converted model is shipped, and what each of them may cost in accuracy.

Importing this loads nothing but the catalogue; :mod:`conformance.variants.derive` makes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from conformance.model import BASE
from conformance.requirements import missing_distributions


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a lossy variant may lose against its source."""

    #: Least signal-to-noise ratio of each float output, in dB.
    min_snr_db: float
    #: Least share of decisions, and of elements that are no floats, that stay what they were; of
    #: few, one may differ unless it is 1.
    min_agreement: float


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to change a converted model."""

    name: str
    #: Distributions that make it: they have to be installed, and their versions are in its key.
    distributions: tuple[str, ...] = ()
    #: Settings of the tool that are no part of its code here.
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    #: What it may lose where an entry does not say; ``None`` where the tolerance rule holds.
    allowance: Allowance | None = None
    #: Whether what comes out depends on the instruction sets of the machine.
    by_hardware: bool = False
    #: Whether ranges are measured on calibration data.
    calibrated: bool = False

    @property
    def lossy(self) -> bool:
        """Whether it computes with fewer bits than its source, and so has a budget."""
        return self.allowance is not None


_ORT = ("onnxruntime",)
#: By name, in the order of the documentation. ``docs/variants.md`` says how the allowances were
#: measured.
VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant(BASE),
        Variant("optimized-onnxslim", ("onnxslim",)),
        Variant("optimized-onnxscript", ("onnxscript", "onnx-ir")),
        Variant("optimized-ort", (*_ORT, "sympy")),
        Variant("fp16", _ORT, allowance=Allowance(50.0, 0.99)),
        Variant("bf16", ("ml-dtypes",), allowance=Allowance(30.0, 0.95)),
        Variant("int8-dynamic", _ORT, allowance=Allowance(20.0, 0.9), by_hardware=True),
        Variant(
            "int8-static",
            _ORT,
            allowance=Allowance(20.0, 0.9),
            by_hardware=True,
            calibrated=True,
        ),
        Variant(
            "int4",
            (*_ORT, "onnx-ir", "ml-dtypes"),
            {"block_size": 32},
            Allowance(10.0, 0.8),
            by_hardware=True,
        ),
    )
}


def allowance_of(
    name: str, *, min_snr_db: float | None = None, min_agreement: float | None = None
) -> Allowance | None:
    """What a variant may lose, the entry's own figures in place of the default ones.

    Args:
        name: of the variant.
        min_snr_db: of the entry, if it has one.
        min_agreement: of the entry, if it has one.

    Returns:
        ``None`` where nothing may be lost: the tolerance rule holds as for the base.
    """
    known = VARIANTS.get(name)
    if known is None or known.allowance is None:
        return None
    return Allowance(
        known.allowance.min_snr_db if min_snr_db is None else min_snr_db,
        known.allowance.min_agreement if min_agreement is None else min_agreement,
    )


def is_lossy(name: str) -> bool:
    """Whether a variant of this name has a budget instead of a tolerance."""
    known = VARIANTS.get(name)
    return known is not None and known.lossy


def missing_for(name: str) -> str | None:
    """What must be installed before a variant can be made, as a sentence; None if nothing."""
    known = VARIANTS.get(name)
    return None if known is None else missing_distributions(known.distributions)
