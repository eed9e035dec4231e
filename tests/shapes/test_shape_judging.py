from __future__ import annotations

import os
import signal

import numpy as np
from shape_cases import ROWS, STEPS, outcomes, tried, tried_from_one

from conformance.variants import Allowance

WEIGHT = np.random.default_rng(3).normal(size=(4, 4)).astype("f4")
MATMUL = ("MatMul", ["x", "w"], ["m"], {})


def times_weight(feeds):
    return {"y": feeds["x"] @ WEIGHT}


def test_an_honest_conversion_works_at_every_size(tmp_path):
    """0, 1, the traced size, another and a large one: each is tried, none is accused."""
    model = ([("MatMul", ["x", "w"], ["y"], {})], {"w": WEIGHT})
    found = tried(tmp_path, ROWS, times_weight, model)
    assert outcomes(found, "batch") == dict.fromkeys((0, 1, 4, 5, 28), "works")
    assert not found.problems
    assert all(probe.ratio is not None for probe in found.probes if probe.size)


def test_every_axis_is_tried_on_its_own(tmp_path):
    """A model with two dynamic axes has five sizes of each."""
    found = tried(
        tmp_path, STEPS, lambda feeds: {"y": feeds["x"] * 2}, ([("Add", ["x", "x"], ["y"], {})], {})
    )
    assert list(outcomes(found, "batch")) == [0, 1, 2, 4, 12]
    assert list(outcomes(found, "steps")) == [0, 1, 5, 6, 32]
    assert not found.problems


def test_a_reshape_to_the_traced_size_rejects_other_sizes(tmp_path):
    """What ONNX Runtime refuses and the source does not is a fault, with its reason."""
    nodes = [MATMUL, ("Reshape", ["m", "shape"], ["y"], {})]
    model = (nodes, {"w": WEIGHT, "shape": np.array([4, 4])})
    found = tried_from_one(tmp_path, ROWS, times_weight, model)
    assert outcomes(found, "batch") == {
        0: "rejects",
        1: "rejects",
        4: "works",
        5: "rejects",
        16: "rejects",
    }
    assert len(found.problems) == 3, "refusing size 0 is no fault"
    assert "axis 'batch' at size 5: rejects: ONNX Runtime cannot run" in found.problems[1]


def test_a_reshape_that_absorbs_the_batch_is_silently_static(tmp_path):
    """An answer in the shape of the traced size, whatever was asked, is called by its name."""
    nodes = [
        ("Reshape", ["x", "shape"], ["r"], {}),
        ("ReduceMean", ["r", "axes"], ["y"], {"keepdims": 0}),
    ]
    model = (nodes, {"shape": np.array([4, -1]), "axes": np.array([1])})
    found = tried_from_one(tmp_path, ROWS, lambda feeds: {"y": feeds["x"].mean(axis=1)}, model)
    static = {size for size, how in outcomes(found, "batch").items() if how == "silently static"}
    assert {1, 5, 16} <= static
    assert "output 'y': shape is (4,), the source's is (5,)" in "\n".join(found.problems)


def test_a_slice_to_the_traced_length_is_silently_static_beyond_it(tmp_path):
    """What is cut off beyond the traced length is found by the larger sizes only."""
    nodes = [MATMUL, ("Slice", ["m", "from", "to"], ["y"], {})]
    model = (nodes, {"w": WEIGHT, "from": np.array([0]), "to": np.array([4])})
    found = tried_from_one(tmp_path, ROWS, times_weight, model)
    assert outcomes(found, "batch") == {
        0: "works",
        1: "works",
        4: "works",
        5: "silently static",
        16: "silently static",
    }


