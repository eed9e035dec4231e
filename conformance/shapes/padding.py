"""Padding: which inputs mask it, and what a row is without it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from conformance.entry import ZooEntry
from conformance.tensors import Arrays

#: Rows of data set 0 that are tried without their padding.
_ROWS = 2
_RANK = 2


@dataclass(frozen=True, slots=True)
class PaddingMask:
    """An input ``[rows, positions]`` that is zero, or false, where there is only padding."""

    name: str
    #: Name of the axis of positions.
    axis: str
    #: Whether rows begin with their padding instead of ending with it.
    left: bool


def padding_masks(entry: ZooEntry, feeds: Arrays) -> list[PaddingMask]:
    """The inputs that mask padding along a dynamic axis.

    A mask is drawn as one (``fill: mask``) or called ``mask`` or ``...attention_mask``, and
    each of its rows is ones followed by zeros, or each is zeros followed by ones.
    """
    dynamic, found = entry.dynamic_axes(), []
    for name, array in feeds.items():
        axes = dynamic.get(name, {})
        if array.ndim != _RANK or 1 not in axes or not _is_mask(entry, name, array):
            continue
        real, positions = array != 0, np.arange(array.shape[1])
        lengths = real.sum(axis=1, keepdims=True)
        if (real == (positions < lengths)).all():
            found.append(PaddingMask(name, axes[1], left=False))
        elif (real == (positions >= array.shape[1] - lengths)).all():
            found.append(PaddingMask(name, axes[1], left=True))
    return found


def _is_mask(entry: ZooEntry, name: str, array: np.ndarray) -> bool:
    spec = (entry.inputs.spec or {}).get(name)
    if spec is not None and spec.fill in ("mask", "left_mask"):
        return True
    return array.dtype.kind in "iub" and (name == "mask" or name.endswith("attention_mask"))


def tidy_masks(masks: Sequence[PaddingMask], feeds: Arrays, axis: str) -> Arrays:
    """The feeds, with masks whose rows were repeated along ``axis`` in one piece again."""
    tidy = dict(feeds)
    for mask in masks:
        if mask.axis == axis:
            ascending = np.sort(feeds[mask.name], axis=1)
            # torch takes no array of negative strides
            tidy[mask.name] = ascending if mask.left else ascending[:, ::-1].copy()
    return tidy


def unpadded_rows(
    mask: PaddingMask, dynamic: Mapping[str, Mapping[int, str]], feeds: Arrays
) -> Iterator[tuple[int, int, Arrays]]:
    """A few rows that hold padding, each alone and without it.

    Yields:
        The row, its real length, and the inputs of batch 1 cut to that length along every
        axis of the mask's name. Nothing where the rows of the mask are a fixed number of
        several, or where no output could tell rows from positions.
    """
    array = feeds[mask.name]
    rows, length = array.shape
    batch = dynamic[mask.name].get(0)
    if (batch is None and rows != 1) or batch == mask.axis:
        return
    found = 0
    for row in range(rows):
        positions = real_positions(array, row)
        ambiguous = rows == length and len(positions) == 1
        if not 0 < len(positions) < length or ambiguous:
            continue
        yield row, len(positions), _row(feeds, dynamic, (batch, row), (mask.axis, positions))
        found += 1
        if found == _ROWS:
            return


def real_positions(mask: np.ndarray, row: int) -> np.ndarray:
    """Positions of a row that are no padding, int64 ``[real length]``."""
    return np.flatnonzero(mask[row] != 0)


def _row(
    feeds: Arrays,
    dynamic: Mapping[str, Mapping[int, str]],
    row: tuple[str | None, int],
    positions: tuple[str, np.ndarray],
) -> Arrays:
    """One row of every input that has such rows, cut to the positions where it has such."""
    cut = dict(feeds)
    for name, axes in dynamic.items():
        for number, axis in axes.items():
            if axis == positions[0]:
                cut[name] = np.take(cut[name], positions[1], axis=number)
            elif axis == row[0]:
                cut[name] = np.take(cut[name], [row[1]], axis=number)
    return cut
