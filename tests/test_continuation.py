from __future__ import annotations

import numpy as np
import pytest

from conformance.continuation import Part, compare_texts
from conformance.errors import SessionError
from conformance.texts import Feed, FeedRule, Text, Texts

VOCABULARY, LONGEST, STEPS = 40, 64, 20
RNG = np.random.default_rng(0)
KEYS, VALUES = RNG.normal(size=(2, VOCABULARY, 16))
POSITIONS = RNG.normal(size=(LONGEST, 16))
HEAD = RNG.normal(size=(16, VOCABULARY))

FEEDS = {
    "decode": {
        "input_ids": Feed(FeedRule.TOKENS),
        "attention_mask": Feed(FeedRule.ONES),
        "position_ids": Feed(FeedRule.NEXT),
        "input.past.keys": Feed(FeedRule.ANSWER, "past.keys"),
        "input.past.values": Feed(FeedRule.ANSWER, "past.values"),
    }
}


def scores(keys, values, mask):
    """The score of each token after the last position: keys and values count differently."""
    real = mask[..., None]
    hidden = ((np.tanh(keys) + 0.3 * values) * real).sum(1) / np.sqrt(real.sum(1))
    return (hidden @ HEAD)[:, None]


def looked_up(feeds):
    return KEYS[feeds["input_ids"]] + POSITIONS[feeds["position_ids"]], VALUES[feeds["input_ids"]]


def prefill(feeds):
    keys, values = looked_up(feeds)
    logits = scores(keys, values, feeds["attention_mask"])
    return {"logits": logits, "past.keys": keys, "past.values": values}


def decode(feeds):
    keys, values = looked_up(feeds)
    keys = np.concatenate([feeds["input.past.keys"], keys], axis=1)
    values = np.concatenate([feeds["input.past.values"], values], axis=1)
    logits = scores(keys, values, feeds["attention_mask"])
    return {"logits": logits, "past.keys": keys, "past.values": values}


