"""Run a shipped model on the inputs that its source has answered, and say how it differs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from conformance import runtime
from conformance.bundle import DataSet, read_bundle
from conformance.errors import CorruptBundle, LoadError, SessionError
from conformance.execution.progress import Progress
from conformance.model import Stage, to_json
from conformance.onnx_files import read_model
from conformance.shipped.floors import floors, snr_db
from conformance.shipped.poolings import pooled
from conformance.shipped.weights import Weights, weights_of
from conformance.tensors import Arrays

PRELOAD = ("numpy", "onnx", "onnxruntime", "conformance.shipped.comparing")

_ROUNDING = 1e-5


@dataclass(frozen=True, slots=True)
class Finding:
    """What one output of a shipped model is."""

    #: ``same``, ``dtype`` (as the source, in smaller numbers), ``pooling`` (of the source's
    #: tokens), ``stale`` (other weights), ``graph`` (the same weights, computed otherwise), or
    #: ``interface`` (it cannot be compared).
    kind: str
    output: str
    #: A sentence for people.
    detail: str
    #: Signal-to-noise ratio to the source's answer; ``None`` where it is infinite or unknown.
    snr_db: float | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """A shipped model against its source."""

    findings: tuple[Finding, ...]
    dtype: str
    same_weights: int
    weights: int


def compare_shipped(payload: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Compare, as a target of a process: ``model`` with the data sets of ``bundle``.

    Raises:
        LoadError: when a file is damaged, or names files that are not its own.
        SessionError: when ONNX Runtime refuses the model.
    """
    progress.enter(Stage.LOAD)
    model, limits = Path(payload["model"]), payload["limits"]
    try:
        bundle = read_bundle(Path(payload["bundle"]))
        data_sets = list(bundle.data_sets())
        weights = weights_of(read_model(model), model, bundle.model_path)
    except CorruptBundle as error:
        raise LoadError(str(error)) from error
    progress.enter(Stage.SESSION)
    session = runtime.create_session(model, "cpu")
    progress.enter(Stage.PARITY)
    try:
        answered = _answers(session, data_sets)
        asked = [data_set for data_set, _ in answered]
        accepted = _Accepted(limits, floors(weights.dtype, bundle.model_path, asked))
        findings = [_finding(name, answered, accepted, weights) for name in answered[0][1]]
    except SessionError as error:
        findings = [Finding("interface", "", str(error))]
    compared = Compared(tuple(findings), weights.dtype, weights.same, weights.total)
    return to_json(compared)


Answered = Sequence[tuple[DataSet, Arrays]]


@dataclass(frozen=True, slots=True)
class _Accepted:
    """What is accepted of each output of the source, by its name."""

    #: Largest error of a file in float32.
    limits: Mapping[str, float | None]
    #: Least signal-to-noise ratio of a file in fewer bits; empty of one in float32.
    floors: Mapping[str, float]


def _answers(session: Any, data_sets: Sequence[DataSet]) -> Answered:
    """The answers to each data set that the model takes; SessionError when it takes none."""
    found, trouble = [], None
    for data_set in data_sets:
        try:
            feeds = _feeds(session, data_set.inputs)
            found.append((data_set, runtime.run(session, feeds)))
        except SessionError as error:
            trouble = error
    if not found:
        raise SessionError(f"it takes none of the source's inputs: {trouble}")
    return found


def _feeds(session: Any, inputs: Arrays) -> Arrays:
    """The source's inputs, under the model's names and in its dtypes."""
    feeds: Arrays = {}
    for wanted in session.get_inputs():
        dtype = np.dtype(_NUMPY.get(wanted.type, "float32"))
        if wanted.name in inputs:
            feeds[wanted.name] = inputs[wanted.name].astype(dtype)
        elif wanted.name == "token_type_ids" and "input_ids" in inputs:
            feeds[wanted.name] = np.zeros_like(inputs["input_ids"], dtype=dtype)
        else:
            raise SessionError(
                f"it takes an input '{wanted.name}' that the source does not have "
                f"({', '.join(inputs)})"
            )
    return feeds


_NUMPY = {
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(bool)": "bool",
}


def _finding(name: str, answered: Answered, accepted: _Accepted, weights: Weights) -> Finding:
    """What the output ``name`` is, by the first explanation that its values bear out."""
    got = [answer[name] for _, answer in answered]
    alike = [
        other
        for other in answered[0][0].outputs
        if all(data.outputs[other].shape == a[name].shape for data, a in answered)
    ]
    alike.sort(key=lambda other: other != name)  # its namesake first
    nearest: tuple[float | None, str] | None = None
    for other in alike:
        wanted = [_exact(data, other) for data, _ in answered]
        close, snr = _close(got, wanted, accepted.limits.get(other), accepted.floors.get(other))
        if close:
            return _as_source(name, other, snr, weights)
        if nearest is None:
            nearest = snr, other
    poolings = []
    for other, how, wanted in pooled(answered, got[0].shape):
        close, snr = _close(got, wanted, None, accepted.floors.get(other))
        if close:
            poolings.append((math.inf if snr is None else snr, other, how))
    if poolings:
        # several may be near: those with and without padding differ by 18 dB and more
        snr, other, how = max(poolings)
        detail = f"'{name}' is the source's '{other}' pooled: {how}"
        return Finding("pooling", name, detail, snr if math.isfinite(snr) else None)
    snr, other = nearest or (None, "")
    if not other and weights.same == weights.total:
        shape = list(got[0].shape)
        detail = f"'{name}' of shape {shape} is no output of the source, nor one of them pooled"
        return Finding("interface", name, detail)
    kind = "graph" if weights.total and weights.same == weights.total else "stale"
    if weights.dtype != "float32":
        kind = "stale"  # rounded weights are never the repository's: its numbers do not explain it
    far = "" if snr is None else f" ({snr:.1f} dB)"
    than = f" than the source's '{other}'" if other else ""
    detail = f"'{name}' answers otherwise{than}{far}; {weights.told}"
    return Finding(kind, name, detail, snr)


def _as_source(name: str, other: str, snr: float | None, weights: Weights) -> Finding:
    called = "" if other == name else f", where it is called '{other}'"
    if weights.dtype == "float32":
        return Finding("same", name, f"'{name}' is what the source answers{called}", snr)
    far = "" if snr is None else f", {snr:.1f} dB"
    detail = f"'{name}' is what the source answers{called}, in {weights.dtype}{far}"
    return Finding("dtype", name, detail, snr)


def _exact(data: DataSet, name: str) -> np.ndarray:
    return (data.outputs_fp64 or data.outputs)[name]


def _close(
    got: Sequence[np.ndarray],
    wanted: Sequence[np.ndarray],
    limit: float | None,
    floor: float | None,
) -> tuple[bool, float | None]:
    """Whether answers are the wanted ones, as far as their numbers can tell; and their SNR."""
    if got[0].dtype.kind != "f" or wanted[0].dtype.kind != "f":
        same = all(np.array_equal(a, b) for a, b in zip(got, wanted, strict=True))
        return same, None
    if not all(np.isfinite(array).all() for array in got):
        return False, None
    snr = snr_db(got, wanted)
    pairs = list(zip(got, wanted, strict=True))
    error = max(float(np.abs(a.astype(np.float64) - b).max(initial=0.0)) for a, b in pairs)
    if floor is not None:
        return error == 0 or (snr is not None and snr >= floor), snr
    scale = max(float(np.abs(b).max(initial=0.0)) for b in wanted)
    return error <= max(limit or 0.0, _ROUNDING * scale), snr
