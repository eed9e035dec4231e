from __future__ import annotations

import numpy as np
import pytest
from shape_cases import SENTENCES, tried

from conformance.variants import Allowance

MEAN = [
    ("Unsqueeze", ["mask", "last"], ["m"], {}),
    ("Mul", ["x", "m"], ["xm"], {}),
    ("ReduceSum", ["xm", "axis"], ["sum"], {"keepdims": 0}),
    ("ReduceSum", ["mask", "axis"], ["count"], {"keepdims": 1}),
    ("Div", ["sum", "count"], ["y"], {}),
]
AXES = {"last": np.array([2]), "axis": np.array([1])}


def masked_mean(feeds):
    x, mask = feeds["x"], feeds["mask"]
    with np.errstate(invalid="ignore"):
        return {"y": (x * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)}


def plain_mean(feeds):
    return masked_mean({"x": feeds["x"], "mask": np.ones_like(feeds["mask"])})


def test_an_honest_masked_mean_agrees(tmp_path):
    """Two rows answer the same with and without their padding."""
    found = tried(tmp_path, SENTENCES, masked_mean, (MEAN, AXES))
    (check,) = found.padding
    assert (check.mask, check.axis, check.rows) == ("mask", "tokens", 2)
    assert check.skipped is check.problem is None
    assert check.ratio <= 1


def test_a_model_that_ignores_the_mask_is_caught(tmp_path):
    """Padding that counts shows as soon as it is gone."""
    found = tried(tmp_path, SENTENCES, masked_mean, plain_mean)
    (check,) = found.padding
    assert check.ratio > 10
    assert check.problem.startswith("padding along 'tokens' (masked by 'mask'): output 'y' of row")
    assert check.problem in found.problems


def test_a_source_that_depends_on_its_padding_is_not_held_against_the_model(tmp_path):
    """Where the source itself answers otherwise without padding, nothing can be asked."""
    (check,) = tried(tmp_path, SENTENCES, plain_mean, plain_mean).padding
    assert check.problem is None
    assert check.skipped.startswith("the source itself depends on its padding, by ")
    assert check.rows == 0


def test_real_positions_are_compared_at_their_places(tmp_path):
    """Answers per position: those of the padding do not count, all others do."""

    def source(feeds):
        return {"y": feeds["x"] * 2 + (feeds["mask"] == 0)[..., None] * feeds["x"].shape[1]}

    def late(feeds):
        """Wrong by its length on the first position of a padded row."""
        y = source(feeds)["y"].astype("f4")
        y[:, :1] += (feeds["mask"] == 0).any(axis=1)[:, None, None]
        return {"y": y}

    honest = tried(tmp_path / "honest", SENTENCES, source, source).padding[0]
    assert honest.problem is None
    assert honest.ratio == 0
    assert tried(tmp_path / "late", SENTENCES, source, late).padding[0].problem


def test_labels_must_be_equal(tmp_path):
    """Outputs without an error have no limit to differ by."""

    def label(mean):
        return lambda feeds: {"label": mean(feeds)["y"].argmax(axis=1)}

    def padded_wrongly(feeds):
        """Another label wherever there is padding."""
        return {"label": label(masked_mean)(feeds)["label"] + (feeds["mask"] == 0).any(axis=1)}

    assert not tried(tmp_path / "a", SENTENCES, label(masked_mean), label(masked_mean)).problems
    (check,) = tried(tmp_path / "b", SENTENCES, label(masked_mean), padded_wrongly).padding
    assert check.problem
    assert check.ratio == float("inf")


def test_a_refused_row_is_a_problem_and_a_rejected_one_is_none(tmp_path):
    """A model must take what its source takes, and nothing else."""
    from conformance.errors import SessionError

    def picky(feeds):
        if len(feeds["mask"]) == 1:
            raise SessionError("no single rows")
        return masked_mean(feeds)

    (check,) = tried(tmp_path / "model", SENTENCES, masked_mean, picky).padding
    assert check.problem.endswith("is refused without it: no single rows")
    (check,) = tried(tmp_path / "source", SENTENCES, picky, masked_mean).padding
    assert check.problem is None
    assert check.skipped.endswith("without it (SessionError: no single rows)")


def test_outputs_of_another_kind_are_no_answer(tmp_path):
    """An output that follows neither rows nor positions cannot be compared, which is said."""

    def total(feeds):
        return {"y": np.repeat(feeds["x"].sum(), 3 * feeds["x"].shape[1] + len(feeds["x"]))}

    (check,) = tried(tmp_path, SENTENCES, total, total).padding
    assert check.skipped == "no output has a row, or positions, to compare"


@pytest.mark.parametrize("output", ["y", "z"])
def test_an_output_that_depends_on_padding_does_not_hide_the_others(tmp_path, output):
    """Each output is held to its own source."""

    def source(feeds):
        return {"y": masked_mean(feeds)["y"], "z": plain_mean(feeds)["y"]}

    def model(feeds):
        swapped = {"y": plain_mean(feeds)["y"], "z": plain_mean(feeds)["y"]}
        return source(feeds) | {output: swapped[output]}

    (check,) = tried(tmp_path, SENTENCES, source, model).padding
    assert bool(check.problem) == (output == "y")


INT8 = Allowance(20.0, 0.9)


def rounded(feeds):
    """As a quantizer by the range of each run: what a row becomes depends on its batch."""
    step = np.abs(feeds["x"]).max(initial=1.0) / 64
    return masked_mean({"x": np.round(feeds["x"] / step) * step, "mask": feeds["mask"]})


def test_a_lossy_variant_may_differ_with_padding_as_far_as_its_budget(tmp_path):
    """Far beyond rounding noise, and within what two answers may lose."""
    exact = tried(tmp_path / "exact", SENTENCES, masked_mean, rounded)
    assert exact.padding[0].problem
    (check,) = tried(tmp_path / "lossy", SENTENCES, masked_mean, rounded, budget=INT8).padding
    assert (check.rows, check.skipped, check.problem) == (2, None, None)
    assert 0 < check.ratio < 1


def test_a_lossy_variant_that_ignores_the_mask_is_caught(tmp_path):
    """Padding that counts costs more than any budget: no lossy variant is excused from it."""
    for folder, min_snr_db in (("int8", 20.0), ("int4", 10.0)):
        budget = Allowance(min_snr_db, 0.9)
        found = tried(tmp_path / folder, SENTENCES, masked_mean, plain_mean, budget=budget)
        assert found.padding[0].ratio > 1
        assert "differs with and without it" in found.padding[0].problem


def test_labels_of_a_lossy_variant_are_not_asked_for_and_that_is_told(tmp_path):
    """Of one label in a row no share can be taken; the report says so."""

    def label(feeds):
        return {"y": masked_mean(feeds)["y"].argmax(axis=1)}

    (check,) = tried(tmp_path, SENTENCES, label, label, budget=INT8).padding
    assert check.rows == 0
    assert "no share can be asked for" in check.skipped
