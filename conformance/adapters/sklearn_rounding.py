"""A fitted scikit-learn estimator with its parameters rounded to float32.

The arrays keep dtype float64, which scikit-learn's compiled code insists on; only their
values are those that a float32 graph can hold.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray


def rounded_to_float32(estimator: Any) -> Any:
    """A copy of ``estimator`` with every fitted float64 parameter rounded to float32.

    Parameters are found in nested estimators, kernels, containers, sparse matrices and
    trees. The original is unchanged.
    """
    return _Rounding().of(copy.deepcopy(estimator))


class _Rounding:
    """One walk over an object graph that is ours to change."""

    def __init__(self) -> None:
        # holds the originals as well: an id is unique only while its object lives
        self._seen: dict[int, tuple[Any, Any]] = {}

    def of(self, value: Any) -> Any:
        """``value`` rounded: in place where it has an identity, else anew."""
        if id(value) not in self._seen:
            self._seen[id(value)] = (value, value)  # ends cycles
            self._seen[id(value)] = (value, self._rounded(value))
        return self._seen[id(value)][1]

    def _rounded(self, value: Any) -> Any:
        from scipy import sparse
        from sklearn.tree._tree import Tree

        if isinstance(value, np.ndarray):
            return self._array(value)
        if isinstance(value, float):
            return type(value)(np.float32(value))
        if type(value) in (list, tuple):
            return type(value)(self.of(item) for item in value)
        if isinstance(value, dict):
            for key, item in value.items():
                value[key] = self.of(item)
        elif sparse.issparse(value):
            value.data = self.of(value.data)
        elif isinstance(value, Tree):
            value.threshold[:] = _float32_below(value.threshold)
            value.value[:] = value.value.astype(np.float32)
        elif type(value).__module__.startswith("sklearn.") or hasattr(value, "get_params"):
            self._object(value)
        return value

    def _array(self, array: NDArray[Any]) -> NDArray[Any]:
        if array.dtype == np.float64:
            return array.astype(np.float32).astype(np.float64)
        if array.dtype == object:
            for index in np.ndindex(array.shape):
                array[index] = self.of(array[index])
        elif array.dtype.names and "num_threshold" in array.dtype.names:
            # the nodes of a tree of histogram gradient boosting
            array["num_threshold"] = _float32_below(array["num_threshold"])
            array["value"] = array["value"].astype(np.float32)
        return array

    def _object(self, value: Any) -> None:
        fields = getattr(value, "__dict__", {})
        for name, item in fields.items():
            fields[name] = self.of(item)
        if fields.get("_fit_method") in ("kd_tree", "ball_tree"):
            # a search tree keeps the unrounded points; brute force reads the rounded ones
            value._fit_method = "brute"  # noqa: SLF001 - chosen at fit, there is no public way


def _float32_below(thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest float32 not above each threshold.

    Every float32 is at most this value exactly if it is at most the threshold, so no
    decision of a tree changes, whereas rounding to nearest would flip some.
    """
    nearest = thresholds.astype(np.float32)
    above = nearest.astype(np.float64) > thresholds
    nearest[above] = np.nextafter(nearest[above], np.float32(-np.inf))
    return nearest.astype(np.float64)
