from __future__ import annotations

import numpy as np
import pytest

from conformance import runtime
from conformance.adapters import adapter_for
from conformance.adapters.contract import Job
from conformance.bundle import Generation
from conformance.entry import ZooEntry
from conformance.errors import SessionError
from conformance.generation import compare_generation, generate_greedily
from conformance.model import Case

VOCABULARY, LONGEST = 40, 32


class Toy:
    """A causal language model: the scores at a position depend on all tokens up to it."""

    def __init__(self, *, seed=0, shift=0, error=0.0, output="logits"):
        rng = np.random.default_rng(seed)
        self.embeddings = rng.normal(size=(VOCABULARY, 16))
        self.positions = rng.normal(size=(LONGEST, 16))
        self.head = rng.normal(size=(16, VOCABULARY))
        self.shift, self.error, self.output = shift, error, output
        self.seen = []

    def __call__(self, feeds):
        self.seen.append(feeds)
        ids = feeds["input_ids"]
        places = feeds.get("position_ids", np.broadcast_to(np.arange(ids.shape[1]), ids.shape))
        mask = feeds.get("attention_mask", np.ones_like(ids))[..., None]
        hidden = np.cumsum((self.embeddings[ids] + self.positions[places]) * mask, axis=1)
        logits = np.tanh(hidden) @ self.head
        logits[..., 7] += self.error
        return {self.output: np.roll(logits, self.shift, axis=1).astype("f4")}


def prompt(rows=2, length=5, **more):
    ids = np.random.default_rng(1).integers(0, VOCABULARY, (rows, length))
    return {"input_ids": ids, **more}


def test_each_token_is_the_best_one_after_those_before():
    """The tokens are those of a loop written out by hand, with their leads."""
    feeds = prompt()
    made = generate_greedily(Toy(), feeds, 4)
    ids, model = feeds["input_ids"][:1], Toy()
    for token, margin in zip(made.tokens, made.margins, strict=True):
        scores = np.sort(model({"input_ids": ids})["logits"][0, -1].astype("f8"))
        assert margin == scores[-1] - scores[-2]
        assert token == int(np.argmax(model({"input_ids": ids})["logits"][0, -1]))
        ids = np.concatenate([ids, [[token]]], axis=1)
    assert (made.output, len(made.tokens)) == ("logits", 4)
    assert len(set(made.tokens)) > 1


def test_the_prompt_is_the_first_row_without_padding():
    """A padded row is passed over for a full one; mask, positions and types grow with the ids."""
    more = {
        "attention_mask": np.array([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]]),
        "position_ids": np.array([[0, 0, 0, 1, 2], [3, 4, 5, 6, 7]]),
        "token_type_ids": np.array([[0, 0, 0, 0, 0], [0, 0, 0, 1, 1]]),
    }
    model = Toy()
    feeds = prompt(**more)
    made = generate_greedily(model, feeds, 3)
    last = model.seen[-1]
    assert last["input_ids"].tolist() == [[*feeds["input_ids"][1], *made.tokens[:2]]] * 2
    assert last["attention_mask"].tolist() == [[1] * 7] * 2
    assert last["position_ids"].tolist() == [[3, 4, 5, 6, 7, 8, 9]] * 2
    assert last["token_type_ids"].tolist() == [[0, 0, 0, 1, 1, 1, 1]] * 2
    assert {name: array.dtype for name, array in last.items()} == {
        name: array.dtype for name, array in feeds.items()
    }


def test_where_every_row_is_padded_the_first_is_cut_to_its_real_length():
    """Padding on either side is no part of the prompt."""
    mask = np.array([[0, 1, 1, 1, 0], [1, 0, 0, 0, 0]])
    model, feeds = Toy(), prompt(attention_mask=mask)
    generate_greedily(model, feeds, 1)
    assert model.seen[0]["input_ids"].tolist() == [feeds["input_ids"][0, 1:4].tolist()] * 2


@pytest.mark.parametrize(
    ("model", "feeds"),
    [
        (Toy(), {"x": np.ones((2, 3))}),
        (Toy(), {"input_ids": np.ones((2, 3))}),
        (Toy(), prompt(pixel_values=np.ones((2, 3, 8, 8)))),
        (Toy(), prompt(attention_mask=np.zeros((2, 5), int))),
        (lambda feeds: {"logits": np.ones((len(feeds["input_ids"]), 2), "f4")}, prompt()),
        (lambda feeds: dict.fromkeys("ab", np.ones((2, 5, 9), "f4")), prompt()),
    ],
    ids=["no ids", "float ids", "image", "all padding", "classifier", "two candidates"],
)
def test_what_is_no_generator_generates_nothing(model, feeds):
    """Other inputs or outputs than a causal language model's are left alone."""
    assert generate_greedily(model, feeds, 4) is None


def test_a_source_that_takes_no_longer_prompt_stops_early():
    """At the last position of the source, the tokens so far are what is compared."""
    made = generate_greedily(Toy(), prompt(length=LONGEST - 2), 8)
    assert len(made.tokens) == 3


def test_the_same_model_agrees_on_every_token():
    """An honest conversion takes every decision alike."""
    feeds = prompt()
    parity = compare_generation(generate_greedily(Toy(), feeds, 8), Toy(), feeds, 1e-6)
    assert (parity.kind, parity.output) == ("greedy tokens", "logits")
    assert (parity.agreed, parity.total, parity.ties) == (8, 8, 0)
    assert parity.problem is parity.narrowest_margin is None


def refuses(feeds):
    raise SessionError("ONNX Runtime cannot run the model: no Loop")


