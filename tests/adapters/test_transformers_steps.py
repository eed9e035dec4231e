from __future__ import annotations

import numpy as np

from conformance.adapters.transformers_steps import axes_of, rules_of
from conformance.texts import FeedRule

TOKENS = np.array([[5, 6, 7], [8, 9, 10]])


def calls(*, length=4, tokens=TOKENS):
    """The arguments of three calls, as a decoder with padding is called."""
    mask = np.ones((2, length), int)
    mask[1, 0] = 0
    made = [
        {
            "input_ids": np.arange(2 * length).reshape(2, length),
            "attention_mask": mask,
            "position_ids": np.arange(length)[None].repeat(2, 0),
            "encoder": np.full((2, 3), 0.5),
        }
    ]
    for step in range(2):
        last = made[-1]
        made.append(
            {
                "input_ids": tokens[:, step : step + 1],
                "attention_mask": np.pad(last["attention_mask"], [(0, 0), (0, 1)], mode="edge"),
                "position_ids": last["position_ids"][:, -1:] + 1,
                "encoder": last["encoder"],
            }
        )
    return made


def test_every_argument_of_a_step_has_its_rule():
    """Tokens, a growing mask, the next position and what stays are told apart by their values."""
    assert rules_of([calls(), calls(length=6)], [TOKENS, TOKENS]) == {
        "input_ids": FeedRule.TOKENS,
        "attention_mask": FeedRule.ONES,
        "position_ids": FeedRule.NEXT,
        "encoder": FeedRule.KEPT,
    }


def test_a_rule_has_to_hold_in_every_call_of_every_batch():
    """An argument that once does something else has no rule, so it is not guessed."""
    odd = calls()
    odd[2]["attention_mask"] = odd[2]["attention_mask"].copy()
    odd[2]["attention_mask"][0, -1] = 0
    odd[2]["encoder"] = odd[2]["encoder"] + 1
    rules = rules_of([calls(), odd], [TOKENS, TOKENS])
    assert rules.keys() == {"input_ids", "position_ids"}


def test_an_argument_that_the_prompt_did_not_have_follows_from_nothing():
    """What appears at the first step only cannot be said to be kept or to grow."""
    made = calls()
    for call in made[1:]:
        call["late"] = np.ones((2, 1))
    assert "late" not in rules_of([made], [TOKENS])


def test_axes_are_named_after_those_of_the_entry():
    """Equal sizes get the entry's name, longer ones say by how much, others are the past."""
    sets = [
        {
            "mask": np.ones((batch, past + 1)),
            "past": np.ones((batch, 4, past, 8)),
            "states": np.ones((batch, tokens, 8)),
        }
        for batch, tokens, past in ((2, 9, 12), (3, 6, 11))
    ]
    assert axes_of(sets, {"batch": (2, 3), "tokens": (9, 6)}) == {
        "past": {0: "batch", 2: "past"},
        "states": {0: "batch", 1: "tokens"},
        "mask": {0: "batch", 1: "past_plus_1"},
    }
