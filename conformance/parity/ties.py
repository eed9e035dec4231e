"""Rows that differ although the conversion is right: both answers are as good as exact.

Two kinds are known. A tree compares a value with a threshold; where they are within one
float32 ulp of each other, float32 may take the other branch, and the answer differs by a whole
leaf. A label is the best of some scores; where the two best are closer than the accepted error
of the scores, either may come out on top. Such rows are set aside, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from conformance.parity.answers import Answers, Finding, Flips, Float64Array, Mask, Ties, as_float64

#: A split decided by no more than this, in float32 ulps, may go either way.
_SPLIT_ULPS = 1.0
#: Share of the rows that may be set aside, and at least one. Ties are rare where inputs are
#: drawn: more of them means that the margins are wrong, or that the inputs prove too little.
_LARGEST_SHARE = 0.1
#: Where a single score tips over: decision functions at 0, probabilities at one half.
_TIPPING_POINTS = (0.0, 0.5)
#: One class says nothing about how labels are chosen.
_FEWEST_CLASSES = 2


def split_margins(answers: Answers) -> Float64Array | None:
    """Margins of the pooled rows in float32 ulps, or None where the source knows none.

    Raises:
        ValueError: when there is not one margin per row.
    """
    if answers.margins is None:
        return None
    margins = np.concatenate([as_float64(array) for array in answers.margins])
    if [len(array) for array in answers.margins] != answers.rows or margins.ndim != 1:
        shapes = [array.shape for array in answers.margins]
        raise ValueError(f"margins of output '{answers.name}' have shapes {shapes}: not one a row")
    return margins


def undecided(answers: Answers) -> Mask:
    """Pooled rows that a float32 ulp may decide otherwise, whether they differ or not."""
    margins = split_margins(answers)
    return np.zeros(sum(answers.rows), bool) if margins is None else margins <= _SPLIT_ULPS


def ties_among(answers: Answers, differing: Mask, flips: Flips | None = None) -> Ties:
    """Which of the rows that differ are ties.

    Args:
        answers: the output.
        differing: pooled rows that hold an element which is not accepted.
        flips: of an output of labels, what the scores say about them.
    """
    at_splits = differing & undecided(answers)
    aside = at_splits if flips is None else at_splits | (differing & flips.tied)
    count, rows = int(np.count_nonzero(aside)), len(aside)
    # of a single row nothing would be left to compare
    accepted = min(max(1, int(rows * _LARGEST_SHARE)), rows - 1)
    if count <= accepted:
        return Ties(aside, at_splits, flips, None)
    too_many = (
        f"{count} of {rows} rows differ where either answer is as good as exact, "
        f"more than the {accepted} that may be set aside"
    )
    return Ties(np.zeros_like(aside), at_splits, flips, too_many)


def flips_of(labels: Answers, findings: Sequence[Finding]) -> Flips | None:
    """Hold an output of labels against the scores that it is chosen from.

    Scores belong to labels when, on every row whose best score is clear, the source gives one
    label for each class and one class for each label. The best is the largest, for distances
    the smallest; a single score chooses between two classes at 0 or at one half.

    Args:
        labels: an output that is compared exactly.
        findings: of the float outputs.

    Returns:
        None when the output is not one label per row, or no scores explain it.
    """
    if any(len(a) != a.size for a in labels.source if a.ndim) or not labels.source[0].ndim:
        return None
    source, actual = _codes(labels)
    for finding in findings:
        if finding.accepted is None or finding.answers.rows != labels.rows:
            continue
        for values, accepted in _readings(finding):
            class_codes = _label_of_class(values, accepted, source)
            if class_codes is not None:
                limit = finding.result.limit or 0.0
                leads, tied = _judge(values, accepted, class_codes, (source, actual))
                return Flips(finding.answers.name, limit, source != actual, leads, tied)
    return None


def _codes(labels: Answers) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The source's and the model's labels as numbers, equal where the labels are."""
    both = np.concatenate([array.ravel() for array in (*labels.source, *labels.actual)])
    _, codes = np.unique(both, return_inverse=True)
    half = len(codes) // 2
    return codes[:half], codes[half:]


def _readings(finding: Finding) -> Iterator[tuple[Float64Array, Float64Array]]:
    """Ways to read an output as scores ``[rows, classes]``, the best largest, with their error."""
    wanted, accepted = finding.answers.wanted, finding.accepted or []
    if wanted[0].ndim not in (1, 2) or len({array.shape[1:] for array in wanted}) != 1:
        return
    values = np.concatenate([as_float64(a).reshape(len(a), *a.shape[1:] or (1,)) for a in wanted])
    errors = np.concatenate([a.reshape(len(a), *a.shape[1:] or (1,)) for a in accepted])
    if values.shape[1] > 1:
        yield values, errors
        yield -values, errors
    elif values.shape[1] == 1:
        for point in _TIPPING_POINTS:
            exact = np.zeros_like(errors)
            yield np.hstack([np.full_like(values, point), values]), np.hstack([exact, errors])


def _label_of_class(
    values: Float64Array, accepted: Float64Array, labels: NDArray[np.intp]
) -> NDArray[np.intp] | None:
    """The label of each class, -1 where it is not known; None when these are not its scores."""
    best = values.argmax(axis=1)
    rows = np.arange(len(values))
    rivals = values + accepted
    rivals[rows, best] = -np.inf
    clear = (values - accepted)[rows, best] > rivals.max(axis=1)
    of_class = np.full(values.shape[1], -1)
    of_class[best[clear]] = labels[clear]
    known = of_class[of_class >= 0]
    consistent = np.array_equal(of_class[best[clear]], labels[clear])
    if not consistent or not _FEWEST_CLASSES <= len(known) == len(np.unique(known)):
        return None
    return of_class


def _judge(
    values: Float64Array,
    accepted: Float64Array,
    of_class: NDArray[np.intp],
    labels: tuple[NDArray[np.intp], NDArray[np.intp]],
) -> tuple[Float64Array, Mask]:
    """Lead of the source's best class over what the model chose, and whether it is a tie."""
    source, actual = labels
    leads, tied = np.zeros(len(values)), np.zeros(len(values), dtype=bool)
    rows = np.flatnonzero(source != actual)
    values, accepted = values[rows], accepted[rows]
    lowest = (values - accepted).max(axis=1, initial=-np.inf)
    tied[rows] = True
    for labelled in (source[rows], actual[rows]):
        # a label that no clear row has may belong to any class that no clear row has
        unknown = ~np.isin(labelled, of_class)
        fits = (of_class == labelled[:, None]) | ((of_class < 0) & unknown[:, None])
        tied[rows] &= np.where(fits, values + accepted, -np.inf).max(axis=1) >= lowest
        leads[rows] = values.max(axis=1) - np.where(fits, values, -np.inf).max(axis=1)
    return leads, tied
