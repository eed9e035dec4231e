"""What a model takes, as far as it tells by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from conformance.entry import TensorSpec

#: Sizes of a dynamic axis in three input sets; the first is traced. No two axes have the same
#: size in it, and none has size 1: torch.export would take one for the other, or for a constant.
SIZES: tuple[tuple[int, int, int], ...] = ((2, 3, 5), (9, 16, 4), (7, 12, 11), (6, 10, 13))


@dataclass(frozen=True, slots=True)
class Signature:
    """Inputs of a model, and sizes for their dynamic axes."""

    #: By name, in the model's order; a name in a shape stands for a dynamic axis.
    inputs: dict[str, TensorSpec]
    #: Axis name to its size in each input set.
    sizes: dict[str, tuple[int, ...]]
    task: str | None = None
    #: What its configuration calls it, such as ``bert``.
    model_type: str | None = None
    #: What was taken for granted, one sentence each.
    told: tuple[str, ...] = ()
    #: Exporter that reads such a model, where the framework's first does not.
    exporter: str | None = None
    #: Parameters that the exporter needs.
    conversion: dict[str, str] = field(default_factory=dict)


def axes_of(inputs: Mapping[str, TensorSpec]) -> list[str]:
    """Names of the dynamic axes, in order of appearance."""
    found = [size for spec in inputs.values() for size in spec.shape if isinstance(size, str)]
    return list(dict.fromkeys(found))


def default_sizes(inputs: Mapping[str, TensorSpec]) -> dict[str, tuple[int, ...]]:
    """Sizes for the axes of inputs about which nothing else is known."""
    return {
        axis: SIZES[number] if number < len(SIZES) else (14 + number, 19 + number, 3 + number)
        for number, axis in enumerate(axes_of(inputs))
    }


def input_sets(sizes: Mapping[str, tuple[int, ...]]) -> list[dict[str, int]]:
    """One mapping of axis to size per input set; an axis with fewer sizes starts over."""
    count = max((len(given) for given in sizes.values()), default=0)
    return [
        {axis: given[number % len(given)] for axis, given in sizes.items()}
        for number in range(count)
    ]
