"""Inputs of a fitted scikit-learn estimator: as many features as it was fitted with.

An estimator keeps no data. What is drawn has to make it decide in more than one way, or its
labels would be compared with themselves, so ranges are tried until one does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.detection.signature import Signature
from conformance.entry import TensorSpec
from conformance.errors import InputsError

_SAMPLES = (5, 3, 24)
_RANGES = ((-1.0, 1.0), (0.0, 1.0), (-3.0, 3.0), (0.0, 10.0), (-10.0, 10.0), (0.0, 100.0))
_TRIED_ROWS = 128
_DOCUMENTS = 24
_WORDS = 6


def sklearn_signature(estimator: Any) -> Signature:
    """One table ``x``, float32 ``[samples, n_features_in_]``, or documents for a vectorizer.

    Raises:
        InputsError: when the estimator does not tell how many features it takes, or takes columns
            by name, which differ in kind.
    """
    first = _first(estimator)
    sizes: dict[str, tuple[int, ...]] = {"samples": _SAMPLES}
    vocabulary = getattr(first, "vocabulary_", None)
    if isinstance(vocabulary, dict) and vocabulary:
        documents = TensorSpec(
            dtype="string", shape=("samples", 1), values=tuple(_documents(vocabulary))
        )
        told = f"{type(first).__name__}: documents of the words that it knows"
        return Signature({"x": documents}, sizes, told=(told,))
    features = getattr(estimator, "n_features_in_", None)
    kind = type(estimator).__name__
    if features is None or type(first).__name__ == "ColumnTransformer":
        raise InputsError(
            f"{kind} does not tell its columns as one table of numbers: say them, as "
            "--input age=float32[samples,1] --input income=float32[samples,1]"
        )
    (low, high), kinds = _range_of(estimator, int(features))
    spec = TensorSpec(shape=("samples", int(features)), fill="uniform", low=low, high=high)
    why = (
        f": of the ranges tried, the one that spreads the answers best ({kinds} kinds)"
        if kinds
        else ""
    )
    told = f"{kind} with {features} features, drawn from {low:g} to {high:g}{why}"
    return Signature({"x": spec}, sizes, told=(told,))


def _first(estimator: Any) -> Any:
    steps = getattr(estimator, "steps", None)
    return _first(steps[0][1]) if steps else estimator


def _range_of(estimator: Any, features: int) -> tuple[tuple[float, float], int | None]:
    """The range that spreads a predictor's answers best, and how many; a fixed one for others."""
    from sklearn.base import is_classifier, is_clusterer, is_outlier_detector

    decides = is_classifier(estimator) or is_clusterer(estimator) or is_outlier_detector(estimator)
    if not decides or not hasattr(estimator, "predict"):
        return _RANGES[2], None
    rng = np.random.default_rng(0)
    answers = [
        np.unique(
            estimator.predict(rng.uniform(low, high, (_TRIED_ROWS, features))), return_counts=True
        )[1]
        for low, high in _RANGES
    ]
    best = int(np.argmax([_spread(counts) for counts in answers]))
    return _RANGES[best], len(answers[best])


def _spread(counts: np.ndarray) -> float:
    """Entropy of how often each class was answered: a class that is hardly met counts little."""
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _documents(vocabulary: dict[str, int]) -> list[str]:
    rng = np.random.default_rng(0)
    words = sorted(str(word) for word in vocabulary)
    return [" ".join(rng.choice(words, _WORDS)) for _ in range(_DOCUMENTS)]
