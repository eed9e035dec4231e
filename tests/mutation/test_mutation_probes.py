from __future__ import annotations

import numpy as np
from mutation_cases import perceptron, pooling, random_inputs, token_inputs

from conformance.mutation.probes import probes


def by_words(graph, sets):
    return {probe.words: probe.inputs for probe in probes(graph, sets, 0)}


def test_float_inputs_are_scaled_mirrored_mixed_and_resized():
    """The largest set is taken, and every dynamic axis varied."""
    sets = random_inputs()
    found = by_words(perceptron().graph, sets)
    x = sets[1]["x"]
    np.testing.assert_array_equal(found["inputs 10x as large"]["x"], x * 10)
    np.testing.assert_array_equal(found["inputs of the opposite sign"]["x"], -x)
    mixed = found["the values of different rows mixed"]["x"]
    assert all(set(mixed[:, column]) <= set(x[:, column]) for column in range(4))
    assert not np.array_equal(mixed, x)
    assert found["'batch' of size 1"]["x"].shape == (1, 4)
    assert found["'batch' twice as large"]["x"].shape == (18, 4)
    assert all(inputs["x"].dtype == np.float32 for inputs in found.values())


def test_tokens_stay_among_those_seen_and_masks_are_padded():
    """Other tokens come from the seen range; only masks that differ from the given count."""
    sets = token_inputs(padded=False)
    found = by_words(pooling().graph, sets)
    assert found["other tokens"]["ids"].max() <= max(s["ids"].max() for s in sets)
    mask = found["a mask with padding"]["attention_mask"]
    assert (mask[0] == [1, 1, 1, 1, 0, 0, 0]).all()
    assert (mask[1] == 1).all()
    assert "a mask without padding" not in found  # the data sets have it
    assert found["'length' larger by one"]["ids"].shape == (3, 8)
    assert "inputs 10x as large" not in found  # there are no floats


def test_a_token_that_is_always_the_same_gets_a_neighbour():
    """Token types that are zeros everywhere are tried with ones, too."""
    sets = [{**s, "ids": np.zeros_like(s["ids"])} for s in token_inputs(padded=True)]
    found = by_words(pooling().graph, sets)
    assert set(found["other tokens"]["ids"].ravel()) == {0, 1}


def test_probes_repeat_with_the_seed():
    """What is drawn depends on the seed alone."""
    first, again = (probes(pooling().graph, token_inputs(padded=True), 5) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert one.words == other.words
        for name, array in one.inputs.items():
            np.testing.assert_array_equal(array, other.inputs[name])