LIARS = [
    (Toy(shift=1), "in place of the source's"),
    (Toy(seed=3), "at step 0 in place of the source's"),
    (Toy(error=float("nan")), "no token (NaN among its scores) at step 0"),
    (Toy(output="scores"), "no token (output 'logits' is missing) at step 0"),
    (lambda f: {"logits": Toy()(f)["logits"][:, -1]}, "'logits' has shape (2, 40)) at step 0"),
    (refuses, "no Loop) at step 0"),
]


@pytest.mark.parametrize(("liar", "text"), LIARS)
def test_another_text_is_a_problem(liar, text):
    """Off by one position, other weights, NaN, a missing output or a refusal are told apart."""
    feeds = prompt()
    parity = compare_generation(generate_greedily(Toy(), feeds, 8), liar, feeds, 1e-6)
    assert text in parity.problem
    assert parity.agreed < 2
    assert (parity.total, parity.ties) == (8, 0)


def test_a_model_that_goes_wrong_only_in_longer_prompts_is_caught():
    """A conversion that forgets all but the first positions agrees until the text outgrows them."""

    def forgetful(feeds):
        return Toy()({"input_ids": feeds["input_ids"][:, :7]})

    feeds = prompt()
    parity = compare_generation(generate_greedily(Toy(), feeds, 8), forgetful, feeds, 1e-6)
    assert 0 < parity.agreed < 8
    assert f"at step {parity.agreed} " in parity.problem


def test_a_flip_within_the_accepted_error_is_a_tie():
    """Two scores closer than twice the accepted error may change places; others may not."""

    def near(feeds, by=0.0):
        logits = np.zeros((*feeds["input_ids"].shape, 4), "f4")
        logits[..., 2], logits[..., 3] = 1.0, 1.0 - 1e-3 + by
        return {"logits": logits}

    feeds = prompt()
    wanted = generate_greedily(near, feeds, 3)
    assert wanted.tokens == (2, 2, 2)
    tied = compare_generation(wanted, lambda f: near(f, 2e-3), feeds, 6e-4)
    assert (tied.problem, tied.agreed, tied.ties, tied.total) == (None, 0, 3, 3)
    assert tied.narrowest_margin == pytest.approx(1e-3, rel=1e-3)
    flipped = compare_generation(wanted, lambda f: near(f, 2e-3), feeds, 4e-4)
    assert "token 3 at step 0 in place of the source's 2, which led by 0.001" in flipped.problem


def test_after_a_tie_the_comparison_goes_on():
    """A tie excuses one token, not what comes after it."""
    feeds = prompt()
    made = generate_greedily(Toy(), feeds, 3)
    wanted = Generation("logits", (made.tokens[0] ^ 1, *made.tokens[1:]), (0.0, 5.0, 5.0))
    other = Toy(seed=3)
    parity = compare_generation(
        wanted, lambda f: (Toy() if f["input_ids"].shape[1] == 5 else other)(f), feeds, 1e-6
    )
    assert "at step 1" in parity.problem
    assert (parity.agreed, parity.ties) == (0, 1)


def test_feeds_without_a_prompt_cannot_have_generated():
    """A generation goes with the data set that it was made from."""
    with pytest.raises(ValueError, match="no prompt"):
        compare_generation(Generation("logits", (1,), (1.0,)), Toy(), {"x": np.ones(3)}, 0.0)


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    """A tiny GPT-2, its ONNX file and its first input set."""
    pytest.importorskip("transformers")
    from conformance.adapters.transformers import TransformersConversion
    from conformance.inputs import input_sets

    folder = tmp_path_factory.mktemp("gpt2")
    config = {"vocab_size": 60, "n_positions": 32, "n_embd": 16, "n_layer": 1, "n_head": 2}
    entry = ZooEntry.model_validate(
        {
            "id": "gpt2",
            "framework": "transformers",
            "source": {
                "architecture": "GPT2LMHeadModel",
                "config": {**config, "initializer_range": 0.2},
            },
            "inputs": {
                "spec": {
                    "input_ids": {"dtype": "int64", "shape": ["batch", "tokens"], "high": 60},
                    "attention_mask": {
                        "dtype": "int64",
                        "shape": ["batch", "tokens"],
                        "fill": "mask",
                    },
                },
                "sets": [{"batch": 2, "tokens": 5}, {"batch": 3, "tokens": 9}],
            },
        }
    )
    adapter = adapter_for("transformers", folder)
    case = Case(entry, "dynamo", 18, "fp32")
    job = Job(case, TransformersConversion(), folder, folder, offline=True, seed=0)
    model, (feeds, _) = adapter.load(job), input_sets(entry, folder, 0)
    adapter.export(model, job, feeds, folder / "model.onnx")
    return adapter, model, folder / "model.onnx", feeds


def test_a_real_language_model_writes_the_same_text_after_conversion(gpt2):
    """GPT-2 in torch and in ONNX Runtime choose the same tokens; other weights do not."""
    adapter, model, path, feeds = gpt2

    def source(prompt):
        return adapter.outputs(model, adapter.bind(model, prompt)())

    session = runtime.create_session(path, "cpu")
    wanted = generate_greedily(source, feeds, 8)
    assert len(wanted.tokens) == 8
    parity = compare_generation(wanted, lambda p: runtime.run(session, p), feeds, 1e-6)
    assert (parity.problem, parity.agreed) == (None, 8)

    import onnx

    damaged = onnx.load(path)
    tensor = max(damaged.graph.initializer, key=lambda t: len(t.raw_data))
    tensor.raw_data = tensor.raw_data[4:] + tensor.raw_data[:4]
    session = runtime.create_session(_saved(damaged, path), "cpu")
    parity = compare_generation(wanted, lambda p: runtime.run(session, p), feeds, 1e-6)
    assert parity.problem


def _saved(model, path):
    import onnx

    onnx.save(model, path.with_name("damaged.onnx"))
    return path.with_name("damaged.onnx")
