"""What the ONNX model makes of the probes that its source answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from conformance.bundle import Bundle, DataSet, ProbeInfo
from conformance.errors import SessionError
from conformance.evidence import (
    Generalization,
    OutputParity,
    ParityReport,
    ShapeOutcome,
    ShapeProbe,
)
from conformance.parity.answers import Answers
from conformance.parity.budget import FEW, PROBE_FACTOR, RULE, for_probes
from conformance.parity.compare import judge
from conformance.parity.terms import Terms
from conformance.parity.ties import undecided
from conformance.shapes.agreement import padding_checks
from conformance.shapes.apart import run_apart
from conformance.shapes.plan import dynamic_axes
from conformance.tensors import Arrays, is_float

Run = Callable[[Arrays], Arrays]

#: The rule that accepts one error of all elements of an output.
_ONE_LIMIT = "fp64-referenced"


@dataclass(frozen=True, slots=True)
class _Yardstick:
    """What a probe is held against."""

    traced: DataSet
    terms: Terms
    #: Output name to the accepted error of the data sets, where it is one number: the largest,
    #: of a lossy variant the root mean square.
    limits: Mapping[str, float]


def generalization(
    bundle: Bundle, traced: tuple[DataSet, Arrays], run: Run, terms: Terms, report: ParityReport
) -> Generalization:
    """Ask the ONNX model the probes of a bundle, and hold it against its source.

    Args:
        bundle: whose manifest names the probes; empty if it names none.
        traced: the data set of the traced shape, and what the ONNX model answers to it.
        run: the ONNX model.
        terms: of the case. A probe has at least the rounding noise, and the limits, of the
            data sets: one small answer may be luckily exact, and of a small scale.
        report: of all data sets, by these terms.

    Raises:
        CorruptBundle: when a probe cannot be read.
    """
    probes = bundle.manifest.probes
    if not probes:
        return Generalization()
    # what other shapes say is whether answers are right; that they react, and which decisions
    # they lead to, has been judged on the data sets
    terms = replace(terms, noise=report.noise, constant={}, task=None)
    budget = None if terms.budget is None else for_probes(terms.budget)
    by = _Yardstick(traced[0], replace(terms, budget=budget), _limits(report))
    sizes = [info for info in probes if info.kind == "size"]
    judged = [_judge(info, bundle, run, by) for info in sizes]
    judged += _traced(bundle, traced[1], by, {info.axis for info in sizes})
    order = list(dict.fromkeys(info.axis for info in sizes))
    judged.sort(key=lambda probe: (order.index(probe.axis), probe.size))
    padding = padding_checks(bundle, traced, run, terms, by.limits)
    return Generalization(tuple(judged), tuple(padding))


def _limits(report: ParityReport) -> dict[str, float]:
    """The limits that the data sets were judged by, of the outputs that have one for all."""
    found = {
        output.name: output.limit
        for output in report.outputs
        if output.limit is not None and output.rule == _ONE_LIMIT
    }
    return found | {
        output.name: PROBE_FACTOR * output.limit
        for output in report.outputs
        if output.limit is not None and output.rule == RULE and output.rmse is not None
    }


def _traced(bundle: Bundle, answer: Arrays, by: _Yardstick, axes: set[str]) -> list[ShapeProbe]:
    """Data set 0, as the probe that it is of every axis."""
    found = _compared(by.traced, answer, by)
    return [
        ShapeProbe(axis.name, axis.size(by.traced.inputs), *found)
        for axis in dynamic_axes(bundle.manifest.case.entry.dynamic_axes())
        if axis.name in axes
    ]


def _judge(info: ProbeInfo, bundle: Bundle, run: Run, by: _Yardstick) -> ShapeProbe:
    rejects = info.source_rejects
    if rejects is None:
        probe = bundle.probe(info)
        rejects = _no_answer(probe)
    if rejects is not None:
        return ShapeProbe(info.axis, info.size, ShapeOutcome.SOURCE_REJECTS, detail=rejects)
    try:
        # a kernel that crashes on no elements must not take the whole proof with it
        answer = run(probe.inputs) if info.size else run_apart(run, probe.inputs)
    except SessionError as error:
        return ShapeProbe(info.axis, info.size, ShapeOutcome.REJECTS, detail=str(error))
    return ShapeProbe(info.axis, info.size, *_compared(probe, answer, by))


def _no_answer(probe: DataSet) -> str | None:
    """Why the source's answer is none; there is no right value for a mean of nothing."""
    for name, array in probe.outputs.items():
        if is_float(array.dtype) and not np.isfinite(array).all():
            return f"it answers NaN or infinity in output '{name}'"
    return None


