"""One output on every data set: what the source answered, what the model did, what was found.

A *row* is a slice along axis 0; a scalar is one row. *Pooled* is the concatenation over all
data sets, flattened in C order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.evidence import OutputParity, Worst
from conformance.tensors import Arrays, is_float

Float64Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Answers:
    """One output on every data set; arrays of the same data set have equal shapes."""

    name: str
    inputs: list[Arrays]
    source: list[np.ndarray]
    #: The source's answers in float64, for all data sets or not at all.
    fp64: list[np.ndarray] | None
    why_no_fp64: str | None
    actual: list[np.ndarray]
    #: How close each row was to another tree split, in float32 ulps: ``[rows]`` per data set.
    margins: list[np.ndarray] | None

    @property
    def wanted(self) -> list[np.ndarray]:
        """The best reference there is."""
        return self.source if self.fp64 is None or not self.is_float else self.fp64

    @property
    def is_float(self) -> bool:
        """Whether the output has an error rather than being equal or not."""
        return is_float(self.actual[0].dtype)

    @property
    def rows(self) -> list[int]:
        """Number of rows on each data set."""
        return [len(array) if array.ndim else 1 for array in self.source]

    def result(self, rule: str = "exact") -> OutputParity:
        """A result without figures, to be completed with what is found."""
        first = self.actual[0]
        reason = self.why_no_fp64 if rule == "declared" else None
        return OutputParity(self.name, dtype_name(first.dtype), first.shape, rule, reason)

    def rows_with(self, elements: Mask) -> Mask:
        """Which pooled rows hold any of the pooled elements."""
        found = np.zeros(sum(self.rows), dtype=bool)
        found[self._row_of_element()[elements]] = True
        return found

    def elements_of(self, rows: Mask) -> Mask:
        """Which pooled elements are in any of the pooled rows."""
        return rows[self._row_of_element()]

    def worst(self, at: int) -> Worst:
        """The element at position ``at`` of the pooled arrays."""
        data_set = 0
        while at >= self.wanted[data_set].size:
            at -= self.wanted[data_set].size
            data_set += 1
        wanted, actual = self.wanted[data_set], self.actual[data_set]
        index = tuple(int(i) for i in np.unravel_index(at, wanted.shape))
        return Worst(index, _plain(wanted[index]), _plain(actual[index]), data_set)

    def _row_of_element(self) -> NDArray[np.intp]:
        widths = [
            array.size // rows if rows else 0
            for array, rows in zip(self.source, self.rows, strict=True)
        ]
        return np.repeat(np.arange(sum(self.rows)), np.repeat(widths, self.rows))


@dataclass(frozen=True, slots=True)
class Flips:
    """Labels that differ, held against the scores that they are chosen from."""

    #: The output of scores, and its accepted error.
    scores: str
    limit: float
    #: Pooled rows whose labels differ.
    differs: Mask
    #: By how much the source's choice leads the model's; infinite where no class goes by the
    #: label that the model gave. 0 on rows that do not differ.
    leads: Float64Array
    #: Rows that differ although both choices are within the accepted error.
    tied: Mask


@dataclass(frozen=True, slots=True)
class Ties:
    """Rows that differ for a reason other than an error of the conversion."""

    #: Pooled rows that are set aside; none at all when there are too many.
    aside: Mask
    #: Pooled rows that differ and were decided by at most one float32 ulp.
    at_splits: Mask
    #: Labels held against scores; None where the output is no choice from another.
    flips: Flips | None
    #: Why nothing is set aside although there are ties.
    too_many: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What comparing one output came to."""

    answers: Answers
    result: OutputParity
    #: Largest accepted error of each element per data set, as read-only views; None where
    #: the output has no error (labels), or could not be compared element by element.
    accepted: list[Float64Array] | None = None
    #: None where the output could not be compared element by element.
    ties: Ties | None = None


def pool(arrays: Sequence[np.ndarray]) -> Float64Array:
    """All elements of all data sets."""
    return np.concatenate([as_float64(array).ravel() for array in arrays])


def as_float64(array: np.ndarray) -> Float64Array:
    """The array in float64, without a copy where it already is."""
    return array.astype(np.float64, copy=False)


def dtype_name(dtype: np.dtype) -> str:
    """NumPy's name of a dtype; strings have one name, however they are stored."""
    return "string" if dtype.kind in "OUS" else dtype.name


def _plain(value: Any) -> float | int | str | bool:
    found: float | int | str | bool = value.item() if isinstance(value, np.generic) else value
    return found
