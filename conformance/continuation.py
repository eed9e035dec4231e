"""Greedy generation with a cache: the converted components against the source's ``generate``.

The components are fed the source's tokens, so that after a tie both sides still write the same
text; as long as no choice differs, that is the same as letting them go on by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from conformance.errors import SessionError
from conformance.evidence import DecisionParity
from conformance.tensors import Arrays
from conformance.texts import Feed, FeedRule, Text, Texts

#: Runs a component once: input name to array, to output name to array.
Run = Callable[[Arrays], Arrays]

KIND = "generated texts"
#: Both sides may err by the accepted error, one up and one down.
_TIE = 2.0
_MASK = "attention_mask"


@dataclass(frozen=True, slots=True)
class Part:
    """A component as it is asked."""

    name: str
    run: Run
    #: Its data sets: one per batch of prompts.
    prompts: Sequence[Arrays]


@dataclass(frozen=True, slots=True)
class _Blunder:
    """A mistake made on purpose, to see whether the texts would show it."""

    #: The cache stays what it was after the prompt.
    stale: bool = False
    #: The padding is taken for real.
    unmasked: bool = False


_RIGHT = _Blunder()


def compare_texts(texts: Texts, parts: Sequence[Part], accepted_error: float) -> DecisionParity:
    """Let the components choose along the source's texts.

    Args:
        texts: what the source generated.
        parts: the components, in the order of ``texts``.
        accepted_error: largest accepted error of the scores. Where the source's best score led
            by at most twice that, either choice is a tie.

    Returns:
        Texts (rows of all batches) that are the same, token by token; its ``problem`` names the
        first token that is not, its ``blind`` why equal texts would prove nothing.
    """
    tie = _TIE * accepted_error
    total = sum(len(text.tokens) for text in texts.texts)
    length = len(texts.texts[0].tokens[0])
    ties: list[float] = []
    wrong: list[str] = []
    unlike = 0
    for number, text in enumerate(texts.texts):
        found = _differences(texts, parts, number, tie, ties)
        unlike += len(found)
        # the earliest token of the first batch that differs
        wrong += [
            f"batch {number}, row {row}: {said} in place of the source's "
            f"{text.tokens[row][step]}, which led by {text.margins[row][step]:.3g} "
            f"(a tie up to {tie:.3g})"
            for row, (step, said) in sorted(found.items(), key=lambda item: item[1][0])
        ]
    narrowest = min(margin for text in texts.texts for row in text.margins for margin in row)
    problem = None
    if wrong:
        problem = f"greedy generation: {unlike} of {total} texts differ; {wrong[0]}"
    return DecisionParity(
        KIND,
        texts.output,
        total - unlike,
        total,
        len(ties),
        min(ties, default=None),
        problem
        or f"{total} of {total} prompts equal for {length} tokens; the narrowest choice led by "
        f"{narrowest:.3g}, a tie is up to {tie:.3g}{_ties(ties)}",
        problem,
        None if problem else _blindness(texts, parts, tie),
    )


def _ties(ties: list[float]) -> str:
    return f"; {len(ties)} chosen otherwise at a tie" if ties else ""


def _differences(
    texts: Texts, parts: Sequence[Part], number: int, tie: float, ties: list[float]
) -> dict[int, tuple[int, str]]:
    """Row to the step at which it first differs and what was said instead."""
    text = texts.texts[number]
    found: dict[int, tuple[int, str]] = {}
    steps = _choices(texts, parts, number, _RIGHT)
    for step in range(len(text.tokens[0])):
        try:
            chosen = next(steps)
        except (SessionError, _NoScores) as error:
            for row in range(len(text.tokens)):
                found.setdefault(row, (step, f"step {step}: no token ({error})"))
            return found
        for row, token in enumerate(chosen):
            if row in found or token == text.tokens[row][step]:
                continue
            if token is not None and text.margins[row][step] <= tie:
                ties.append(text.margins[row][step])
                continue
            said = "no token (NaN among its scores)" if token is None else f"token {token}"
            found[row] = (step, f"step {step}: {said}")
    return found


class _NoScores(Exception):
    """A component gave nothing that a token could be chosen from."""


def _choices(
    texts: Texts, parts: Sequence[Part], number: int, blunder: _Blunder
) -> Iterator[list[int | None]]:
    """The best token of each row, step by step; None where a score is NaN."""
    wanted = np.array(texts.texts[number].tokens)
    feeds: Arrays = {}
    answers: Arrays = {}
    for part in parts[:-1]:
        made = _made(texts.feeds.get(part.name, {}), feeds, answers, None)
        feeds = {**part.prompts[number], **made}
        if blunder.unmasked:
            feeds = _unmasked(feeds)
        answers = part.run(feeds)
    yield _best(answers, texts.output, len(wanted))
    decode = parts[-1]
    rules = texts.feeds[decode.name]
    first: Arrays = {}
    for step in range(wanted.shape[1] - 1):
        feeds = _made(rules, feeds, answers, wanted[:, step : step + 1])
        first = first or feeds
        if blunder.stale:
            feeds = {
                name: first[name] if rules[name].rule in (FeedRule.ANSWER, FeedRule.ONES) else array
                for name, array in feeds.items()
            }
        answers = decode.run(feeds)
        yield _best(answers, texts.output, len(wanted))


def _made(
    rules: Mapping[str, Feed], before: Arrays, answers: Arrays, tokens: np.ndarray | None
) -> Arrays:
    """The inputs that are made from what ran before.

    Args:
        rules: of the component's inputs.
        before: the inputs of what ran before.
        answers: the outputs of what ran before.
        tokens: chosen last, int64 [batch, 1]; None while the prompt is read.
    """
    made: Arrays = {}
    for name, feed in rules.items():
        if feed.rule is FeedRule.ANSWER:
            if feed.output not in answers:
                raise _NoScores(f"there is no output '{feed.output}'")
            made[name] = answers[feed.output]
        elif feed.rule is FeedRule.TOKENS and tokens is not None:
            made[name] = tokens
        else:
            made[name] = _grown(feed.rule, before[name])
    return made


def _grown(rule: FeedRule, before: np.ndarray) -> np.ndarray:
    if rule is FeedRule.ONES:
        return np.concatenate([before, np.ones_like(before[..., :1])], axis=-1)
    if rule is FeedRule.NEXT:
        following: np.ndarray = before[..., -1:] + 1
        return following
    return before


def _best(answers: Arrays, output: str, rows: int) -> list[int | None]:
    scores = answers.get(output)
    if scores is None:
        raise _NoScores(f"there is no output '{output}'")
    if scores.ndim != 3 or scores.shape[0] != rows or 0 in scores.shape:  # noqa: PLR2004 - [batch, length, vocabulary]
        raise _NoScores(f"output '{output}' has shape {scores.shape}")
    last = scores[:, -1]
    return [None if np.isnan(row).any() else int(np.argmax(row)) for row in last]


def _unmasked(feeds: Arrays) -> Arrays:
    return {
        name: np.ones_like(array) if name.endswith(_MASK) else array
        for name, array in feeds.items()
    }


def _blindness(texts: Texts, parts: Sequence[Part], tie: float) -> str | None:
    """Why equal texts prove nothing, or None: what would have to change them does not."""
    rows = [row for text in texts.texts for row in text.tokens]
    if len(rows) > 1 and len(set(rows)) == 1:
        return "every prompt is answered by the same tokens"
    if all(len(set(row)) == 1 for row in rows):
        return "every text repeats one token"
    if not _noticed(texts, parts, range(len(texts.texts)), tie, _Blunder(stale=True)):
        return "the texts stay the same with a cache that is never written: nothing depends on it"
    padded = [
        number
        for number in range(len(texts.texts))
        if any(
            name.endswith(_MASK) and not array.all()
            for part in parts[:-1]
            for name, array in part.prompts[number].items()
        )
    ]
    if padded and not _noticed(texts, parts, padded, tie, _Blunder(unmasked=True)):
        return "the texts stay the same when padding is taken for real: no mask is checked"
    return None


def _noticed(
    texts: Texts, parts: Sequence[Part], numbers: Sequence[int], tie: float, blunder: _Blunder
) -> bool:
    """Whether components that make a mistake write another text, beyond ties."""
    return any(_is_other(texts.texts[n], _choices(texts, parts, n, blunder), tie) for n in numbers)


def _is_other(text: Text, steps: Iterator[list[int | None]], tie: float) -> bool:
    for step in range(len(text.tokens[0])):
        try:
            chosen = next(steps)
        except (SessionError, _NoScores):
            return True
        if any(
            token != text.tokens[row][step] and text.margins[row][step] > tie
            for row, token in enumerate(chosen)
        ):
            return True
    return False
