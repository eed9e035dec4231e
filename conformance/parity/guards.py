"""Guards against comparisons that could not have failed.

The judges are wrong answers: all zeros here, the answers to other inputs in
:mod:`conformance.parity.reaction`. An output on which one of them would pass everywhere proves
nothing about a conversion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from conformance.evidence import OutputParity
from conformance.parity.answers import Answers, Float64Array
from conformance.parity.errors import largest_magnitude
from conformance.parity.reaction import movement, moving
from conformance.tensors import float_info

#: Rounding noise in ulps of what an output moves, beyond which its exact reference is no
#: reference: 0.1 % in float32, over ten times what the least steady model of the zoo shows.
_LARGEST_NOISE_ULPS = 2.0**13
#: The same in half precision, as a share: three times that is all that a limit may leave open.
_LARGEST_NOISE_SHARE = 0.1


def non_finite(
    reference: NDArray[np.bool_], actual: NDArray[np.bool_]
) -> tuple[str | None, str | None]:
    """What NaN and infinity mean for an output: (problem, reason why it is vacuous).

    A value that is finite on one side only is a difference. NaN or infinity on both sides
    says nothing about the conversion: NaN equals nothing.

    Args:
        reference: which elements of the source are finite.
        actual: which elements of the model are finite; not all of both are.
    """
    for one, other, text in (
        (reference, actual, "NaN or infinite, the source's are finite"),
        (actual, reference, "finite, the source's are NaN or infinite"),
    ):
        if count := int(np.count_nonzero(one & ~other)):
            return f"{count} of {actual.size} elements are {text}", None
    both = int(np.count_nonzero(~reference & ~actual))
    return None, f"{both} of {actual.size} elements are NaN or infinite on both sides"


def forgiving(
    reference: Sequence[np.ndarray], accepted: Sequence[NDArray[np.float64]]
) -> str | None:
    """Why a limit would let any small answer pass, or None when it would not.

    The judge is the answer of all zeros: when that is accepted everywhere, the output's scale
    is within its own limit.

    Args:
        reference: what is expected on each data set, all finite.
        accepted: the largest accepted error of each element.
    """
    pairs = list(zip(reference, accepted, strict=True))
    # an output's first elements mostly tell, without going through millions of others
    if any((np.abs(r[:1]) > a[:1]).any() for r, a in pairs if r.ndim):
        return None
    if any((np.abs(r) > a).any() for r, a in pairs):
        return None
    scale, limit = largest_magnitude(reference), largest_magnitude(accepted)
    return f"its largest magnitude {scale:.3g} is within the limit {limit:.3g}: zeros would pass"


def noisy(answers: Answers, noise: float) -> str | None:
    """Why an output's rounding noise is too large to be rounding, or None when it is not.

    Args:
        answers: an output of floats with a float64 reference.
        noise: the source's own error.
    """
    moves = movement(answers.wanted)
    eps = max(float(float_info(t).eps) for t in (answers.actual[0].dtype, np.dtype(np.float32)))
    if moves == 0 or noise <= min(_LARGEST_NOISE_ULPS * eps, _LARGEST_NOISE_SHARE) * moves:
        return None
    return (
        f"the source's rounding noise {noise:.3g} is {100 * noise / moves:.2g} % of what the "
        f"output moves over all inputs ({moves:.3g}): its float64 copy is another model, or its "
        "own precision does not carry it; any answer about as wrong would pass"
    )


def held_constant(
    answers: Answers,
    result: OutputParity,
    accepted: Sequence[Float64Array] | None,
    reason: str,
) -> OutputParity:
    """The result of an output that is declared constant: true to it, or a problem."""
    result = replace(result, constant=reason)
    moves = moving(answers, accepted)
    if moves is None or result.problem is not None:
        return result
    problem = (
        f"declared constant ({reason}), but it moves {moves}: remove it from 'constant_outputs'"
    )
    return replace(result, problem=problem)
