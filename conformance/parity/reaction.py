"""Does an output react to its inputs, by more than the accepted error?

The judges are the answers to other inputs: of another input set, of another row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from conformance.parity.answers import Answers, Float64Array

#: Where two input sets overlap in fewer elements than this, agreement may be chance.
_FEW_ELEMENTS = 8
#: Agreement that is less likely than this is no chance.
_CHANCE = 0.01
#: That as many rows repeat another row's answer is no chance.
_REPEATS = 4


def unresponsive(answers: Answers, accepted: Sequence[Float64Array] | None) -> str | None:
    """Why an output does not react to its inputs, or None when it does.

    Args:
        answers: the output; what the model answered plays no part.
        accepted: the largest accepted error of each element per data set; a reaction within it
            could not be told from noise. None where answers must be equal.
    """
    wanted = answers.wanted
    if any(pair.refused for pair in _pairs(wanted, accepted)):
        return None if accepted is None else _reacts_to_shape_alone(answers, accepted)
    if _may_agree_by_chance(wanted) and _rows_react(answers, accepted):
        return None
    return _standing_still(wanted, accepted)


def moving(answers: Answers, accepted: Sequence[Float64Array] | None) -> str | None:
    """How an output that is declared constant reacts to its inputs, or None when it does not.

    Input sets of equal shapes count, and rows of one set: what is constant may still depend on
    the shape of its inputs. Where there are neither, all sets count.
    """
    wanted = answers.wanted
    pairs = list(_pairs(wanted, accepted))
    shapes = [{name: a.shape for name, a in feeds.items()} for feeds in answers.inputs]
    alike = [pair for pair in pairs if shapes[pair.sets[0]] == shapes[pair.sets[1]]]
    if alike or _asked_by_row(answers):
        moves = any(pair.refused for pair in alike) or _rows_react(answers, accepted)
    else:
        moves = any(pair.refused for pair in pairs)
    if not moves:
        return None
    return "over all inputs" if accepted is None else f"by {movement(wanted):.3g} over all inputs"


class _Pair(NamedTuple):
    """The part from the origin that two data sets share."""

    a: np.ndarray
    b: np.ndarray
    #: What is accepted of each element; None where answers must be equal.
    accepted: Float64Array | None
    #: The numbers of the two.
    sets: tuple[int, int]

    @property
    def refused(self) -> bool:
        """Whether one answer would be refused in place of the other."""
        return _refused(self.a, self.b, self.accepted)

    @property
    def distance(self) -> float:
        return float(np.max(np.abs(self.a - self.b)))


def _pairs(
    arrays: Sequence[np.ndarray], accepted: Sequence[Float64Array] | None = None
) -> Iterator[_Pair]:
    for i, j in combinations(range(len(arrays)), 2):
        a, b = arrays[i], arrays[j]
        if a.ndim != b.ndim:
            continue
        shared = tuple(slice(0, min(sizes)) for sizes in zip(a.shape, b.shape, strict=True))
        if a[shared].size:
            limit = None
            if accepted is not None:
                limit = np.maximum(accepted[i][shared], accepted[j][shared])
            yield _Pair(a[shared], b[shared], limit, (i, j))


def _refused(a: np.ndarray, b: np.ndarray, accepted: Float64Array | None) -> bool:
    if accepted is None:
        return bool((a != b).any())
    return bool((np.abs(a.astype(np.float64, copy=False) - b) > accepted).any())


def _may_agree_by_chance(arrays: Sequence[np.ndarray]) -> bool:
    """Whether answers that vary may be alike wherever the data sets overlap.

    Labels do that: of three data sets, all may begin with the same class.
    """
    shared = [(pair.a.size, len(pair.a)) for pair in _pairs(arrays) if pair.a.ndim]
    if not shared:
        return bool(arrays[0].ndim)
    elements, rows = max(shared)
    if elements >= _FEW_ELEMENTS:
        return False
    _, counts = np.unique(_all_rows(arrays), axis=0, return_counts=True)
    frequencies = counts / counts.sum()
    return float(np.sum(frequencies**2)) ** rows >= _CHANCE


def _all_rows(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The rows of all data sets, ``[rows, elements]``, cut to the narrowest."""
    parts = [a for a in arrays if a.size and a.ndim == arrays[0].ndim]
    widths = [min(sizes) for sizes in zip(*(a.shape[1:] for a in parts), strict=True)]
    crop = (slice(None), *(slice(0, width) for width in widths))
    rows = np.concatenate([a[crop].reshape(len(a), -1) for a in parts])
    # np.unique cannot sort rows of objects
    return rows.astype(str) if rows.dtype.kind == "O" else rows


def _asked_by_row(answers: Answers) -> bool:
    """Whether each row of the output answers a row of an input, on every data set."""
    return all(
        any(array.ndim and len(array) == rows for array in feeds.values())
        for feeds, rows in zip(answers.inputs, answers.rows, strict=True)
    )


def _rows_react(answers: Answers, accepted: Sequence[Float64Array] | None) -> bool:
    """Whether rows of one data set are answered differently."""
    return _asked_by_row(answers) and any(
        _refused(a, a[:1], None if accepted is None else np.maximum(accepted[i], accepted[i][:1]))
        for i, a in enumerate(answers.wanted)
        if a.ndim and a.size
    )


def _reacts_to_shape_alone(answers: Answers, accepted: Sequence[Float64Array]) -> str | None:
    """Why an output knows no more of its inputs than their shape, or None.

    The judge is the answer to another row of the same data set.
    """
    repeats = 0
    for i, (array, feeds) in enumerate(zip(answers.wanted, answers.inputs, strict=True)):
        if not array.ndim or not array.size or not _rows_differ(feeds, len(array)):
            continue
        if _refused(array, array[:1], np.maximum(accepted[i], accepted[i][:1])):
            return None
        repeats += len(array) - 1
    if repeats < _REPEATS:
        return None
    return (
        "all rows of a data set get the same answer, within the accepted error, whatever is asked: "
        "it reacts to the shape of the inputs alone"
    )


def _rows_differ(feeds: dict[str, np.ndarray], rows: int) -> bool:
    """Whether the inputs ask each row something of its own."""
    return any(
        array.ndim and len(array) == rows and bool((array != array[:1]).any())
        for array in feeds.values()
    )


def movement(arrays: Sequence[np.ndarray]) -> float:
    """Largest difference between two data sets, or else between two rows of one."""
    between = [pair.distance for pair in _pairs(arrays)]
    within = [float(np.max(np.abs(a - a[:1]))) for a in arrays if a.ndim and a.size]
    return max([*between, *within], default=0.0)


def _standing_still(wanted: Sequence[np.ndarray], accepted: Sequence[Float64Array] | None) -> str:
    if accepted is None:
        return "it is the same for all inputs"
    spread = max((pair.distance for pair in _pairs(wanted)), default=0.0)
    limit = max(float(np.max(a)) for a in accepted if a.size)
    return f"it moves by {spread:.3g} over all inputs, within the accepted error {limit:.3g}"
