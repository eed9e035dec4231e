from __future__ import annotations

import numpy as np
import pytest
from shape_cases import SENTENCES, STEPS, entry_of

from conformance.errors import InputsError
from conformance.inputs import generate, input_sets
from conformance.shapes import plan_probes

FACTORY = {"factory": "nowhere:never"}


def sizes(plan, axis):
    return [info.size for info, _ in plan if info.kind == "size" and info.axis == axis]


def test_each_axis_is_tried_at_telling_sizes(tmp_path):
    """None, one, a size that no input set has, and four times the largest; not the traced one."""
    entry = entry_of(STEPS)
    plan = plan_probes(entry, input_sets(entry, tmp_path, 0), 0)
    assert sizes(plan, "batch") == [0, 1, 4, 12], "3 is in an input set"
    assert sizes(plan, "steps") == [0, 1, 6, 32]
    shapes = {info.name: feeds["x"].shape for info, feeds in plan}
    assert shapes["batch-12"] == (12, 5), "the other axis stays as traced"
    assert shapes["steps-0"] == (2, 0)


def test_a_traced_size_of_one_is_not_tried_again():
    """Sizes that fall together are tried once."""
    entry = entry_of(FACTORY, dynamic={"x": {0: "rows"}})
    sets = [{"x": np.zeros((1, 2), "f4")}, {"x": np.zeros((2, 2), "f4")}]
    assert sizes(plan_probes(entry, sets, 0), "rows") == [0, 3, 8]


def test_a_large_size_stays_affordable():
    """Of large inputs, a few times more is enough, and none where even that is too much."""
    entry = entry_of(FACTORY, dynamic={"x": {0: "rows"}})

    def tried(elements):
        sets = [{"x": np.zeros((rows, elements), "i1")} for rows in (2, 3)]
        return sizes(plan_probes(entry, sets, 0), "rows")

    assert tried(80_000) == [0, 1, 4, 12]
    assert tried(150_000) == [0, 1, 4, 6]
    assert tried(500_000) == [0, 1, 4]


def test_drawn_inputs_are_drawn_at_the_new_size(tmp_path):
    """A probe of a spec holds what the spec draws, with the seed of the run."""
    entry = entry_of(SENTENCES)
    plan = plan_probes(entry, input_sets(entry, tmp_path, 7), 7)
    feeds = {info.name: feeds for info, feeds in plan}["tokens-36"]
    wanted = generate(entry.inputs.spec, {"batch": 6, "tokens": 36}, 7)
    assert all(np.array_equal(feeds[name], wanted[name]) for name in wanted)


def test_given_inputs_are_cut_and_repeated_together():
    """Arrays of a factory are repeated along every axis of the name, in all inputs alike."""
    entry = entry_of(
        FACTORY,
        dynamic={"pairs": {0: "n", 1: "n"}, "names": {0: "n"}, "scale": {0: "other"}},
    )

    def given(n, m):
        return {
            "pairs": np.arange(n * n, dtype="f4").reshape(n, n),
            "names": np.array([f"row {i}" for i in range(n)]),
            "scale": np.ones(m, "f4"),
        }

    plan = plan_probes(entry, [given(3, 2), given(5, 4)], 0)
    feeds = {info.name: feeds for info, feeds in plan}
    assert feeds["n-1"]["pairs"].tolist() == [[0]]
    assert feeds["n-4"]["pairs"].tolist() == [
        [0, 1, 2, 0],
        [3, 4, 5, 3],
        [6, 7, 8, 6],
        [0, 1, 2, 0],
    ]
    assert feeds["n-4"]["names"].tolist() == ["row 0", "row 1", "row 2", "row 0"]
    assert feeds["n-0"]["names"].shape == (0,)
    assert feeds["n-4"]["scale"].shape == (2,)


@pytest.mark.parametrize("left", [False, True])
def test_a_repeated_mask_stays_a_mask(left):
    """Padding does not come to lie amidst the tokens of a longer row."""
    entry, sets = padded(np.array([[1, 1, 1, 1], [1, 1, 0, 0]]), left=left)
    plan = plan_probes(entry, sets, 0)
    longer = {info.name: feeds for info, feeds in plan}["tokens-16"]["attention_mask"]
    assert longer.sum(axis=1).tolist() == [16, 8]
    assert (longer[1, 8:] if left else longer[1, :8]).all()
    # frameworks refuse views with negative strides
    assert longer.flags.c_contiguous


def test_one_name_for_several_sizes_is_refused():
    """Sizes that differ within one input set belong to different axes."""
    entry = entry_of(FACTORY, dynamic={"a": {0: "n"}, "b": {0: "n"}})
    sets = [{"a": np.zeros(2, "f4"), "b": np.zeros(3, "f4")}]
    with pytest.raises(InputsError, match=r"'n' has sizes \[2, 3\].*names of their own"):
        plan_probes(entry, sets, 0)


def test_any_axis_name_makes_a_folder():
    """Names of axes are free text in the zoo; the folders of their probes stay in the bundle."""
    entry = entry_of(FACTORY, dynamic={"x": {0: "../up"}, "y": {0: "batch size"}})
    sets = [{"x": np.zeros(n, "f4"), "y": np.zeros(n, "f4")} for n in (2, 3)]
    names = [info.name for info, _ in plan_probes(entry, sets, 0)]
    assert len(names) == len(set(names)) == 8
    assert all(name.replace("-", "_").isidentifier() for name in names)


def padded(mask, *, left=False, name="attention_mask"):
    """An entry with a mask that its factory gave, and its input sets."""
    mask = mask[:, ::-1] if left else mask
    rows, length = mask.shape
    x = np.arange(rows * length, dtype="f4").reshape(rows, length)
    entry = entry_of(FACTORY, dynamic={key: {0: "batch", 1: "tokens"} for key in ("x", name)})
    return entry, [{"x": x, name: mask.astype("i8")}]


@pytest.mark.parametrize("left", [False, True])
def test_padded_rows_are_asked_for_without_their_padding(left):
    """A row alone, cut to its real positions: the last ones where rows begin with padding."""
    entry, sets = padded(np.array([[1, 1, 1, 1], [1, 1, 0, 0]]), left=left)
    ((info, feeds),) = [p for p in plan_probes(entry, sets, 0) if p[0].kind == "unpadded"]
    assert (info.axis, info.size, info.mask, info.row) == ("tokens", 2, "attention_mask", 1)
    assert feeds["x"].tolist() == ([[6, 7]] if left else [[4, 5]])
    assert feeds["attention_mask"].tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("mask", "name"),
    [
        ([[1, 1, 1], [1, 1, 1]], "attention_mask"),  # no padding
        ([[1, 1, 0], [0, 0, 0]], "bias"),  # another name
        ([[1, 0, 1, 0], [1, 1, 0, 0]], "attention_mask"),  # holes
        ([[0, 0, 0], [1, 1, 1]], "attention_mask"),  # nothing real in the row
    ],
)
def test_what_is_no_padding_is_left_alone(mask, name):
    """Only rows of ones and then zeros, in an input that is called a mask, hold padding."""
    entry, sets = padded(np.array(mask), name=name)
    assert not [info for info, _ in plan_probes(entry, sets, 0) if info.kind == "unpadded"]


def test_at_most_two_rows_are_tried_without_padding():
    """Two rows show what there is to see."""
    entry, sets = padded(np.tri(5, 6, dtype="i8"))
    plan = plan_probes(entry, sets, 0)
    assert [info.row for info, _ in plan if info.kind == "unpadded"] == [0, 1]
