"""Greedy generation: the tokens that a causal language model chooses, one after another.

Logits within their tolerance do not yet say that a user reads the same text: each token is
appended to the prompt of the next, so the model is also run at sizes of its own making.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from conformance.bundle import Generation
from conformance.errors import SessionError
from conformance.evidence import DecisionParity
from conformance.tensors import Arrays, is_float

#: Runs a model once: input name to array, to output name to array.
Run = Callable[[Arrays], Arrays]

_IDS, _MASK, _POSITIONS, _TYPES = "input_ids", "attention_mask", "position_ids", "token_type_ids"
_LOGITS = "logits"
_KIND = "greedy tokens"
#: Both sides may err by the accepted error, one up and one down.
_TIE = 2.0


def generate_greedily(run: Run, feeds: Arrays, steps: int) -> Generation | None:
    """Let a causal language model continue a prompt, by its best token at each step.

    Args:
        run: the source; called once per step.
        feeds: data set 0: ``input_ids`` ``[batch, sequence]`` and, of the same shape if at
            all, ``attention_mask``, ``position_ids`` and ``token_type_ids``. The prompt is the
            first row whose mask hides nothing, else the real positions of the first row; it fills
            the whole batch, whose size is never changed.
        steps: how many tokens to choose.

    Returns:
        The tokens; fewer than ``steps`` where the source refuses a longer prompt, as beyond
        its last position. None when the model is no generator: other inputs, or no single
        output ``[batch, sequence, vocabulary]`` of floats (one named ``logits`` is preferred).
    """
    prompt = _prompt(feeds)
    if prompt is None:
        return None
    output: str | None = None
    tokens: list[int] = []
    margins: list[float] = []
    for _ in range(steps):
        try:
            answers = run(prompt)
        except Exception:  # noqa: BLE001 - any framework's way to say that the prompt is too long
            break
        output = output or _scores_output(answers, prompt[_IDS].shape)
        if output is None:
            return None
        token, margin = _choice(answers[output])
        if not np.isfinite(margin):
            break  # NaN chooses nothing; the comparison of the logits themselves tells of it
        tokens.append(token)
        margins.append(margin)
        prompt = _grown(prompt, token)
    if output is None or not tokens:
        return None
    return Generation(output, tuple(tokens), tuple(margins))


def compare_generation(
    wanted: Generation, run: Run, feeds: Arrays, accepted_error: float
) -> DecisionParity:
    """Let the converted model choose along the source's tokens, up to the first real difference.

    Args:
        wanted: what the source chose.
        run: the converted model.
        feeds: data set 0, as :func:`generate_greedily` was given.
        accepted_error: largest accepted error of the output that tokens are chosen by. Where
            the source's margin is at most twice that, either choice is a tie, and the
            comparison goes on with the source's token.

    Raises:
        ValueError: when ``feeds`` hold no prompt, so nothing can have been generated.
    """
    prompt = _prompt(feeds)
    if prompt is None:
        raise ValueError(f"no prompt in {list(feeds)}")
    total = len(wanted.tokens)
    ties: list[tuple[int, float]] = []
    for step, (token, margin) in enumerate(zip(wanted.tokens, wanted.margins, strict=True)):
        actual = _answer(run, prompt, wanted.output)
        if actual != token:
            tie = isinstance(actual, int) and margin <= _TIE * accepted_error
            if not tie:
                chosen = f"token {actual}" if isinstance(actual, int) else actual
                problem = (
                    f"greedy generation: {chosen} at step {step} in place of the source's {token}, "
                    f"which led by {margin:.3g} (a tie up to {_TIE * accepted_error:.3g})"
                )
                narrowest = min([margin, *(tied for _, tied in ties)])
                agreed = step - len(ties)
                return DecisionParity(
                    _KIND, wanted.output, agreed, total, len(ties), narrowest, problem, problem
                )
            ties.append((step, margin))
        prompt = _grown(prompt, token)
    if not ties:
        return DecisionParity(_KIND, wanted.output, total, total)
    step, narrowest = min(ties, key=lambda tie: tie[1])
    detail = (
        f"{len(ties)} of {total} tokens differ as ties, the closest at step {step}, where the "
        f"source's best two scores are {narrowest:.3g} apart"
    )
    return DecisionParity(
        _KIND, wanted.output, total - len(ties), total, len(ties), narrowest, detail
    )


def _prompt(feeds: Arrays) -> Arrays | None:
    """One row without padding, in every place of the batch; None where there is none."""
    ids = feeds.get(_IDS)
    if ids is None or ids.ndim != 2 or ids.dtype.kind not in "iu" or not ids.size:  # noqa: PLR2004 - [batch, sequence]
        return None
    if any(
        name not in (_IDS, _MASK, _POSITIONS, _TYPES) or array.shape != ids.shape
        for name, array in feeds.items()
    ):
        return None
    real = feeds[_MASK] != 0 if _MASK in feeds else np.ones(ids.shape, dtype=bool)
    row = int(np.argmax(real.all(axis=1)))  # the first full row, or row 0 if there is none
    if not real[row].any():
        return None
    rows = [row] * len(ids)
    return {name: array[rows][:, real[row]] for name, array in feeds.items()}


def _grown(prompt: Arrays, token: int) -> Arrays:
    """The prompt with one more token, which is real, next in position and of the last type."""
    grown: Arrays = {}
    for name, array in prompt.items():
        last = array[:, -1:]
        if name == _IDS:
            further = np.full_like(last, token)
        elif name == _MASK:
            further = np.ones_like(last)
        else:
            further = last + 1 if name == _POSITIONS else last
        grown[name] = np.concatenate([array, further], axis=1)
    return grown


def _scores_output(answers: Arrays, positions: tuple[int, ...]) -> str | None:
    """The output that scores the next token, one row of scores per position."""
    fitting = [
        name
        for name, array in answers.items()
        if is_float(array.dtype) and array.shape[:2] == positions and _is_choice(array)
    ]
    if _LOGITS in fitting:
        return _LOGITS
    return fitting[0] if len(fitting) == 1 else None


def _is_choice(scores: np.ndarray) -> bool:
    return scores.ndim == 3 and scores.shape[1] > 0 and scores.shape[2] > 1  # noqa: PLR2004 - [batch, sequence, vocabulary]


def _choice(scores: np.ndarray) -> tuple[int, float]:
    """The best token of the last position and its lead; a lead of NaN when it has none."""
    last = scores[0, -1].astype(np.float64)
    if np.isnan(last).any():
        return int(np.argmax(last)), float("nan")
    second, first = np.partition(last, -2)[-2:]
    return int(np.argmax(last)), float(first - second)


def _answer(run: Run, prompt: Arrays, output: str) -> int | str:
    """The token that the converted model chooses, or what it did instead."""
    try:
        answers = run(prompt)
    except SessionError as error:
        return f"no token ({error})"
    scores = answers.get(output)
    if scores is None or not _is_choice(scores):
        shape = "is missing" if scores is None else f"has shape {scores.shape}"
        return f"no token (output '{output}' {shape})"
    token, margin = _choice(scores)
    return "no token (NaN among its scores)" if np.isnan(margin) else token
