"""The operators of mutation, and the order in which their changes are drawn.

A new operator is one function that yields sites, and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from conformance.mutation import attributes, classical, coarse, weights, wiring
from conformance.mutation.subject import Site, Subject


@dataclass(frozen=True, slots=True)
class Operator:
    """A kind of mistake."""

    name: str
    #: Every place of a model where it can be made.
    sites: Callable[[Subject], Iterator[Site]]


OPERATORS = (
    Operator("perturb weight", weights.perturb_weight),
    Operator("zero bias", weights.zero_bias),
    Operator("change constant", weights.change_constant),
    Operator("flip attribute", attributes.flip_attribute),
    Operator("change axis", attributes.change_axis),
    Operator("shift window", attributes.shift_window),
    Operator("drop node", wiring.drop_node),
    Operator("replace operator", wiring.replace_operator),
    Operator("swap operands", wiring.swap_operands),
    Operator("swap outputs", wiring.swap_outputs),
    Operator("skip mask", wiring.skip_mask),
    Operator("ignore input", wiring.ignore_input),
    Operator("perturb coefficients", classical.perturb_coefficients),
    Operator("zero intercepts", classical.zero_intercepts),
    Operator("exchange labels", classical.exchange_labels),
    Operator("move threshold", classical.move_threshold),
    Operator("exchange branches", classical.exchange_branches),
    Operator("reorder leaves", classical.reorder_leaves),
)
#: Of lossy variants, whose budgets accept what the others change.
COARSE_OPERATORS = (
    Operator("shuffle weight", coarse.shuffle_weight),
    Operator("flatten weight", coarse.flatten_weight),
    Operator("swap outputs", wiring.swap_outputs),
    Operator("ignore input", wiring.ignore_input),
)


def draw(
    subject: Subject, seed: int, operators: Sequence[Operator] = OPERATORS
) -> Iterator[tuple[Operator, Site]]:
    """Every possible change once, in an order that the seed decides.

    The operators take turns, each with a site of its own drawn without replacement, so
    that a few mutants already cover many kinds of mistakes.
    """
    rng = np.random.default_rng(seed)
    queues = []
    for operator in operators:
        sites = list(operator.sites(subject))
        if sites:
            queues.append((operator, [sites[i] for i in rng.permutation(len(sites))]))
    queues = [queues[i] for i in rng.permutation(len(queues))]
    for turn in range(max((len(sites) for _, sites in queues), default=0)):
        for operator, sites in queues:
            if turn < len(sites):
                yield operator, sites[turn]
