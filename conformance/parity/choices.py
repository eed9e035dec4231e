"""Choosing the best of some scores: on both sides alike, as a tie, or clearly otherwise.

If every score is within its accepted error, whatever the model chooses can be the source's
choice too: ``score + error`` of the one reaches ``score - error`` of the other. That is a tie.
A choice beyond it shows an error that is not accepted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conformance.parity.answers import Float64Array, Mask


@dataclass(frozen=True, slots=True)
class Choices:
    """Decisions of one kind, ``[decisions]`` each."""

    differs: Mask
    #: By how much the source's choice leads the model's, in the source's scores.
    leads: Float64Array
    #: Which of those that differ are within the accepted error.
    tied: Mask


def best(wanted: Float64Array, actual: Float64Array, accepted: Float64Array, k: int) -> Choices:
    """Compare the ``k`` best of each row, in any order.

    Args:
        wanted: the source's scores, ``[decisions, choices]``, more than ``k`` choices.
        actual: the model's, of the same shape.
        accepted: largest accepted error of each score, of the same shape.
        k: how many are chosen.
    """
    chosen = _largest(actual, k)
    leads = _kth(wanted, k) - np.take_along_axis(wanted, chosen, axis=1).min(axis=1)
    # one of two equal scores is another choice; five of six with two of them equal are not
    differs = chosen[:, 0] != wanted.argmax(axis=1) if k == 1 else leads > 0
    tied = np.zeros(len(leads), dtype=bool)
    rows = np.flatnonzero(differs)
    if rows.size:
        wanted, accepted, chosen = wanted[rows], accepted[rows], chosen[rows]
        reach = np.take_along_axis(wanted + accepted, chosen, axis=1).min(axis=1)
        tied[rows] = reach >= _kth(wanted - accepted, k)
    return Choices(differs, leads, tied)


def _largest(scores: Float64Array, k: int) -> NDArray[np.intp]:
    largest: NDArray[np.intp]
    if k == 1:
        largest = np.argmax(scores, axis=1, keepdims=True)
    else:
        largest = np.argpartition(scores, -k, axis=1)[:, -k:]
    return largest


def _kth(scores: Float64Array, k: int) -> Float64Array:
    """The k-th largest score of each row."""
    if k == 1:
        largest: Float64Array = scores.max(axis=1)
        return largest
    found: Float64Array = np.partition(scores, -k, axis=1)[:, -k]
    return found
