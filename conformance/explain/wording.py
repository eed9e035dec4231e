"""The one sentence that says which step brings an error in."""

from __future__ import annotations

import math

from conformance.evidence import Divergence, Guilty
from conformance.explain.question import Question
from conformance.explain.waterfall import Waterfall

_PLAIN = "ONNX Runtime without optimizations"


def summary(
    asked: Question, waterfall: Waterfall, guilty: Guilty | None, divergence: Divergence | None
) -> str:
    """Which step, by how much, and at which node."""
    limit = f"(limit {asked.limit:.2g})"
    if guilty is None:
        return f"no step brings in more than the limit of '{asked.output}' accepts {limit}"
    off = f"{waterfall.error:.2g} away" if math.isfinite(waterfall.error) else "beyond comparison"
    if guilty is Guilty.CONVERTER:
        way = _PLAIN if waterfall.undecided else _exact_way(waterfall)
        said = f"{way} is already {off} from the source"
    elif waterfall.between is None:
        said = f"{_PLAIN} is {off} from the source"
    else:
        trusted, suspect = waterfall.between
        names = {
            Guilty.KERNEL: (_PLAIN, f"the same graph, {trusted.name}"),
            Guilty.OPTIMIZATION: ("ONNX Runtime with its optimizations", "itself without them"),
        }
        one, other = names.get(guilty, (suspect.name, f"{trusted.name} on cpu"))
        said = f"{one} is {off} from {other}"
    return f"{guilty}: {said} {limit}{_where(guilty, divergence)}"


def _exact_way(waterfall: Waterfall) -> str:
    float64 = next(step for step in waterfall.steps if step.name == "ONNX in float64")
    # the step has a note in place of an answer where float32 had to do
    precision = "float32 by the reference evaluator" if float64.error is None else "float64"
    return f"in {precision} the ONNX graph"


def _where(guilty: Guilty, divergence: Divergence | None) -> str:
    if divergence is None:
        return ""
    node = f"node '{divergence.node}' ({divergence.op_type})"
    place = f", {divergence.location}" if divergence.location else ""
    if guilty is Guilty.CONVERTER:
        return f"; first lost at {node}{place}"
    role = "" if divergence.originates else ", which alone does not bring it in"
    return f"; first at {node}{place}{role}"
