"""How close a scikit-learn estimator's trees came to deciding otherwise.

A tree compares one value with a threshold at each of its nodes. Where both are within a
float32 ulp of each other, a float32 graph may take the other branch, and its answer then
differs by a whole leaf: that is no rounding noise, and no fault of the conversion either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Comparisons (rows x trees x depth) up to which margins are worked out: some seconds.
_MOST_COMPARISONS = 100_000_000
_LEAF = -1


@dataclass(frozen=True, slots=True)
class _Tree:
    """A fitted tree as arrays over its nodes, node 0 the root, with the table it is asked."""

    feature: NDArray[np.intp]
    threshold: NDArray[np.float64]
    #: Children by node, -1 at leaves.
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    #: Where a missing value goes.
    missing_left: NDArray[np.bool_]
    depth: int
    #: What is compared: [rows, features].
    table: NDArray[np.float64]


def margins(estimator: Any, rounded: Any, table: Any) -> NDArray[np.float64] | None:
    """The narrowest decision of each row, over all trees and all nodes that it passes.

    Args:
        estimator: fitted; a pipeline's transformers are applied before its last step, the
            members of ensembles, voting and stacking are searched for trees.
        rounded: the same with its parameters rounded to float32.
        table: what its ``predict`` takes.

    Returns:
        Shape ``[rows]``: the smallest ``|value - threshold|``, in float32 ulps of the threshold
        (``numpy.spacing``). The unit is larger by what the rounding of the transformers moves
        the value: a scaler that takes a mean away leaves an error of many ulps in what remains.
        Infinite where nothing was compared. None when no tree decides, or when there are too
        many to follow.
    """
    narrowest: NDArray[np.float64] | None = None
    comparisons = 0
    for tree, other in zip(_trees(estimator, table), _trees(rounded, table), strict=True):
        comparisons += len(tree.table) * tree.depth
        if comparisons > _MOST_COMPARISONS:
            return None
        found = _margins_of(tree, np.abs(other.table - tree.table))
        narrowest = found if narrowest is None else np.minimum(narrowest, found)
    return narrowest


def _margins_of(tree: _Tree, moved: NDArray[np.float64]) -> NDArray[np.float64]:
    """Walk all rows down one tree at once, a level at a time.

    Args:
        tree: to walk down.
        moved: by how much rounding moves each value of the tree's table.
    """
    narrowest = np.full(len(tree.table), np.inf)
    ulp = np.spacing(np.abs(tree.threshold).astype(np.float32)).astype(np.float64)
    rows = np.arange(len(tree.table))
    nodes = np.zeros(len(rows), dtype=np.intp)
    while True:
        inner = tree.left[nodes] != _LEAF
        rows, nodes = rows[inner], nodes[inner]
        if not rows.size:
            return narrowest
        feature = tree.feature[nodes]
        value = tree.table[rows, feature]
        distance = value - tree.threshold[nodes]
        unit = ulp[nodes] + moved[rows, feature]
        # a missing value is decided without comparing: fmin passes over NaN
        narrowest[rows] = np.fmin(narrowest[rows], np.abs(distance) / unit)
        left = np.where(np.isnan(value), tree.missing_left[nodes], distance <= 0)
        nodes = np.where(left, tree.left[nodes], tree.right[nodes])


def _trees(estimator: Any, table: Any) -> Iterator[_Tree]:
    """Every tree of an estimator, with the table that it is asked."""
    from sklearn.ensemble import (
        BaggingClassifier,
        BaggingRegressor,
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        IsolationForest,
    )
    from sklearn.pipeline import Pipeline
    from sklearn.tree import BaseDecisionTree

    if isinstance(estimator, Pipeline):
        yield from _trees(estimator[-1], _transformed(estimator, table))
    elif isinstance(estimator, BaseDecisionTree):
        yield _from_tree(estimator.tree_, table)
    elif isinstance(estimator, HistGradientBoostingClassifier | HistGradientBoostingRegressor):
        yield from _from_histograms(estimator, table)
    elif isinstance(estimator, BaggingClassifier | BaggingRegressor | IsolationForest):
        for member, features in zip(
            estimator.estimators_, estimator.estimators_features_, strict=True
        ):
            yield from _trees(member, table[:, features])
    else:
        yield from _from_members(estimator, table)


def _from_members(estimator: Any, table: Any) -> Iterator[_Tree]:
    """Trees of the ensembles that ask each of their members the whole table."""
    from sklearn.ensemble import (
        AdaBoostClassifier,
        AdaBoostRegressor,
        ExtraTreesClassifier,
        ExtraTreesRegressor,
        GradientBoostingClassifier,
        GradientBoostingRegressor,
        RandomForestClassifier,
        RandomForestRegressor,
        StackingClassifier,
        StackingRegressor,
        VotingClassifier,
        VotingRegressor,
    )

    stacking = StackingClassifier | StackingRegressor
    of_members = (
        *(AdaBoostClassifier, AdaBoostRegressor, ExtraTreesClassifier, ExtraTreesRegressor),
        *(GradientBoostingClassifier, GradientBoostingRegressor),
        *(RandomForestClassifier, RandomForestRegressor, VotingClassifier, VotingRegressor),
        stacking,
    )
    if not isinstance(estimator, of_members):
        return
    for member in np.ravel(np.array(estimator.estimators_, dtype=object)):
        yield from _trees(member, table)
    if isinstance(estimator, stacking):
        yield from _trees(estimator.final_estimator_, estimator.transform(table))
    if isinstance(estimator, GradientBoostingClassifier | GradientBoostingRegressor):
        yield from _trees(estimator.init_, table)


def _from_tree(tree: Any, table: Any) -> _Tree:
    return _Tree(
        tree.feature,
        tree.threshold,
        tree.children_left,
        tree.children_right,
        tree.missing_go_to_left.astype(bool),
        tree.max_depth,
        _dense(table).astype(np.float32).astype(np.float64),  # these trees compare float32
    )


def _from_histograms(estimator: Any, table: Any) -> Iterator[_Tree]:
    if estimator.is_categorical_ is not None and estimator.is_categorical_.any():
        return  # a category is looked up, and is not close to any other
    dense = _dense(table).astype(np.float64)
    for predictors in estimator._predictors:  # noqa: SLF001 - the trees have no public name
        for predictor in predictors:
            nodes = predictor.nodes
            leaf = nodes["is_leaf"].astype(bool)
            yield _Tree(
                nodes["feature_idx"],
                nodes["num_threshold"],
                np.where(leaf, _LEAF, nodes["left"].astype(np.intp)),
                np.where(leaf, _LEAF, nodes["right"].astype(np.intp)),
                nodes["missing_go_to_left"].astype(bool),
                int(nodes["depth"].max()),
                dense,
            )


def _transformed(pipeline: Any, table: Any) -> Any:
    return pipeline[:-1].transform(table) if len(pipeline) > 1 else table


def _dense(table: Any) -> NDArray[Any]:
    from scipy import sparse

    dense: NDArray[Any] = np.asarray(table.toarray() if sparse.issparse(table) else table)
    return dense
