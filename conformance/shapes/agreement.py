"""Do padded rows have the answers that they have without their padding?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from conformance.bundle import Bundle, DataSet, ProbeInfo
from conformance.errors import SessionError
from conformance.evidence import PaddingCheck
from conformance.parity.budget import PROBE_FACTOR
from conformance.parity.terms import Terms
from conformance.parity.tolerance import limit_for, rounding_noise
from conformance.shapes.padding import real_positions
from conformance.tensors import Arrays, is_float

#: The padded and the unpadded answer may each err by the limit, one up and one down.
_BOTH_ERR = 2.0
_NO_SHARE = "of a lossy variant's few labels in a row, no share can be asked for"

#: Disagreement of two answers over what is accepted.
Measure = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True, slots=True)
class _Compared:
    """One output of one row."""

    output: str
    row: int
    #: Disagreement of the source with itself, and of the ONNX model, over what is accepted.
    source: float
    actual: float


def padding_checks(
    bundle: Bundle,
    padded: tuple[DataSet, Arrays],
    run: Callable[[Arrays], Arrays],
    terms: Terms,
    limits: Mapping[str, float],
) -> list[PaddingCheck]:
    """One check for each padding mask of which the bundle holds unpadded rows.

    Args:
        bundle: with the unpadded rows and what the source answers to them.
        padded: data set 0, from which the rows are, and the ONNX model's answer to it.
        run: the ONNX model; raises SessionError.
        terms: by which the outputs are judged.
        limits: output name to an error that one small answer is granted, at the least.

    Raises:
        CorruptBundle: when a probe cannot be read.
    """
    by_mask: dict[str, list[ProbeInfo]] = {}
    for info in bundle.manifest.probes:
        if info.kind == "unpadded" and info.mask is not None:
            by_mask.setdefault(info.mask, []).append(info)
    checks = []
    for mask, infos in by_mask.items():
        pooled: list[_Compared] = []
        skipped = problem = None
        for info in infos:
            if info.source_rejects is not None:
                skipped = f"the source rejects row {info.row} without it ({info.source_rejects})"
                continue
            probe = bundle.probe(info)
            try:
                got = run(probe.inputs)
            except SessionError as error:
                problem = f"row {info.row} is refused without it: {error}"
                continue
            pooled += _compare_row(info, padded, (probe, got), partial(_measure, terms, limits))
            if not pooled and terms.budget is not None:
                skipped = _NO_SHARE
        checks.append(_check(mask, infos[0].axis, pooled, skipped, problem))
    return checks


def _check(
    mask: str, axis: str, pooled: list[_Compared], skipped: str | None, problem: str | None
) -> PaddingCheck:
    """The rows of one mask together; outputs by which the source itself disagrees do not count."""
    where = f"padding along '{axis}' (masked by '{mask}')"
    counted = [one for one in pooled if one.source <= 1]
    rows = len({one.row for one in counted})
    worst = max(counted, key=lambda one: one.actual, default=None)
    ratio = worst.actual if worst else None
    if problem is None and worst is not None and not worst.actual <= 1:
        problem = (
            f"output '{worst.output}' of row {worst.row} differs with and without it by "
            f"{worst.actual:.3g}x what is accepted"
        )
    if problem is not None:
        return PaddingCheck(mask, axis, rows, ratio, problem=f"{where}: {problem}")
    if worst is None and pooled:
        own = min(one.source for one in pooled)
        by = f", by {own:.3g}x what is accepted" if np.isfinite(own) else ""
        skipped = f"the source itself depends on its padding{by}"
    elif worst is None and skipped is None:
        skipped = "no output has a row, or positions, to compare"
    return PaddingCheck(mask, axis, rows, ratio, skipped=None if worst else skipped)


def _compare_row(
    info: ProbeInfo,
    padded: tuple[DataSet, Arrays],
    unpadded: tuple[DataSet, Arrays],
    measure_of: Callable[[str, DataSet], Measure | None],
) -> Iterator[_Compared]:
    """The outputs of one row that can be compared with themselves."""
    before, row = padded[0], info.row or 0
    mask = before.inputs[info.mask or ""]
    view = _View(len(mask), row, mask.shape[1], real_positions(mask, row))
    for name, alone in unpadded[0].outputs.items():
        within = view.of(before.outputs[name], alone.shape)
        if within is None or not alone.size:
            continue
        measure = measure_of(name, unpadded[0])
        if measure is None:
            continue
        got, got_alone = padded[1].get(name), unpadded[1].get(name)
        actual = float("inf")
        if got is not None and got_alone is not None and got_alone.shape == alone.shape:
            got_within = view.of(got, alone.shape)
            if got_within is not None:
                actual = measure(got_within, got_alone)
        yield _Compared(name, row, measure(within, alone), actual)


@dataclass(frozen=True, slots=True)
class _View:
    """Where one row's real positions are within the answer to the padded batch."""

    rows: int
    row: int
    length: int
    positions: np.ndarray

    def of(self, padded: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
        """The part of a padded answer that an unpadded one of ``shape`` repeats, if any does.

        An axis of another size follows the positions where it went from the padded to the
        real length, and the rows where it went from all rows to one.
        """
        if padded.ndim != len(shape):
            return None
        part = padded
        for number, sizes in enumerate(zip(padded.shape, shape, strict=True)):
            if sizes[0] == sizes[1]:
                continue
            if sizes == (self.length, len(self.positions)):
                part = np.take(part, self.positions, axis=number)
            elif sizes == (self.rows, 1):
                part = np.take(part, [self.row], axis=number)
            else:
                return None
        return part


def _measure(
    terms: Terms, limits: Mapping[str, float], name: str, probe: DataSet
) -> Measure | None:
    """How far two right answers of an output may be apart; None where that cannot be said.

    Of lossy variants it is the root mean square of the difference, held against what the budget
    accepts of both: how they round a row depends on what else is in its batch, and two errors
    that know nothing of each other add up by their squares.
    """
    source = probe.outputs[name]
    floats = is_float(source.dtype)
    if terms.budget is None:
        return partial(_largest, accepted=_accepted(terms, limits, name, probe) if floats else None)
    if not floats:
        return None
    reference = (probe.outputs_fp64 or probe.outputs)[name].astype(np.float64)
    own = _rms(reference) * 10 ** (-terms.budget.min_snr_db / 20)
    accepted = max(own, limits.get(name, 0.0) / PROBE_FACTOR)
    return partial(_mean, accepted=math.sqrt(2) * accepted)


def _accepted(terms: Terms, limits: Mapping[str, float], name: str, probe: DataSet) -> np.ndarray:
    """What two right answers may be apart, element by element."""
    source = probe.outputs[name]
    fp64 = probe.outputs_fp64[name] if probe.outputs_fp64 is not None else None
    reference = source.astype(np.float64) if fp64 is None else fp64
    if not (np.isfinite(source).all() and np.isfinite(reference).all()):
        return np.zeros(source.shape)
    noise = None
    if fp64 is not None:
        noise = rounding_noise(source.astype(np.float64), fp64, terms.noise.get(name))
    limit = limit_for(terms.tolerance, reference, noise, source.dtype, terms.fp64_unavailable)
    accepted: np.ndarray = np.maximum(limit.accepted, limits.get(name, 0.0))
    return _BOTH_ERR * np.broadcast_to(accepted, reference.shape)


def _largest(a: np.ndarray, b: np.ndarray, accepted: np.ndarray | None) -> float:
    """Largest difference over what is accepted: infinite where either has no answer."""
    if accepted is None:
        return 0.0 if np.array_equal(a, b) else float("inf")
    difference = np.abs(a.astype(np.float64) - b)
    if not np.isfinite(difference).all():
        return float("inf")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(difference == 0, 0.0, difference / accepted)
    return float(np.max(ratios))


def _mean(a: np.ndarray, b: np.ndarray, accepted: float) -> float:
    """Root mean square of the difference over what is accepted; infinite where there is none."""
    difference = _rms(a.astype(np.float64) - b)
    if difference == 0:
        return 0.0
    return difference / accepted if accepted and np.isfinite(difference) else float("inf")


def _rms(array: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(array))))
