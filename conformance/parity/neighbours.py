"""Nearest neighbours of embeddings by cosine, and how sure they are.

With an error of at most ``e_i`` in each element, a vector ``x`` may be off by ``|e|`` (the
Euclidean norm), which turns it by at most ``asin(|e| / |x|)``. The angle between two vectors
then changes by at most the sum of their turns, and the cosine by no more than the angle.
"""

from __future__ import annotations

import numpy as np

from conformance.parity.answers import Float64Array
from conformance.parity.choices import Choices

#: What computing a cosine in float64 may err by, for identical vectors in particular.
_ROUNDING = 1e-12
#: Rows that are compared at most, the first ones: the work grows with their square.
_MOST_ROWS = 2000


def nearest(wanted: Float64Array, actual: Float64Array, accepted: Float64Array) -> Choices:
    """Compare which other row is nearest to each row.

    Args:
        wanted: the source's embeddings, ``[rows, dim]``, at least two rows.
        actual: the model's.
        accepted: largest accepted error of each element, all ``[rows, dim]``.

    Returns:
        Leads in units of the cosine; up to 2000 rows.
    """
    wanted, actual, accepted = (a[:_MOST_ROWS] for a in (wanted, actual, accepted))
    rows = np.arange(len(wanted))
    cosines, others = _cosines(wanted), _cosines(actual)
    chosen = others.argmax(axis=1)
    first = cosines.argmax(axis=1)
    leads = cosines[rows, first] - cosines[rows, chosen]
    turns = _largest_turn(wanted, accepted)
    # the row itself turns once for either neighbour
    tied = leads <= 2 * turns + turns[first] + turns[chosen] + _ROUNDING
    # identical embeddings are one neighbour
    return Choices((chosen != first) & (leads > _ROUNDING), leads, tied)


def _cosines(vectors: Float64Array) -> Float64Array:
    """Cosine of every row to every other, -2 to itself: less than to any."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    cosines: Float64Array = units @ units.T
    np.fill_diagonal(cosines, -2.0)
    return cosines


def _largest_turn(vectors: Float64Array, accepted: Float64Array) -> Float64Array:
    """Angle in radians by which each row may turn."""
    norms, errors = np.linalg.norm(vectors, axis=1), np.linalg.norm(accepted, axis=1)
    turned = np.divide(errors, norms, out=np.ones_like(norms), where=norms > errors)
    turns: Float64Array = np.where(norms > errors, np.arcsin(turned), np.pi)
    return turns