def prompt(seed, rows, length, *, padded=True):
    rng = np.random.default_rng(seed)
    padding = rng.integers(0, length // 2, rows)[:, None] if padded else np.zeros((rows, 1), int)
    mask = (np.arange(length) >= padding).astype("i8")
    positions = np.maximum(np.cumsum(mask, axis=1) - 1, 0)
    ids = rng.integers(0, VOCABULARY, (rows, length))
    return {"input_ids": ids, "attention_mask": mask, "position_ids": positions}


PROMPTS = (prompt(1, 2, 9), prompt(2, 3, 6))


def written(feeds):
    """What the source writes: every token by the whole text so far, without a cache."""
    tokens, margins = [], []
    for _ in range(STEPS):
        last = np.sort(prefill(feeds)["logits"][:, -1])
        chosen = prefill(feeds)["logits"][:, -1].argmax(-1)
        tokens.append(chosen)
        margins.append(last[:, -1] - last[:, -2])
        more = np.ones_like(chosen)
        grown = {
            "input_ids": chosen,
            "attention_mask": more,
            "position_ids": feeds["position_ids"][:, -1] + 1,
        }
        feeds = {n: np.concatenate([a, grown[n][:, None]], axis=1) for n, a in feeds.items()}
    return Text(
        tuple(map(tuple, np.stack(tokens, 1).tolist())),
        tuple(map(tuple, np.stack(margins, 1).tolist())),
    )


def compared(first=prefill, then=decode, *, prompts=PROMPTS, texts=None, error=1e-9):
    wanted = Texts(
        ("prefill", "decode"), FEEDS, "logits", texts or tuple(written(p) for p in prompts)
    )
    parts = [Part("prefill", first, prompts), Part("decode", then, ({},) * len(prompts))]
    return compare_texts(wanted, parts, error)


def test_components_with_a_cache_write_what_the_whole_model_writes():
    """Five prompts of two sizes, padded on the left, are continued alike for twenty tokens."""
    parity = compared()
    assert (parity.problem, parity.blind) == (None, None)
    assert (parity.agreed, parity.total, parity.ties) == (5, 5, 0)
    assert "5 of 5 prompts equal for 20 tokens" in parity.detail


def swapped(feeds):
    return decode(
        {
            **feeds,
            "input.past.keys": feeds["input.past.values"],
            "input.past.values": feeds["input.past.keys"],
        }
    )


def stale(feeds):
    """Forgets what it wrote itself: only the prompt and the newest token are seen."""
    length = min(feeds["input.past.keys"].shape[1], 6)
    kept = np.zeros_like(feeds["attention_mask"])
    kept[:, :length] = 1
    kept[:, -1] = 1
    return decode({**feeds, "attention_mask": feeds["attention_mask"] * kept})


def unmasked(run):
    return lambda feeds: run({**feeds, "attention_mask": np.ones_like(feeds["attention_mask"])})


def refuses(feeds):
    raise SessionError("ONNX Runtime cannot run the model: no Loop")


def without(name, run):
    return lambda feeds: {n: a for n, a in run(feeds).items() if n != name}


def never_a_number(feeds):
    answers = decode(feeds)
    return {**answers, "logits": np.full_like(answers["logits"], np.nan)}


@pytest.mark.parametrize(
    ("first", "then", "text"),
    [
        (prefill, swapped, "in place of the source's"),
        (prefill, stale, "in place of the source's"),
        (unmasked(prefill), unmasked(decode), "in place of the source's"),
        (prefill, unmasked(decode), "in place of the source's"),
        (prefill, refuses, "step 1: no token (ONNX Runtime cannot run the model: no Loop)"),
        (without("past.keys", prefill), decode, "step 1: no token (there is no output 'past.keys'"),
        (without("logits", prefill), decode, "step 0: no token (there is no output 'logits'"),
        (prefill, never_a_number, "step 1: no token (NaN among its scores)"),
        (lambda f: {**prefill(f), "logits": prefill(f)["logits"][0]}, decode, "has shape (1, 40)"),
    ],
    ids=["order", "stale", "unmasked", "late", "refusal", "no-cache", "no-logits", "nan", "shape"],
)
def test_a_component_that_lies_is_caught(first, then, text):
    """Swapped caches, a stale one, an ignored mask and missing answers write other texts."""
    parity = compared(first, then)
    assert text in parity.problem
    assert parity.agreed < parity.total == 5
    assert parity.blind is None


def test_the_first_token_that_differs_is_named():
    """The message tells batch, row, step, both tokens and by how much the source's led."""
    text = written(PROMPTS[1])
    late = [list(row) for row in text.tokens]
    late[2][11] = (late[2][11] + 1) % VOCABULARY
    told = Text(tuple(map(tuple, late)), text.margins)
    parity = compared(texts=(written(PROMPTS[0]), told))
    assert "batch 1, row 2: step 11: token" in parity.problem
    assert f"in place of the source's {late[2][11]}, which led by" in parity.problem


def test_a_tie_is_no_difference():
    """Where the source's lead is within the accepted error, either token will do."""
    text = written(PROMPTS[0])
    tokens, margins = [list(r) for r in text.tokens], [list(r) for r in text.margins]
    last = STEPS - 1  # what follows is not changed by it
    tokens[1][last] = (tokens[1][last] + 1) % VOCABULARY
    margins[1][last] = 1e-9
    told = Text(tuple(map(tuple, tokens)), tuple(map(tuple, margins)))
    parity = compared(texts=(told, written(PROMPTS[1])), error=1e-9)
    assert (parity.problem, parity.agreed, parity.ties) == (None, 5, 1)
    assert parity.narrowest_margin == 1e-9
    margins[1][last] = 1e-3
    apart = Text(told.tokens, tuple(map(tuple, margins)))
    assert compared(texts=(apart, written(PROMPTS[1]))).problem is not None


def always(token, run):
    def answer(feeds):
        answers = run(feeds)
        logits = np.zeros_like(answers["logits"])
        logits[..., token] = 1
        return {**answers, "logits": logits}

    return answer


def by_last_token(run):
    """The next token is the last one plus one: neither the cache nor the mask matters."""

    def answer(feeds):
        answers = run(feeds)
        logits = np.zeros_like(answers["logits"])
        logits[np.arange(len(logits)), 0, (feeds["input_ids"][:, -1] + 1) % VOCABULARY] = 1
        return {**answers, "logits": logits}

    return answer


def text_of(tokens):
    return Text(tuple(map(tuple, tokens)), tuple((1.0,) * len(row) for row in tokens))


def test_texts_that_could_not_differ_prove_nothing():
    """Repeated tokens, one text for all prompts and an unused cache make the check vacuous."""
    same = text_of([[7] * STEPS] * 2), text_of([[7] * STEPS] * 3)
    parity = compared(always(7, prefill), always(7, decode), texts=same)
    assert "every prompt is answered by the same tokens" in parity.blind
    counted = tuple(
        text_of((p["input_ids"][:, -1:] + 1 + np.arange(STEPS)) % VOCABULARY) for p in PROMPTS
    )
    parity = compared(by_last_token(prefill), by_last_token(decode), texts=counted)
    assert "a cache that is never written" in parity.blind
    assert parity.problem is None


def test_padding_that_changes_nothing_is_told():
    """With prompts whose padding could be taken for real unnoticed, the mask is not checked."""

    def deaf(run):
        def answer(feeds):
            mask = np.ones_like(feeds["attention_mask"])
            mask[:, : mask.shape[1] // 4] = 0  # what the sources of this test never look at
            return run({**feeds, "attention_mask": mask})

        return answer

    def text(feeds):
        return written_by(deaf(prefill), deaf(decode), feeds)

    parity = compared(deaf(prefill), deaf(decode), texts=tuple(map(text, PROMPTS)))
    assert "no mask is checked" in parity.blind
    unpadded = (prompt(1, 2, 9, padded=False), prompt(2, 3, 6, padded=False))
    assert compared(prompts=unpadded).blind is None


def written_by(first, then, feeds):
    answers, tokens, margins = first(feeds), [], []
    for _ in range(STEPS):
        last = answers["logits"][:, -1]
        tokens.append(last.argmax(-1))
        margins.append(np.sort(last)[:, -1] - np.sort(last)[:, -2])
        ones = np.ones_like(feeds["attention_mask"][:, :1])
        feeds = {
            "input_ids": tokens[-1][:, None],
            "attention_mask": np.concatenate([feeds["attention_mask"], ones], axis=1),
            "position_ids": feeds["position_ids"][:, -1:] + 1,
            "input.past.keys": answers["past.keys"],
            "input.past.values": answers["past.values"],
        }
        answers = then(feeds)
    return Text(
        tuple(map(tuple, np.stack(tokens, 1).tolist())),
        tuple(map(tuple, np.stack(margins, 1).tolist())),
    )
