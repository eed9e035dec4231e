"""What the graph of a scikit-learn estimator answers, and the methods that mean the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.adapters.sklearn_conversion import last_step
from conformance.errors import LoadError


@dataclass(frozen=True, slots=True)
class Output:
    """One output of the graph and the method of the estimator that means the same."""

    name: str
    method: str
    #: The graph gives a column, shape (n, 1), where the estimator gives (n,).
    column: bool = False
    #: Which of the arrays that the method returns; None where it returns one.
    item: int | None = None


def outputs_of(estimator: Any, *, raw_scores: bool) -> tuple[Output, ...]:
    """What the graph of this kind of estimator answers, in its order.

    Args:
        estimator: fitted.
        raw_scores: a classifier is asked for its decision function, not for probabilities.

    Raises:
        LoadError: when it answers nothing about rows that it was not fitted on, or reads
            something else than rows.
    """
    from sklearn.base import is_classifier, is_outlier_detector, is_regressor
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.feature_selection import SelectorMixin
    from sklearn.linear_model import SGDOneClassSVM

    if isinstance(estimator, DictVectorizer):
        raise LoadError("DictVectorizer reads mappings, and input sets hold tensors")
    if isinstance(last_step(estimator), SelectorMixin):
        return (Output("variable", "transform"),)  # RFE and its like also predict
    if is_classifier(estimator):
        return _of_classifier(estimator, raw_scores=raw_scores)
    if is_outlier_detector(estimator) and hasattr(estimator, "predict"):
        column = not isinstance(last_step(estimator), SGDOneClassSVM)
        return (
            Output("label", "predict", column=column),
            Output("scores", "decision_function", column=column),
        )
    if is_regressor(estimator):
        return (Output("variable", "predict", column=True),)
    return _of_unsupervised(estimator)


def _of_unsupervised(estimator: Any) -> tuple[Output, ...]:
    from sklearn.base import is_clusterer
    from sklearn.neighbors import NearestNeighbors

    if hasattr(estimator, "predict_proba"):  # mixtures
        return (
            Output("label", "predict", column=True),
            Output("probabilities", "predict_proba"),
        )
    if is_clusterer(estimator) and hasattr(estimator, "predict"):
        distances = (Output("scores", "transform"),) * hasattr(estimator, "transform")
        return (Output("label", "predict"), *distances)
    if isinstance(estimator, NearestNeighbors):
        return (Output("index", "kneighbors", item=1), Output("distance", "kneighbors", item=0))
    for method, name in (("transform", "variable"), ("score_samples", "scores")):
        if hasattr(estimator, method):
            return (Output(name, method),)
    raise LoadError(
        f"{type(estimator).__name__} only describes the rows that it was fitted on: it has no "
        "predict, transform or score_samples for others, so there is nothing to convert"
    )


def _of_classifier(estimator: Any, *, raw_scores: bool) -> tuple[Output, ...]:
    label = Output("label", "predict")
    if hasattr(estimator, "predict_proba") and not raw_scores:
        return (label, Output("probabilities", "predict_proba"))
    if hasattr(estimator, "decision_function"):
        return (label, Output("probabilities", "decision_function"))
    return (label,)


def method_of(estimator: Any, output: Output) -> Callable[[Any], Any]:
    """The method that computes an output; a binary classifier scores both its classes."""
    from sklearn.linear_model import RidgeClassifier
    from sklearn.svm import LinearSVC

    method: Callable[[Any], Any] = getattr(estimator, output.method)
    if (item := output.item) is not None:
        return lambda table: method(table)[item]
    if output.method != "decision_function" or output.name != "probabilities":
        return method
    in_one_column = isinstance(last_step(estimator), LinearSVC | RidgeClassifier)

    def scores(table: Any) -> NDArray[Any]:
        decision: NDArray[Any] = method(table)
        if decision.ndim > 1:
            return decision
        return decision[:, None] if in_one_column else np.stack([-decision, decision], axis=1)

    return scores


def as_in_graph(answer: Any, output: Output, *, float64: bool) -> NDArray[Any]:
    """An answer in the shape and dtype of the graph's output.

    Args:
        answer: an array, or a sparse matrix.
        output: what it is the answer of.
        float64: keep float64, as the exact reference needs.
    """
    from scipy import sparse

    array: NDArray[Any] = np.asarray(answer.toarray() if sparse.issparse(answer) else answer)
    if output.column and array.ndim == 1:
        array = array[:, None]
    match array.dtype.kind:
        case "f":
            return array.astype(np.float64 if float64 else np.float32)
        case "i" | "u" | "b":
            return array.astype(np.int64)
        case _:
            return array.astype(object)
