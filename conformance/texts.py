"""Texts that a source generated, and how its components feed one another to generate them.

A generative model is converted as several graphs: an encoder where it has one, a ``prefill``
that reads the prompt, and a ``decode`` that adds one token at a time with the help of a cache.
What is said here is all that a runtime needs to generate with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FeedRule(StrEnum):
    """Where an input of a component comes from."""

    #: The tokens chosen last, ``[batch, 1]``.
    TOKENS = "tokens"
    #: As it was in the component that ran before, with a column of ones more: a mask.
    ONES = "ones"
    #: The last position of before, plus one.
    NEXT = "next"
    #: As it was in the component that ran before.
    KEPT = "kept"
    #: An output of the component that ran before: a cache, what an encoder saw.
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Feed:
    """How one input of a component is made."""

    rule: FeedRule
    #: The output, of a :attr:`FeedRule.ANSWER`.
    output: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """What the source chose greedily for one batch of prompts; ``[row][step]``."""

    tokens: tuple[tuple[int, ...], ...]
    #: By how much the best score led the second best.
    margins: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts of several batches of prompts, and the components that have to choose the same."""

    #: In the order in which they run; the last is repeated, once per token.
    components: tuple[str, ...]
    #: Component to input to how it is made; an input that is missing belongs to the prompt, and
    #: is taken from the component's data set of the same number.
    feeds: dict[str, dict[str, Feed]]
    #: Output ``[batch, length, vocabulary]`` whose last position chooses the next token.
    output: str
    #: One per data set of the components.
    texts: tuple[Text, ...]