def _compared(
    probe: DataSet, answer: Arrays, by: _Yardstick
) -> tuple[ShapeOutcome, float | None, str | None]:
    probe, answer = _decided(probe, answer, by.traced)
    report = judge([probe], [answer], by.terms)
    report = replace(report, outputs=tuple(_granted(o, by.limits) for o in report.outputs))
    untold = None
    if by.terms.budget is not None:
        report, untold = _without_few(report, probe)
    ratio = max((o.ratio for o in report.outputs if o.ratio is not None), default=None)
    if not report.all_problems:
        return ShapeOutcome.WORKS, ratio, untold
    detail = report.all_problems[0].replace(" (data set 0)", "").replace(" of data set 0", "")
    if _is_static(answer, probe.outputs, by.traced.outputs):
        return ShapeOutcome.SILENTLY_STATIC, ratio, detail
    return ShapeOutcome.WRONG_VALUES, ratio, detail


def _without_few(report: ParityReport, probe: DataSet) -> tuple[ParityReport, str | None]:
    """A lossy variant's report without what few labels say, and what is not checked for that."""
    few = [
        output
        for output in report.outputs
        if output.rule == RULE and output.rmse is None and probe.outputs[output.name].size < FEW
    ]
    if not few:
        return report, None
    outputs = tuple(
        replace(output, ratio=None, problem=None) if output in few else output
        for output in report.outputs
    )
    names = ", ".join(f"'{output.name}'" for output in few)
    untold = f"not checked: the values of {names}, too few to ask a share of"
    return replace(report, outputs=outputs, decisions=()), untold


def _granted(output: OutputParity, limits: Mapping[str, float]) -> OutputParity:
    """The output, accepted where the data sets were granted a wider limit that it keeps."""
    limit = limits.get(output.name, 0.0)
    error = {_ONE_LIMIT: output.max_abs, RULE: output.rmse}.get(output.rule)
    if error is None or output.limit is None:
        return output
    if not output.limit < limit or error > limit:
        return output
    return replace(output, limit=limit, ratio=error / limit, problem=None)


def _is_static(answer: Arrays, wanted: Arrays, traced: Arrays) -> bool:
    """Whether every output of another shape than wanted has kept to sizes of the traced one."""
    others = [n for n, array in wanted.items() if n in answer and answer[n].shape != array.shape]
    return bool(others) and all(
        answer[name].ndim == wanted[name].ndim == traced[name].ndim
        and all(
            got in (want, before)
            for got, want, before in zip(
                answer[name].shape, wanted[name].shape, traced[name].shape, strict=True
            )
        )
        for name in others
    )


def _decided(probe: DataSet, answer: Arrays, traced: DataSet) -> tuple[DataSet, Arrays]:
    """Both without the rows that a tree may split either way.

    Margins are known where a probe repeats the rows of the traced set. What is a rare tie
    there may be repeated too often here to be set aside as one.
    """
    margins = _repeated_margins(traced, probe)
    outputs, found = dict(probe.outputs), dict(answer)
    exact = None if probe.outputs_fp64 is None else dict(probe.outputs_fp64)
    for name, distances in margins.items():
        source, actual = outputs[name], answer.get(name)
        if actual is None or actual.shape != source.shape:
            continue
        rows = Answers(name, [probe.inputs], [source], None, None, [actual], [distances])
        clear = ~undecided(rows)
        outputs[name], found[name] = source[clear], actual[clear]
        if exact is not None:
            exact[name] = exact[name][clear]
    return replace(probe, outputs=outputs, outputs_fp64=exact, margins=None), found


def _repeated_margins(traced: DataSet, probe: DataSet) -> Arrays:
    """Margins of a probe that repeats the rows of the traced set; none where others are asked."""
    if traced.margins is None or any(not array.ndim for array in traced.inputs.values()):
        return {}
    rows = {len(array) for array in traced.inputs.values()}
    sizes = {len(array) for array in probe.inputs.values()}
    if len(rows) != 1 or len(sizes) != 1 or rows == {0}:
        return {}
    repeats = np.arange(sizes.pop()) % rows.pop()
    if all(np.array_equal(probe.inputs[n], array[repeats]) for n, array in traced.inputs.items()):
        return {name: margins[repeats] for name, margins in traced.margins.items()}
    return {}
