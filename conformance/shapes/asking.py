"""What the source answers to the probes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from conformance.bundle import DataSet, ProbeInfo
from conformance.redaction import hide_secrets
from conformance.tensors import Arrays, is_float

#: Longest reason that is kept of why a source rejects a shape.
_REASON_CHARS = 200

Run = Callable[[Arrays], Arrays]


def answer_probes(
    plan: Sequence[tuple[ProbeInfo, Arrays]], run: Run
) -> tuple[list[ProbeInfo], dict[str, DataSet]]:
    """Ask the source what its conversion will be asked.

    Args:
        plan: of :func:`~conformance.shapes.plan.plan_probes`.
        run: the source; whatever it raises means that it rejects the shape.

    Returns:
        The probes, with the reason of those that the source rejects, and the answers to the
        others by their names.
    """
    infos: list[ProbeInfo] = []
    answers: dict[str, DataSet] = {}
    for info, feeds in plan:
        try:
            outputs = run(feeds)
        except Exception as error:  # noqa: BLE001 - every framework has its own ways to refuse a shape
            infos.append(replace(info, source_rejects=_reason(error)))
            continue
        infos.append(info)
        answers[info.name] = DataSet(feeds, outputs, outputs_fp64=None)
    return infos, answers


def answer_probes_in_float64(answers: Mapping[str, DataSet], run: Run) -> dict[str, DataSet]:
    """Ask the source in float64 what it answered in its own precision.

    Args:
        answers: of :func:`answer_probes`.
        run: the source in float64. Where only that fails, or gives other shapes, the probe
            has no float64 reference.
    """
    return {
        name: replace(answer, outputs_fp64=_in_float64(run, answer.inputs, answer.outputs))
        for name, answer in answers.items()
    }


def _in_float64(run: Run, feeds: Arrays, outputs: Arrays) -> Arrays | None:
    try:
        exact = run(feeds)
    except Exception:  # noqa: BLE001 - the answer in the source's own precision is there, and enough
        return None
    for name, array in outputs.items():
        if name not in exact or exact[name].shape != array.shape:
            return None
        if is_float(array.dtype) and exact[name].dtype != np.float64:
            return None
    return exact


def _reason(error: Exception) -> str:
    """What was raised, on one line: its type and the first line that says something.

    TensorFlow announces a traceback of the graph before it comes to the point.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = (line for line in lines if not line.endswith(":") and not line.startswith('File "'))
    line = next(telling, lines[0] if lines else "")
    text = f"{type(error).__name__}: {hide_secrets(line)}" if line else type(error).__name__
    return text if len(text) <= _REASON_CHARS else text[: _REASON_CHARS - 1] + "…"
