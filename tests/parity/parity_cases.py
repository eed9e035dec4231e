"""Answers and data sets for the tests of the comparison."""

from __future__ import annotations

import numpy as np

from conformance.bundle import DataSet
from conformance.entry import Tolerance
from conformance.parity.answers import Answers
from conformance.parity.compare import compare
from conformance.parity.terms import Terms


def answers(arrays, *, inputs=None, actual=None, margins=None):
    """One output; its inputs have one row of random numbers for each of its rows."""
    rng = np.random.default_rng(5)
    if inputs is None:
        inputs = [{"x": rng.normal(size=(len(a) if a.ndim else 1, 2))} for a in arrays]
    return Answers("y", inputs, arrays, None, "none", actual or arrays, margins)


def data_sets(outputs, *, margins=None, fp64=True):
    """Data sets of output name to a list of float64 (or exact) arrays, one per set."""
    rng = np.random.default_rng(6)
    made = []
    for number in range(len(next(iter(outputs.values())))):
        arrays = {name: sets[number] for name, sets in outputs.items()}
        rows = {len(a) if a.ndim else 1 for a in arrays.values()}
        made.append(
            DataSet(
                {f"x{n}": rng.normal(size=(n, 3)).astype("f4") for n in rows},
                {name: single(a) for name, a in arrays.items()},
                arrays if fp64 else None,
                {name: sets[number] for name, sets in margins.items()} if margins else None,
            )
        )
    return made


def single(array):
    """Floats in float32, everything else as it is."""
    return array.astype("f4") if array.dtype.kind == "f" else array


def judged(outputs, actual=None, *, margins=None, fp64=True, **terms):
    """The report of answering ``actual`` (default: the same) where ``outputs`` are right."""
    sets = data_sets(outputs, margins=margins, fp64=fp64)
    given = actual or outputs
    answered = [{n: single(given[n][i]) for n in given} for i in range(len(sets))]
    return compare(sets, answered, Terms(**{"tolerance": Tolerance(), **terms}))