def test_a_table_of_positions_that_broadcasts_gives_wrong_values_at_size_one(tmp_path):
    """A constant of the traced length broadcasts over a single step, and no shape tells."""
    table = np.arange(1, 33, dtype="f4")

    def source(feeds):
        x = feeds["x"]
        return {"y": (x + table[: x.shape[1]]).sum(axis=1)}

    nodes = [("Add", ["x", "p"], ["s"], {}), ("ReduceSum", ["s", "axes"], ["y"], {"keepdims": 0})]
    model = (nodes, {"p": table[:5], "axes": np.array([1])})
    found = tried_from_one(tmp_path, STEPS, source, model)
    assert set(outcomes(found, "batch").values()) == {"works"}
    assert outcomes(found, "steps") == {
        0: "rejects",
        1: "wrong values",
        5: "works",
        6: "rejects",
        20: "rejects",
    }
    wrong = next(problem for problem in found.problems if "size 1" in problem)
    assert "wrong values: output 'y': error" in wrong


def test_what_the_source_rejects_is_not_asked_of_the_conversion(tmp_path):
    """A limit of the source, such as its last position, is no fault of the conversion."""

    def source(feeds):
        if not 0 < len(feeds["x"]) <= 20:
            raise IndexError("index out of range\nin self")
        return times_weight(feeds)

    def model(feeds):
        assert 0 < len(feeds["x"]) <= 20
        return times_weight(feeds)

    found = tried(tmp_path, ROWS, source, model)
    assert outcomes(found, "batch")[0] == outcomes(found, "batch")[28] == "source rejects"
    assert found.probes[0].detail == "IndexError: index out of range"
    assert not found.problems


def test_a_source_that_answers_nan_has_no_right_answer(tmp_path):
    """The mean of nothing is NaN, or zero: a conversion may give either."""

    def source(feeds):
        with np.errstate(invalid="ignore", divide="ignore"):
            return {"y": feeds["x"].sum(axis=1) / np.float32(feeds["x"].shape[1])}

    def model(feeds):
        answer = source(feeds)
        return {"y": np.nan_to_num(answer["y"])}

    found = tried(tmp_path, STEPS, source, model)
    assert outcomes(found, "steps")[0] == "source rejects"
    assert found.probes[5].detail == "it answers NaN or infinity in output 'y'"
    assert not found.problems


def test_a_small_probe_is_judged_by_the_noise_of_the_data_sets(tmp_path):
    """One row may round luckily well; it is held to what rounding costs on the data sets."""

    def source(feeds):
        x = feeds["x"]
        # in its own precision, and with several rows only, this source rounds by 1e-4
        rounding = np.float32(1e-4) if x.dtype == np.float32 and len(x) > 1 else 0
        return {"y": x + rounding}

    def off_by(error):
        return lambda feeds: {"y": feeds["x"] + np.float32(error)}

    assert not tried(tmp_path / "fair", ROWS, source, off_by(2e-4)).problems
    wrong = tried(tmp_path / "wrong", ROWS, source, off_by(2e-3)).probes
    assert {str(probe.outcome) for probe in wrong if probe.size} == {"wrong values"}


def test_a_probe_of_a_small_scale_has_the_limit_of_the_data_sets(tmp_path):
    """What the largest answers are granted is granted at every size, and not much more."""
    large = np.float32(1e6)

    def source(feeds):
        # exact in float32; large where there are many rows
        return {"y": np.sign(feeds["x"]) * (large if len(feeds["x"]) > 4 else 1)}

    def off_by(error):
        return lambda feeds: {"y": source(feeds)["y"] + np.float32(error)}

    # eight units in the last place of 1e6 are 0.95
    assert not tried(tmp_path / "fair", ROWS, source, off_by(0.5)).problems
    wrong = tried(tmp_path / "wrong", ROWS, source, off_by(1.5)).probes
    assert [probe.size for probe in wrong if probe.problem] == [1, 4, 5, 28]


def test_an_output_of_another_dtype_or_missing_is_wrong(tmp_path):
    """A probe is compared like a data set: dtype, names and all."""

    def model(feeds):
        y = times_weight(feeds)["y"]
        if len(feeds["x"]) == 1:
            return {"y": y.astype("f8")}
        return {} if len(feeds["x"]) == 5 else {"y": y}

    found = tried(tmp_path, ROWS, times_weight, model)
    assert outcomes(found, "batch") == {
        0: "works",
        1: "wrong values",
        4: "works",
        5: "wrong values",
        28: "works",
    }
    assert "dtype is float64" in found.problems[0]
    assert "output 'y' is missing" in found.problems[1]


