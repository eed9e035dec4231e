"""What can be read off the arguments of one generation after another: rules and axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from conformance.adapters.contract import Arrays
from conformance.texts import FeedRule

#: Name of the first axis that none of the entry's explains: the length of a cache, as a rule.
_PAST = "past"


def rules_of(
    steps: Sequence[Sequence[Arrays]], tokens: Sequence[np.ndarray]
) -> dict[str, FeedRule]:
    """How each argument of a step follows from that of the step before and the chosen tokens.

    Args:
        steps: of each batch of prompts, the arguments of every call in order; the first call
            reads the prompt.
        tokens: of each batch, int64 [batch, steps]; column ``n`` was chosen after call ``n``.

    Returns:
        Argument to the one rule that explains all of its values in all calls after the first;
        arguments that none explains are missing.
    """
    found = {}
    for name in steps[0][1]:
        for rule, follows in _FOLLOWS.items():
            if all(
                follows(calls[n - 1].get(name), calls[n].get(name), chosen[:, n - 1 : n])
                for calls, chosen in zip(steps, tokens, strict=True)
                for n in range(1, len(calls))
            ):
                found[name] = rule
                break
    return found


def _equal(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return one is not None and other is not None and np.array_equal(one, other)


def _gains_a_one(before: np.ndarray | None, now: np.ndarray | None) -> bool:
    if before is None or not before.ndim:
        return False
    return _equal(np.concatenate([before, np.ones_like(before[..., :1])], axis=-1), now)


def _advances(before: np.ndarray | None, now: np.ndarray | None) -> bool:
    return before is not None and before.ndim > 0 and _equal(before[..., -1:] + 1, now)


_FOLLOWS: dict[FeedRule, Callable[[np.ndarray | None, np.ndarray | None, np.ndarray], bool]] = {
    FeedRule.TOKENS: lambda _, now, chosen: _equal(now, chosen),
    FeedRule.ONES: lambda before, now, _: _gains_a_one(before, now),
    FeedRule.NEXT: lambda before, now, _: _advances(before, now),
    FeedRule.KEPT: lambda before, now, _: _equal(before, now),
}


def axes_of(
    sets: Sequence[Arrays], known: Mapping[str, tuple[int, ...]]
) -> dict[str, dict[int, str]]:
    """Names for the axes whose size differs between the data sets.

    Args:
        sets: of a component.
        known: axis name of the entry to its size in each set.

    Returns:
        Input to axis to name: the entry's where the sizes are the same, ``NAME_plus_N`` where
        they are N more, else ``past``, ``past_1`` and so on.
    """
    names = dict(known)
    axes: dict[str, dict[int, str]] = {}
    # caches first: what is one longer than they are is named after them
    for name in sorted(sets[0], key=lambda name: sets[0][name].ndim, reverse=True):
        for axis in range(sets[0][name].ndim):
            sizes = tuple(one[name].shape[axis] for one in sets)
            if len(set(sizes)) > 1:
                axes.setdefault(name, {})[axis] = _named(sizes, names)
    return axes


def _named(sizes: tuple[int, ...], names: dict[str, tuple[int, ...]]) -> str:
    for label, others in names.items():
        more = {size - other for size, other in zip(sizes, others, strict=True)}
        if len(more) == 1 and (by := more.pop()) >= 0:
            return f"{label}_plus_{by}" if by else label
    count = sum(label.startswith(_PAST) for label in names)
    label = f"{_PAST}_{count}" if count else _PAST
    names[label] = sizes
    return label
