"""A variant beside the model that it was made of, in words."""

from __future__ import annotations

from collections.abc import Mapping

from conformance.evidence import Derivation
from conformance.model import BASE, CaseResult
from conformance.reporters.wording import compared, size, times, two_digits


def beside_base(case: CaseResult) -> str | None:
    """Size and speed beside it: ``26 % size, 1.8× speed``; None of a base."""  # noqa: RUF002
    if case.export is None or case.export.derivation is None:
        return None
    derivation = case.export.derivation
    text = f"{_share(derivation, case.export.size_bytes)} % size"
    ratio = derivation.speedups.get(case.provider or "")
    return text if ratio is None else f"{text}, {times(ratio.value)} speed"


def derivation_phrase(derivation: Derivation, size_bytes: int, provider: str | None) -> str:
    """In full: ``26 % of the size of fp32 (1.24 MB), 1.8x faster than fp32 [1.7, 1.9]``.

    Args:
        derivation: how the variant was made.
        size_bytes: of the variant.
        provider: on which the two are compared.
    """
    share = _share(derivation, size_bytes)
    text = f"{share} % of the size of {BASE} ({size(derivation.base_size_bytes)})"
    ratio = derivation.speedups.get(provider or "")
    return text if ratio is None else f"{text}, {compared(ratio, BASE, faster_above=True)}"


def op_counts(counts: Mapping[str, int]) -> str:
    """``4 Conv, 2 MatMul``: the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{number} {op}" for op, number in ordered)


def _share(derivation: Derivation, size_bytes: int) -> str:
    return two_digits(100 * size_bytes / derivation.base_size_bytes)
