"""How far an output is from its source's, in the terms of the rule that limits it."""

from __future__ import annotations

import math

from conformance.evidence import OutputParity, ParityReport
from conformance.reporters.wording.figures import NOTHING, times, two_digits


def parity_phrase(parity: ParityReport | None) -> str:
    """The worst output against its limit, in the terms of the rule that set the limit."""
    if parity is None:
        return NOTHING
    worst = parity.worst_output
    if worst is None or parity.problems or any(_differs(output) for output in parity.outputs):
        return "differs"
    return output_phrase(worst)


def output_phrase(output: OutputParity) -> str:
    """One output against its limit: ``1.3× noise, limit 3×``, ``0.4 of limit``, ``exact``."""  # noqa: RUF002
    if _differs(output):
        return "differs"
    if output.rule == "exact" or output.ratio is None:
        return "exact" if output.rule == "exact" else NOTHING
    if output.rule == "budget":
        return _budget_phrase(output)
    if output.noise and output.noise_ratio is not None and output.limit is not None:
        return f"{times(output.noise_ratio)} noise, limit {times(output.limit / output.noise)}"
    return f"{two_digits(output.ratio)} of limit"


def _budget_phrase(output: OutputParity) -> str:
    """``SNR 38 dB, budget 20 dB``; of labels, ``98 % same, budget 90 %``."""
    if output.limit is None or output.ratio is None:
        return NOTHING
    if output.rmse is None:
        share = 100 * (1 - output.ratio * output.limit)
        return f"{share:.3g} % same, budget {100 * (1 - output.limit):.3g} %"
    if output.snr_db is None:
        return "exact" if not output.rmse else "no signal"
    # the limit is an error: as many times the found one as the ratio says
    floor_db = output.snr_db + 20 * math.log10(output.ratio)
    return f"SNR {output.snr_db:.3g} dB, budget {floor_db:.3g} dB"


def output_sentence(output: OutputParity) -> str:
    """One output against its limit, in full: what was measured, held against what, and why.

    ``ONNX error 1.3x the framework's own rounding noise (limit 3x)``, or
    ``declared tolerance: 0.4 of limit, because the source cannot compute in float64``.
    """
    parts = [_judged(output)]
    if output.constant:
        parts.append(f"constant by design: {output.constant}")
    if output.set_aside:
        rows = f"{output.set_aside} {'row' if output.set_aside == 1 else 'rows'}"
        parts.append(f"{rows} set aside as ties")
    return "; ".join(parts)


def _judged(output: OutputParity) -> str:
    if _differs(output):
        return "differs"
    if output.rule == "exact":
        return "exactly equal" if not output.ratio else "must be equal, and is not"
    if output.ratio is None:
        return "not measured"
    share = f"{two_digits(output.ratio)} of limit"
    if output.rule != "fp64-referenced":
        because = f", because {output.rule_reason}" if output.rule_reason else ""
        declared = f"declared tolerance: {share}{because}"
        by_budget = f"by its variant's budget: {_budget_phrase(output)}"
        return by_budget if output.rule == "budget" else declared
    if not output.noise or output.noise_ratio is None or output.limit is None:
        return f"ONNX error {share}, the floor alone: the framework showed no rounding noise"
    return (
        f"ONNX error {two_digits(output.noise_ratio)}x the framework's own rounding noise "
        f"(limit {two_digits(output.limit / output.noise)}x)"
    )


def _differs(output: OutputParity) -> bool:
    """Whether an output is wrong in a way that no ratio expresses."""
    return output.problem is not None and output.ratio is None
