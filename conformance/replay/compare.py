"""Compare answers with stored ones by a given tolerance: the rule for foreign folders.

Unlike the comparison of bundles, NaN and infinity are accepted where both sides have them:
ONNX's own test data contains them on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from conformance.evidence import OutputParity
from conformance.replay.values import Value


@dataclass(frozen=True, slots=True)
class OutputResult:
    """How one output compares, over all data sets; a figure that does not exist is None."""

    name: str
    max_abs: float | None = None
    #: Accepted error at the element that comes closest to it, or exceeds it most.
    limit: float | None = None
    ratio: float | None = None
    problem: str | None = None
    #: Of the expected tensor; "sequence" or "optional", without a shape, where it is none.
    dtype: str = ""
    shape: tuple[int, ...] = ()
    #: Whether everything has to be equal.
    exact: bool = True

    def worse(self, other: OutputResult) -> OutputResult:
        """Both results in one: the first problem, the larger error, the larger ratio."""
        errors = [r.max_abs for r in (self, other) if r.max_abs is not None]
        nearest = max((self, other), key=lambda r: -1.0 if r.ratio is None else r.ratio)
        return replace(
            self,
            max_abs=max(errors, default=None),
            limit=nearest.limit,
            ratio=nearest.ratio,
            problem=self.problem or other.problem,
            exact=self.exact and other.exact,
        )

    def parity(self, reason: str) -> OutputParity:
        """The result as reports have it; ``reason`` says where its tolerance comes from."""
        return OutputParity(
            name=self.name,
            dtype=self.dtype,
            shape=self.shape,
            rule="exact" if self.exact else "declared",
            rule_reason=None if self.exact else reason,
            max_abs=self.max_abs,
            limit=self.limit,
            ratio=self.ratio,
            problem=self.problem,
        )


def compare_values(
    name: str, expected: Value, actual: Value, rtol: float, atol: float
) -> OutputResult:
    """Compare two values element by element.

    Args:
        name: of the output.
        expected: what the file holds.
        actual: what the model answered.
        rtol: accepted error relative to the expected element; floats only.
        atol: accepted absolute error, added to the relative one; floats only.
    """
    result = OutputResult(name, dtype="sequence" if isinstance(expected, list) else "optional")
    if isinstance(expected, np.ndarray):
        dtype, shape = _dtype_name(expected.dtype), expected.shape
        result = replace(result, dtype=dtype, shape=shape, exact=not _is_float(expected.dtype))
    for place, want, got in _leaves("", expected, actual):
        if isinstance(want, np.ndarray) and isinstance(got, np.ndarray):
            found = _compare_arrays(name, want, got, rtol, atol)
        else:
            problem = None if want is got is None else f"it is {got}, expected {want}"
            found = OutputResult(name, problem=problem)
        if place and found.problem is not None:
            found = replace(found, problem=f"element {place}: {found.problem}")
        result = result.worse(found)
    return result


def _leaves(place: str, want: Value, got: Value) -> Iterator[tuple[str, Value, Value]]:
    """Pairs of arrays, and where in a sequence; of different kinds, their descriptions."""
    if isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        for number, (one, other) in enumerate(zip(want, got, strict=True)):
            yield from _leaves(f"{place}[{number}]", one, other)
    elif isinstance(want, np.ndarray) and isinstance(got, np.ndarray | np.generic):
        yield place, want, np.asarray(got)
    elif want is None and got is None:
        yield place, None, None
    else:
        yield place, _kind(want), _kind(got)


def _kind(value: Value) -> str:
    if value is None:
        return "empty"
    if isinstance(value, list):
        return f"a sequence of {len(value)}"
    return "a tensor" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def _compare_arrays(
    name: str, want: np.ndarray, got: np.ndarray, rtol: float, atol: float
) -> OutputResult:
    wanted, found = _dtype_name(want.dtype), _dtype_name(got.dtype)
    if wanted != found:
        return OutputResult(name, problem=f"dtype is {found}, expected {wanted}")
    if want.shape != got.shape:
        return OutputResult(name, problem=f"shape is {got.shape}, expected {want.shape}")
    if _is_float(want.dtype):
        floats, actual = want.astype(np.float64), got.astype(np.float64)
        return _compare_floats(name, floats, actual, rtol, atol)
    differs = want != got
    error = None
    if wanted not in ("string", "bool"):
        distance = np.abs(want.astype(np.float64) - got.astype(np.float64))
        error = float(distance.max(initial=0.0))
    if not differs.any():
        return OutputResult(name, error, 0.0, 0.0)
    at = _first(differs)
    problem = (
        f"{np.count_nonzero(differs)} of {want.size} elements differ, the first at "
        f"{list(at)}: expected {want[at]!s}, actual {got[at]!s}"
    )
    return OutputResult(name, error, 0.0, float("inf"), problem)


def _compare_floats(
    name: str,
    want: NDArray[np.float64],
    got: NDArray[np.float64],
    rtol: float,
    atol: float,
) -> OutputResult:
    same = (want == got) | (np.isnan(want) & np.isnan(got))
    unlike = ~same & ~(np.isfinite(want) & np.isfinite(got))
    if unlike.any():
        at = _first(unlike)
        unequal = (
            f"{np.count_nonzero(unlike)} of {want.size} elements are NaN or infinite on "
            f"one side only, the first at {list(at)}: expected {want[at]}, actual {got[at]}"
        )
        return OutputResult(name, None, None, float("inf"), unequal, exact=False)
    if same.all():
        return OutputResult(name, 0.0, atol, 0.0, exact=False)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        error = np.where(same, 0.0, np.abs(want - got))
        accepted = atol + rtol * np.where(same, 0.0, np.abs(want))
        ratios = np.where(error == 0, 0.0, error / accepted)
    at = tuple(int(i) for i in np.unravel_index(int(np.argmax(ratios)), ratios.shape))
    ratio, limit = float(ratios[at]), float(accepted[at])
    problem = None
    if ratio > 1:
        problem = (
            f"error {error[at]:.3g} at {list(at)} is {ratio:.3g}x its limit "
            f"{limit:.3g}: expected {want[at]:.9g}, actual {got[at]:.9g}"
        )
    return OutputResult(name, float(error.max()), limit, ratio, problem, exact=False)


def _first(marks: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(marks)), marks.shape))


def _is_float(dtype: np.dtype) -> bool:
    return dtype.name.startswith(("float", "bfloat"))


def _dtype_name(dtype: np.dtype) -> str:
    return "string" if dtype.kind in "OUS" else dtype.name
