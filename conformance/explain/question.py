"""What is to be explained: one output, its exact answers and the error that is accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conformance.bundle import DataSet
from conformance.evidence import OutputParity, ParityReport
from conformance.explain.yardstick import Yardstick
from conformance.parity.terms import Terms
from conformance.parity.tolerance import limit_for, rounding_noise
from conformance.tensors import is_float


@dataclass(frozen=True, slots=True)
class Question:
    """One output on all data sets."""

    output: str
    #: The source in float64, or in its own precision where float64 cannot be had.
    exact: list[np.ndarray]
    #: Why :attr:`exact` is not in float64; ``None`` where it is.
    not_exact: str | None
    yardstick: Yardstick
    #: The accepted error where the comparison was worst, in the unit of the output.
    limit: float


def worst_output(report: ParityReport) -> OutputParity | None:
    """The output to explain: a failing one before others, floats before labels, then the worst.

    Labels follow from scores; where both differ, the scores say more.
    """
    return max(
        report.outputs,
        key=lambda o: (o.problem is not None, o.rule != "exact", o.ratio or 0.0),
        default=None,
    )


def question(parity: OutputParity, data_sets: Sequence[DataSet], terms: Terms) -> Question:
    """What is known of an output.

    Args:
        parity: how the output compared.
        data_sets: with the source's answers.
        terms: by which the case is judged.
    """
    name = parity.name
    source = [data_set.outputs[name] for data_set in data_sets]
    fp64 = [d.outputs_fp64[name] for d in data_sets if d.outputs_fp64 and name in d.outputs_fp64]
    exact = fp64 if len(fp64) == len(source) else source
    if not is_float(source[0].dtype):
        accepted = [np.zeros(array.shape) for array in source]
        return Question(name, source, None, Yardstick(accepted), 0.0)
    noise = parity.noise if exact is fp64 else None
    if exact is fp64 and noise is None:  # the comparison did not come to it
        noise = _noise(source, fp64)
    accepted = _accepted(exact, noise, terms, source[0].dtype)
    largest = max((float(np.max(array, initial=0.0)) for array in accepted), default=0.0)
    why = None if exact is fp64 else terms.fp64_unavailable or "there are no float64 answers"
    limit = largest if parity.limit is None else parity.limit
    return Question(name, exact, why, Yardstick(accepted), limit)


def _noise(source: list[np.ndarray], fp64: list[np.ndarray]) -> float:
    own, wanted = (np.concatenate([a.ravel() for a in arrays]) for arrays in (source, fp64))
    finite = np.isfinite(own) & np.isfinite(wanted)
    if not finite.any():
        return 0.0
    return rounding_noise(own[finite].astype(np.float64), wanted[finite])


def _accepted(
    exact: list[np.ndarray], noise: float | None, terms: Terms, dtype: np.dtype
) -> list[NDArray[np.float64]]:
    wanted = np.concatenate([array.ravel() for array in exact]).astype(np.float64)
    # where the source overflows there is nothing to scale a limit by
    wanted = np.where(np.isfinite(wanted), wanted, 0.0)
    if not wanted.size:
        return [np.zeros(array.shape) for array in exact]
    limit = limit_for(terms.tolerance, wanted, noise, dtype, terms.fp64_unavailable)
    pooled = np.broadcast_to(limit.accepted, wanted.shape)
    ends = np.cumsum([array.size for array in exact])[:-1]
    parts = np.split(pooled, ends)
    return [part.reshape(array.shape) for part, array in zip(parts, exact, strict=True)]
