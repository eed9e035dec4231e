"""Decisions that people take from outputs: are they the same on both sides?

Tensors within their limits cannot decide clearly otherwise, so a problem here comes with one
there; what decisions add is the meaning: nothing flipped, or what did, and how clear it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from conformance.evidence import DecisionParity
from conformance.parity.answers import Finding, Float64Array, as_float64
from conformance.parity.choices import Choices, best
from conformance.parity.neighbours import nearest
from conformance.parity.ties import split_margins

_LABEL_TASKS = (
    *("classification", "segmentation", "detection", "question-answering", "fill-mask"),
    *("text-generation", "text2text-generation", "summarization", "translation"),
    "speech-recognition",
)
_EMBEDDING_TASKS = ("feature-extraction", "sentence-similarity", "embedding")
_CLUSTERING = "clustering"
#: Outputs of scores are called so; where none is, every float output may be one.
_SCORE_NAMES = ("logit", "prob", "score", "predictions")
_DISTANCE = "distance"
_TOP = 5
#: With fewer choices, the five best are most of them.
_FEWEST_FOR_TOP = 10
#: With fewer rows, the nearest neighbour is no choice.
_FEWEST_NEIGHBOURS = 3


def compare_decisions(findings: Sequence[Finding], task: str | None) -> tuple[DecisionParity, ...]:
    """Compare the decisions that a task takes from its outputs.

    Args:
        findings: of all outputs, in order.
        task: what the model is for; without one, only labels with scores of their own and the
            splits of trees are compared.

    Raises:
        ValueError: when margins do not fit their output.
    """
    decisions: list[DecisionParity] = []
    for finding in findings:
        decisions += _of_splits(finding)
        decisions += _of_labels(finding, _is(task, (_CLUSTERING,)))
    # scores whose labels are an output have been judged by their labels
    labelled = {f.ties.flips.scores for f in findings if f.ties and f.ties.flips}
    floats = [finding for finding in findings if finding.accepted is not None]
    if _is(task, _LABEL_TASKS):
        for finding in _scores_among(floats):
            decisions += _of_scores(finding, task or "", labelled)
    elif _is(task, _EMBEDDING_TASKS):
        for finding in floats:
            decisions += _of_embeddings(finding)
    elif _is(task, (_CLUSTERING,)) and all(f.answers.is_float for f in findings):
        for finding in _scores_among(floats):
            decisions += _of_distances(finding)
    return tuple(decisions)


def _is(task: str | None, kinds: tuple[str, ...]) -> bool:
    return task is not None and any(kind in task for kind in kinds)


def _scores_among(floats: list[Finding]) -> list[Finding]:
    """Outputs that hold scores, by their names; where no name says so, all of them."""
    named = [f for f in floats if any(word in f.answers.name.lower() for word in _SCORE_NAMES)]
    return named or floats


def _of_splits(finding: Finding) -> Iterator[DecisionParity]:
    margins = split_margins(finding.answers)
    if margins is None or finding.ties is None:
        return
    name, flipped = finding.answers.name, finding.ties.at_splits
    count, total = int(np.count_nonzero(flipped)), len(flipped)
    if not count:
        yield DecisionParity("tree splits", name, total, total)
        return
    head, narrowest = f"tree splits of output '{name}'", float(margins[flipped].min())
    detail = (
        f"{head}: {count} of {total} rows differ where the source decided by at most "
        f"{float(margins[flipped].max()):.2g} float32 ulps"
    )
    problem = f"{head}: {finding.ties.too_many}" if finding.ties.too_many else None
    ties = 0 if problem else count
    yield DecisionParity(
        "tree splits", name, total - count, total, ties, narrowest, detail, problem
    )


def _of_labels(finding: Finding, clustering: bool) -> Iterator[DecisionParity]:  # noqa: FBT001 - a private choice of word
    """An output of labels, against the scores that it is chosen from."""
    kind = "clusters" if clustering else "label"
    answers, ties = finding.answers, finding.ties
    if ties is None or answers.is_float:
        return
    if ties.flips is not None:
        # a split that went the other way is told as such
        flipped = ties.flips.differs & ~ties.at_splits
        tied = ties.flips.tied & (ties.too_many is None)
        found = Choices(flipped, ties.flips.leads, tied)
        yield _decision(kind, answers.name, found, ties.flips.limit)
    elif clustering and answers.source[0].dtype.kind in "iu":
        # no scores say how clear a cluster is: one that differs is no tie
        pairs = zip(answers.source, answers.actual, strict=True)
        differs = np.concatenate([(want != got).ravel() for want, got in pairs])
        found = Choices(differs, np.full(len(differs), np.inf), np.zeros_like(differs))
        yield _decision(kind, answers.name, found, 0.0)


def _of_scores(finding: Finding, task: str, labelled: set[str]) -> Iterator[DecisionParity]:
    """The best, and the five best, of an output of scores."""
    shapes = [array.shape for array in finding.answers.wanted]
    axis = _class_axis(shapes, task)
    if axis is None:
        return
    name, limit = finding.answers.name, finding.result.limit or 0.0
    if name not in labelled:
        yield _decision("label", name, _best(finding, axis, 1), limit)
    if all(shape[axis] >= _FEWEST_FOR_TOP for shape in shapes):
        yield _decision(f"top-{_TOP}", name, _best(finding, axis, _TOP), limit)


def _of_distances(finding: Finding) -> Iterator[DecisionParity]:
    """Clusters chosen by the smallest distance, or else by the largest score."""
    axis = _class_axis([array.shape for array in finding.answers.wanted], _CLUSTERING)
    if axis is None:
        return
    name = finding.answers.name
    found = _best(finding, axis, 1, sign=-1 if _DISTANCE in name.lower() else 1)
    yield _decision("clusters", name, found, finding.result.limit or 0.0)


def _best(finding: Finding, axis: int, k: int, sign: int = 1) -> Choices:
    """The ``k`` best along an axis, everywhere else in all data sets.

    What was set aside is a tie, by whichever margin it differs.
    """
    answers, found = finding.answers, []
    for parts in zip(answers.wanted, answers.actual, finding.accepted or [], strict=True):
        choices = parts[0].shape[axis]
        wanted, actual, error = (
            np.moveaxis(as_float64(a), axis, -1).reshape(-1, choices) for a in parts
        )
        found.append(best(sign * wanted, sign * actual, error, k))
    differs = np.concatenate([part.differs for part in found])
    leads = np.concatenate([part.leads for part in found])
    tied = np.concatenate([part.tied for part in found])
    if finding.ties is not None and finding.ties.aside.any():
        per_row = [
            len(f.leads) // rows if rows else 0 for f, rows in zip(found, answers.rows, strict=True)
        ]
        aside = np.repeat(finding.ties.aside, np.repeat(per_row, answers.rows))
        tied |= aside
    return Choices(differs, leads, tied)


def _of_embeddings(finding: Finding) -> Iterator[DecisionParity]:
    """The nearest neighbour of each row, among the rows of all data sets."""
    answers, accepted = finding.answers, finding.accepted or []
    if answers.wanted[0].ndim not in (2, 3) or len({a.shape[-1] for a in answers.wanted}) != 1:
        return
    kept = np.ones(sum(answers.rows), bool) if finding.ties is None else ~finding.ties.aside
    wanted, actual, error = (
        np.concatenate([_embedding(as_float64(a)) for a in arrays if a.size])
        for arrays in (answers.wanted, answers.actual, accepted)
    )
    if len(wanted) != len(kept) or kept.sum() < _FEWEST_NEIGHBOURS or wanted.shape[1] < 2:  # noqa: PLR2004 - one number has no direction
        return
    found = nearest(wanted[kept], actual[kept], error[kept])
    yield _decision("neighbours", answers.name, found, finding.result.limit or 0.0)


def _embedding(rows: Float64Array) -> Float64Array:
    """One vector per row: of positions, their mean, whose error is no larger than theirs."""
    mean: Float64Array = rows.mean(axis=1) if rows.ndim == 3 else rows  # noqa: PLR2004 - [rows, positions, dim]
    return mean


def _class_axis(shapes: Sequence[tuple[int, ...]], task: str) -> int | None:
    """The axis along which the choices lie, or None when there are none.

    The last one; maps of an image may have it first, right after the batch.
    """
    ranks = {len(shape) for shape in shapes}
    if len(ranks) != 1 or (rank := ranks.pop()) < 2:  # noqa: PLR2004 - rows of choices
        return None
    axis = rank - 1
    if "segmentation" in task and len({shape[1] for shape in shapes}) == 1:
        # the size of a map varies, and its classes are fewer than its pixels
        fixed = len({shape[axis] for shape in shapes}) == 1
        axis = axis if fixed and shapes[0][axis] < shapes[0][1] else 1
    return axis if all(shape[axis] > 1 for shape in shapes) else None


def _decision(kind: str, output: str, found: Choices, limit: float) -> DecisionParity:
    differs = found.differs
    count, total = int(np.count_nonzero(differs)), len(differs)
    if not count:
        return DecisionParity(kind, output, total, total)
    clear = differs & ~found.tied
    ties = int(np.count_nonzero(differs & found.tied))
    narrowest = float(found.leads[differs].min())
    margin = f"by {narrowest:.3g}" if np.isfinite(narrowest) else "by no margin that is known"
    detail = (
        f"{kind} of output '{output}': {count} of {total} differ, the narrowest decided {margin} "
        f"(accepted error {limit:.3g})"
    )
    problem = None
    if clear.any():
        problem = f"{detail}; {np.count_nonzero(clear)} of them are no tie"
    shown = narrowest if np.isfinite(narrowest) else None
    return DecisionParity(kind, output, total - count, total, ties, shown, detail, problem)
