from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conformance.entry import ZooEntry
from conformance.errors import InputsError
from conformance.inputs import input_sets


def entry(inputs, **more):
    source = {"factory": "a.b:c"}
    return ZooEntry.model_validate(
        {"id": "m", "framework": "pytorch", "source": source, "inputs": inputs, **more}
    )


SPEC = {"spec": {"x": {"shape": ["batch", 3]}}, "sets": [{"batch": 2}, {"batch": 5}]}


def test_generated_sets_have_the_declared_sizes_and_repeat_with_the_seed():
    """The same seed gives the same values, another seed others; sets differ from each other."""
    first = input_sets(entry(SPEC), Path(), 0)
    assert [one["x"].shape for one in first] == [(2, 3), (5, 3)]
    assert first[0]["x"].dtype == np.float32
    again, other = input_sets(entry(SPEC), Path(), 0), input_sets(entry(SPEC), Path(), 1)
    assert np.array_equal(first[0]["x"], again[0]["x"])
    assert not np.array_equal(first[0]["x"], other[0]["x"])
    assert not np.array_equal(first[0]["x"], first[1]["x"][:2])


def test_another_input_does_not_change_the_values_of_the_first():
    """Each input draws from its own generator."""
    both = {"spec": {"w": {"shape": [2]}, **SPEC["spec"]}, "sets": SPEC["sets"]}
    assert np.array_equal(
        input_sets(entry(SPEC), Path(), 0)[0]["x"], input_sets(entry(both), Path(), 0)[0]["x"]
    )


@pytest.mark.parametrize(
    ("tensor", "check"),
    [
        ({"dtype": "int64", "low": 5, "high": 9}, lambda a: a.min() >= 5 and a.max() < 9),
        ({"fill": "uniform", "low": -1, "high": 1}, lambda a: a.min() < 0 and abs(a).max() <= 1),
        ({"dtype": "bool"}, lambda a: a.any() and not a.all()),
        ({"dtype": "string", "values": ["a", "b"]}, lambda a: set(a.ravel()) == {"a", "b"}),
        ({"dtype": "float16"}, lambda a: a.dtype == np.float16),
        ({"fill": "ones"}, lambda a: (a == 1).all()),
        ({"fill": "zeros"}, lambda a: (a == 0).all()),
    ],
)
def test_each_fill_draws_what_it_says(tensor, check):
    """Ranges, kinds and dtypes of the fills."""
    inputs = {"spec": {"x": {"shape": ["n", 8], **tensor}}, "sets": [{"n": 40}, {"n": 3}]}
    assert check(input_sets(entry(inputs), Path(), 0)[0]["x"])


def test_a_mask_is_ones_then_zeros_and_hides_something_but_never_everything():
    """Rows are right-padded, at least half real, one of them full."""
    mask = {"dtype": "int64", "shape": ["n", "t"], "fill": "mask"}
    inputs = {"spec": {"m": mask}, "sets": [{"n": 6, "t": 8}, {"n": 2, "t": 5}]}
    made = input_sets(entry(inputs), Path(), 0)[0]["m"]
    assert (np.diff(made, axis=1) <= 0).all()
    assert made.sum(axis=1).min() >= 4
    assert made.min() == 0
    assert made[0].all()


def test_files_are_read_by_name(tmp_path):
    """Each .npz file is one input set."""
    for n in (2, 3):
        np.savez(tmp_path / f"{n}.npz", x=np.ones((n, 1)))
    made = entry({"files": ["2.npz", "3.npz"]}, dynamic={"x": {0: "batch"}})
    assert [one["x"].shape for one in input_sets(made, tmp_path, 0)] == [(2, 1), (3, 1)]


def test_a_damaged_file_is_named(tmp_path):
    """The message says which file, and that it is no archive."""
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 truncated")
    with pytest.raises(InputsError, match=r"x\.npz' is no readable \.npz archive"):
        input_sets(entry({"files": ["x.npz"]}), tmp_path, 0)


FACTORY = """
import numpy as np
def good(seed, sizes): return [{"x": np.full((n, 2), seed)} for n in sizes]
def bad(seed): raise RuntimeError("no data")
def wrong(seed): return 3
def renamed(seed): return [{"x": np.ones(1)}, {"y": np.ones(1)}]
def retyped(seed): return [{"x": np.ones(1)}, {"x": np.ones(1, int)}]
"""


@pytest.fixture
def factory(tmp_path, monkeypatch):
    (tmp_path / "made_inputs.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path)

    def call(name, dynamic=None, **args):
        inputs = {"factory": f"made_inputs:{name}", "args": args}
        return input_sets(entry(inputs, dynamic=dynamic or {}), tmp_path, 4)

    return call


def test_a_factory_gets_the_seed_and_its_arguments(factory):
    """``function(seed=..., **args)`` returns the sets."""
    made = factory("good", {"x": {0: "batch"}}, sizes=[2, 3])
    assert [one["x"].shape for one in made] == [(2, 2), (3, 2)]
    assert made[0]["x"][0, 0] == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("goood", r"input factory 'made_inputs:goood': .* did you mean 'good'"),
        ("bad", "raised RuntimeError: no data"),
        ("wrong", "must return a list of input sets"),
        ("renamed", r"input set 1 holds \['y'\]"),
        ("retyped", "is int64 of rank 1 in set 1"),
    ],
)
def test_a_factory_that_goes_wrong_is_named_with_its_fault(factory, name, message):
    """Raising, another type, other names, other dtypes."""
    with pytest.raises(InputsError, match=message):
        factory(name)


def test_a_dynamic_axis_must_take_another_size(factory):
    """Nothing proves an axis dynamic that has one size in all sets."""
    with pytest.raises(InputsError, match=r"axis 0 \('batch'\) of input 'x' has size 2 in every"):
        factory("good", {"x": {0: "batch"}}, sizes=[2, 2])


def test_an_axis_that_varies_must_be_declared_dynamic(factory):
    """The message holds the line that is missing from the zoo."""
    with pytest.raises(InputsError, match=r"add 'dynamic: \{x: \{0: <axis name>\}\}'"):
        factory("good", sizes=[2, 3])


def test_dynamic_must_name_inputs_and_axes_that_exist(factory):
    """A misspelt input or an axis beyond the rank is refused."""
    with pytest.raises(InputsError, match="names input 'z'"):
        factory("good", {"z": {0: "batch"}}, sizes=[2, 2])
    with pytest.raises(InputsError, match="names axis 5"):
        factory("good", {"x": {0: "b", 5: "c"}}, sizes=[2, 3])
