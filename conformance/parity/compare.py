"""Compare everything a model answered with everything its source answered.

All outputs, by name, order, dtype and shape, on every data set. NaN equals nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from conformance.bundle import DataSet
from conformance.evidence import ParityReport
from conformance.parity.answers import Answers, Finding, dtype_name
from conformance.parity.budget import held_decision
from conformance.parity.decisions import compare_decisions
from conformance.parity.exact import compare_exactly
from conformance.parity.floats import compare_floats, judge_floats
from conformance.parity.terms import Terms
from conformance.tensors import Arrays


def compare(
    data_sets: Sequence[DataSet],
    actual: Sequence[Arrays],
    terms: Terms,
) -> ParityReport:
    """Compare the answers to each data set with what the source answered.

    Args:
        data_sets: inputs and the source's outputs, in the order in which they were run.
        actual: output name to array for each data set, in the model's own order.
        terms: by which they are judged.

    Raises:
        ValueError: when there are no data sets, or not one answer per data set, or when
            margins do not fit their output.
    """
    return _compared(data_sets, actual, terms, compare_floats)


def judge(data_sets: Sequence[DataSet], actual: Sequence[Arrays], terms: Terms) -> ParityReport:
    """Find the problems that :func:`compare` finds, in a fraction of its time.

    Of floats, the report has errors, limits and ratios, but not the figures that are only
    read; and whether an output could have failed is not asked.

    Args:
        data_sets: as for :func:`compare`.
        actual: as for :func:`compare`.
        terms: as for :func:`compare`.

    Raises:
        ValueError: as :func:`compare`.
    """
    return _compared(data_sets, actual, terms, judge_floats)


def _compared(
    data_sets: Sequence[DataSet],
    actual: Sequence[Arrays],
    terms: Terms,
    of_floats: Callable[[Answers, Terms], Finding],
) -> ParityReport:
    if not data_sets or len(data_sets) != len(actual):
        raise ValueError(f"{len(actual)} answers for {len(data_sets)} data sets")
    expected_names = list(data_sets[0].outputs)
    problems = _name_problems(expected_names, actual) + _undeclarable(expected_names, terms)
    outputs = [
        _answers(name, data_sets, actual, terms)
        for name in expected_names
        if all(name in answer for answer in actual)
    ]
    found = {answers.name: _compare_structure(answers) for answers in outputs}
    for answers in outputs:
        if found[answers.name] is None and answers.is_float:
            found[answers.name] = of_floats(answers, terms)
    floats = [finding for finding in found.values() if finding is not None]
    for answers in outputs:
        if found[answers.name] is None:
            found[answers.name] = compare_exactly(answers, terms, floats)
    findings = [finding for finding in found.values() if finding is not None]
    results = tuple(finding.result for finding in findings)
    if all(name in terms.constant for name in expected_names):
        vacuous = "every output is declared constant: nothing reacts to the inputs"
        results = tuple(replace(result, vacuous=vacuous) for result in results)
    decisions = compare_decisions(findings, terms.task)
    if terms.budget is not None:
        decisions = tuple(held_decision(decision, terms.budget) for decision in decisions)
    return ParityReport(
        outputs=results, data_sets=len(data_sets), problems=problems, decisions=decisions
    )


def _answers(
    name: str, data_sets: Sequence[DataSet], actual: Sequence[Arrays], terms: Terms
) -> Answers:
    fp64 = [d.outputs_fp64[name] for d in data_sets if d.outputs_fp64 and name in d.outputs_fp64]
    margins = [d.margins[name] for d in data_sets if d.margins and name in d.margins]
    return Answers(
        name,
        inputs=[data_set.inputs for data_set in data_sets],
        source=[data_set.outputs[name] for data_set in data_sets],
        fp64=fp64 if len(fp64) == len(data_sets) else None,
        why_no_fp64=terms.fp64_unavailable,
        actual=[answer[name] for answer in actual],
        margins=margins if len(margins) == len(data_sets) else None,
    )


def _name_problems(expected: list[str], actual: Sequence[Arrays]) -> tuple[str, ...]:
    missing = [name for name in expected if any(name not in answer for answer in actual)]
    extra = [name for name in dict.fromkeys(n for a in actual for n in a) if name not in expected]
    problems = [f"output '{name}' is missing from the ONNX model" for name in missing]
    problems += [f"the ONNX model has an output '{name}' that the source has not" for name in extra]
    if not expected:
        problems.append("the source has no outputs")
    found = list(actual[0])
    if not problems and expected != found:
        problems.append(f"outputs are in order {found}, the source's in order {expected}")
    return tuple(problems)


def _undeclarable(expected: list[str], terms: Terms) -> tuple[str, ...]:
    return tuple(
        f"'constant_outputs' names '{name}', which is no output of the source (it has {expected})"
        for name in terms.constant
        if name not in expected
    )


def _compare_structure(answers: Answers) -> Finding | None:
    """What is wrong with dtype or shape, or None when the elements can be compared."""
    for number, (want, got) in enumerate(zip(answers.source, answers.actual, strict=True)):
        wanted, found = dtype_name(want.dtype), dtype_name(got.dtype)
        if wanted != found:
            problem = f"dtype is {found}, the source's is {wanted}"
            return Finding(answers, replace(answers.result(), problem=problem))
        if want.shape != got.shape:
            problem = f"shape is {got.shape}, the source's is {want.shape} (data set {number})"
            return Finding(answers, replace(answers.result(), problem=problem))
    if sum(want.size for want in answers.source) == 0:
        vacuous = "it has no elements on any data set"
        return Finding(answers, replace(answers.result(), vacuous=vacuous))
    return None
