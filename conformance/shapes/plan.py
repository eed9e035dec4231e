"""Which other shapes a model is asked for: every dynamic axis on its own, at telling sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from conformance.bundle import ProbeInfo
from conformance.entry import ZooEntry
from conformance.errors import InputsError
from conformance.inputs import generate
from conformance.shapes.padding import padding_masks, tidy_masks, unpadded_rows
from conformance.tensors import Arrays

#: "Large" is this many times the largest size of the input sets, or the next fewer times ...
_LARGE = (4, 3, 2)
#: ... with which the inputs of a probe have at most this many elements together.
_MOST_ELEMENTS = 1 << 20


@dataclass(frozen=True, slots=True)
class DynamicAxis:
    """An axis by its name, and where it is found: input names and axis numbers."""

    name: str
    places: tuple[tuple[str, int], ...]

    def size(self, feeds: Arrays) -> int:
        """The size that the axis has in an input set.

        Raises:
            InputsError: when it has several.
        """
        sizes = {int(feeds[name].shape[number]) for name, number in self.places}
        if len(sizes) > 1:
            where = ", ".join(f"axis {number} of '{name}'" for name, number in self.places)
            raise InputsError(
                f"dynamic axis '{self.name}' has sizes {sorted(sizes)} in one input set ({where}): "
                "axes that may differ in size need names of their own"
            )
        return sizes.pop()

    def elements(self, feeds: Arrays, size: int) -> int:
        """Elements of all inputs together, if the axis had another size."""
        shapes = {name: list(array.shape) for name, array in feeds.items()}
        for name, number in self.places:
            shapes[name][number] = size
        return sum(math.prod(shape) for shape in shapes.values())


def dynamic_axes(named: Mapping[str, Mapping[int, str]]) -> list[DynamicAxis]:
    """The axes of :meth:`ZooEntry.dynamic_axes`, each once, as they first appear."""
    found: dict[str, list[tuple[str, int]]] = {}
    for name, axes in named.items():
        for number, axis in sorted(axes.items()):
            found.setdefault(axis, []).append((name, number))
    return [DynamicAxis(axis, tuple(places)) for axis, places in found.items()]


def plan_probes(
    entry: ZooEntry, sets: Sequence[Arrays], seed: int
) -> list[tuple[ProbeInfo, Arrays]]:
    """The probes of an entry, with what the source is to be asked.

    Each dynamic axis is tried at 0, at 1, at a size that is in no input set and at a large
    one, all other axes as traced; the traced size itself is data set 0 and no probe. Rows
    of data set 0 that hold padding are asked for once more without it.

    Args:
        entry: whose dynamic axes are tried.
        sets: its input sets; the first is the one that is traced.
        seed: of the run, with which generated inputs are drawn.

    Raises:
        InputsError: when one axis name stands for several sizes in one input set.
    """
    traced, named = sets[0], entry.dynamic_axes()
    masks = padding_masks(entry, traced)
    probes = []
    for number, axis in enumerate(dynamic_axes(named)):
        folder = axis.name if axis.name.isidentifier() else f"axis_{number}"
        for size in _sizes(axis, sets):
            info = ProbeInfo(f"{folder}-{size}", "size", axis.name, size)
            feeds = _generated(entry, axis, size, seed)
            if feeds is None:
                feeds = tidy_masks(masks, _repeated(traced, axis, size), axis.name)
            probes.append((info, feeds))
    for number, mask in enumerate(masks):
        for row, real, feeds in unpadded_rows(mask, named, traced):
            name = f"unpadded-{number}-row-{row}"
            info = ProbeInfo(name, "unpadded", mask.axis, real, mask=mask.name, row=row)
            probes.append((info, feeds))
    return probes


def _sizes(axis: DynamicAxis, sets: Sequence[Arrays]) -> list[int]:
    """The sizes to try, smallest first, without the traced one."""
    seen = [axis.size(feeds) for feeds in sets]
    other = seen[0] + 1 if seen[0] + 1 not in seen else max(seen) + 1
    large = next(
        (
            size
            for size in (factor * max(seen) for factor in _LARGE)
            if size > other and axis.elements(sets[0], size) <= _MOST_ELEMENTS
        ),
        other,
    )
    return sorted({0, 1, other, large} - {seen[0]})


def _generated(entry: ZooEntry, axis: DynamicAxis, size: int, seed: int) -> Arrays | None:
    """Inputs drawn at another size; None where the entry's inputs are not drawn by its sizes."""
    inputs = entry.inputs
    if inputs.spec is None or not inputs.sets or axis.name not in inputs.sets[0]:
        return None
    return generate(inputs.spec, {**inputs.sets[0], axis.name: size}, seed)


def _repeated(traced: Arrays, axis: DynamicAxis, size: int) -> Arrays:
    """The traced inputs, cut along an axis or repeated from their beginning on."""
    feeds = dict(traced)
    repeats = np.arange(size) % max(axis.size(traced), 1)
    for name, number in axis.places:
        array = feeds[name]
        if not array.shape[number]:
            # traced without elements: nothing to repeat
            array = np.zeros([n or 1 for n in array.shape], array.dtype)
        feeds[name] = np.take(array, repeats, axis=number)
    return feeds