def test_a_crash_on_no_elements_is_a_refusal(tmp_path):
    """A kernel that ends its process at size 0 takes nothing else with it; wrong answers count."""

    def model(feeds):
        if not len(feeds["x"]):
            os.kill(os.getpid(), signal.SIGSEGV)
        return times_weight(feeds)

    found = tried(tmp_path / "crash", ROWS, times_weight, model)
    assert outcomes(found, "batch")[0] == "rejects"
    assert found.probes[0].detail == "ONNX Runtime ended its process (SIGSEGV)"
    assert not found.problems

    def never_empty(feeds):
        return {"y": np.resize(times_weight(feeds)["y"], (len(feeds["x"]) or 1, 4))}

    wrong = tried(tmp_path / "wrong", ROWS, times_weight, never_empty)
    assert len(wrong.problems) == 1
    assert "axis 'batch' at size 0: wrong values: output 'y': shape is (1, 4)" in wrong.problems[0]


def test_rows_that_a_tree_may_split_either_way_stay_tied_where_they_repeat(tmp_path):
    """A tie of the data set is no fault in a probe that asks the same row again, and only it."""
    x = np.random.default_rng(0).normal(size=(12, 2)).astype("f4")
    sets = [{"x": x}, {"x": x[:5] + 1}]
    margins = {"y": np.where(np.arange(12) == 3, 0.5, 100.0)}

    def leaf(feeds):
        return {"y": np.where(feeds["x"][:, 0] > 0, 1, 2).astype(feeds["x"].dtype)}

    def flipping(row):
        def model(feeds):
            y = leaf(feeds)["y"]
            hit = (feeds["x"] == x[row]).all(axis=1)
            return {"y": np.where(hit, 3 - y, y).astype("f4")}

        return model

    inputs, dynamic = {"factory": "nowhere:never"}, {"x": {0: "rows"}}
    tied = tried(
        tmp_path / "tied",
        inputs,
        leaf,
        flipping(3),
        sets=sets,
        margins=margins,
        dynamic=dynamic,
    )
    assert outcomes(tied, "rows")[48] == "works"
    clear = tried(
        tmp_path / "clear",
        inputs,
        leaf,
        flipping(4),
        sets=sets,
        margins=margins,
        dynamic=dynamic,
    )
    assert outcomes(clear, "rows")[48] == "wrong values"


def test_a_bundle_without_probes_has_nothing_to_generalize(tmp_path):
    """A model without dynamic axes, and a bundle of an older version, hold no probes."""
    inputs = {"spec": {"x": {"shape": [3, 4]}}}
    model = ([("MatMul", ["x", "w"], ["y"], {})], {"w": WEIGHT})
    found = tried(tmp_path, inputs, times_weight, model)
    assert not found.probes
    assert not found.padding


def labels(feeds):
    """Which of its values a row has the largest of."""
    return {"y": feeds["x"].argmax(axis=1)}


def shifted_labels(feeds):
    """A liar: where there are more rows than were traced, another label."""
    found = labels(feeds)["y"]
    return {"y": found if len(found) <= 12 else (found + 1) % 3}


def test_labels_of_lossy_variants_are_judged_by_their_share_or_told_as_not_checked(tmp_path):
    """Of many, a share is asked for as on the data sets; of few, the report says that it is not."""
    inputs = {
        "spec": {"x": {"shape": ["batch", 3]}},
        "sets": [{"batch": 11}, {"batch": 12}],
    }
    budget = Allowance(20.0, 0.9)
    found = tried(tmp_path / "honest", inputs, labels, labels, budget=budget)
    assert set(outcomes(found, "batch").values()) == {"works"}
    told = {probe.size: probe.detail for probe in found.probes}
    assert told[1] == "not checked: the values of 'y', too few to ask a share of"
    assert told[11] is None
    found = tried(tmp_path / "liar", inputs, labels, shifted_labels, budget=budget)
    assert outcomes(found, "batch") == {
        0: "works",
        1: "works",
        11: "works",
        13: "wrong values",
        48: "wrong values",
    }
