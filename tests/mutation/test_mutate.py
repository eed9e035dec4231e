from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from mutation_cases import (
    B2,
    W2,
    model_of,
    mutation_of,
    perceptron,
    perceptron_source,
    pooling,
    pooling_source,
    random_inputs,
    token_inputs,
    write_case,
)
from onnx import TensorProto, helper  # noqa: TID253 - models are made here

from conformance.errors import ParityError, ProviderAbsent
from conformance.evidence import MutantFate
from conformance.mutation import insensitive

FLOAT = TensorProto.FLOAT


def survivors(report, fate):
    return [m for m in report.mutants if m.fate is fate]


def test_a_strong_bundle_kills_every_wrong_model(tmp_path):
    """Random inputs, a fp64 reference and the default tolerance notice all 20 mistakes."""
    report = mutation_of(
        write_case(tmp_path / "b", perceptron(), perceptron_source, random_inputs())
    )
    assert len(report.mutants) > 15
    assert report.count(MutantFate.MISSED) == 0
    assert report.count(MutantFate.KILLED) >= 15
    assert insensitive(report) is None


def test_a_killed_mutant_says_what_the_comparison_objected_to(tmp_path):
    """Its ratio and the sentence of the comparison are kept."""
    report = mutation_of(
        write_case(tmp_path / "b", perceptron(), perceptron_source, random_inputs())
    )
    zeroed = next(m for m in report.mutants if m.operator == "zero bias")
    assert zeroed.ratio > 1000
    assert "output 'y': error" in zeroed.detail


def test_inputs_of_zeros_miss_wrong_weights_and_random_ones_are_asked_for(tmp_path):
    """With nothing but zeros the first layer's weights are never seen."""
    zeros = [{"x": np.zeros((n, 4), "f4")} for n in (3, 5)]
    report = mutation_of(write_case(tmp_path / "b", perceptron(), perceptron_source, zeros))
    missed = survivors(report, MutantFate.MISSED)
    weights = [m for m in missed if m.target.startswith("'w1'")]
    assert len(weights) == 3
    assert {m.revealed_by for m in weights} == {"random numbers"}
    assert all("no effect on the data sets" in m.detail for m in weights)
    sentence = insensitive(replace(report, max_missed_rate=0.1))
    assert "inputs that would reveal more: random numbers" in sentence


@pytest.mark.parametrize("padded", [False, True])
def test_a_mask_without_padding_misses_a_skipped_mask(tmp_path, padded):
    """Only data sets that hide something notice that the mask is not used."""
    sets = token_inputs(padded=padded)
    report = mutation_of(write_case(tmp_path / "b", pooling(), pooling_source, sets))
    skipped = next(m for m in report.mutants if m.target == "input 'attention_mask' as 1s")
    if padded:
        assert skipped.fate is MutantFate.KILLED
    else:
        assert skipped.fate is MutantFate.MISSED
        assert skipped.revealed_by == "a mask with padding"


def test_a_far_too_wide_tolerance_misses_and_says_by_how_much(tmp_path):
    """A mutant within the declared tolerance is missed, with its effect as a share of it."""
    bundle = write_case(
        tmp_path / "b",
        perceptron(),
        perceptron_source,
        random_inputs(),
        tolerance={"rtol": 0.5, "atol": 8.0, "reason": "a test"},
    )
    report = mutation_of(bundle)
    missed = survivors(report, MutantFate.MISSED)
    assert len(missed) > 5
    assert all(m.detail.startswith("moves 'y' by 0.") for m in missed)
    assert all(m.ratio < 1 for m in missed)
    assert "misses" in insensitive(report)


def test_what_reaches_no_output_is_equivalent(tmp_path):
    """A wrong weight in a dead branch is nobody's fault."""
    bundle = write_case(tmp_path / "b", perceptron(dead=True), perceptron_source, random_inputs())
    report = mutation_of(bundle, mutants=60)
    dead = [m for m in report.mutants if "'unused'" in m.target or "'dead'" in m.target]
    assert len(dead) >= 3
    assert {m.fate for m in dead} == {MutantFate.EQUIVALENT}
    assert all("no observable effect on the data sets and" in m.detail for m in dead)
    assert report.count(MutantFate.MISSED) == 0


def test_a_change_that_mathematics_undoes_is_equivalent(tmp_path):
    """A constant added to every score before a softmax changes float32's bits and no more."""

    def source(dtype, x):
        scores = np.exp(x.astype(dtype) @ W2.astype(dtype) + 3)
        return {"y": scores / scores.sum(axis=1, keepdims=True)}

    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="dense"),
        helper.make_node("Add", ["a", "b"], ["s"], name="shift"),
        helper.make_node("Softmax", ["s"], ["y"], name="softmax"),
    ]
    constants = {"w": W2, "b": np.full(3, 3, "f4")}
    model = model_of(nodes, {"x": (FLOAT, ["n", 6])}, {"y": (FLOAT, ["n", 3])}, constants)
    rng = np.random.default_rng(0)
    sets = [{"x": rng.normal(size=(n, 6)).astype("f4")} for n in (4, 7)]
    report = mutation_of(write_case(tmp_path / "b", model, source, sets))
    zeroed = next(m for m in report.mutants if m.operator == "zero bias")
    assert zeroed.fate is MutantFate.EQUIVALENT
    assert zeroed.detail.endswith("in float64")


def test_operators_that_only_onnx_runtime_has_are_compared_there(tmp_path):
    """Where float64 cannot be had, the detail says so, and the fates are the same."""

    def source(dtype, x):
        return {"y": x.astype(dtype) @ W2.astype(dtype) * 2}

    nodes = [
        helper.make_node("FusedMatMul", ["x", "w"], ["y"], "f", domain="com.microsoft", alpha=2.0),
        helper.make_node("Mul", ["x", "unused"], ["nowhere"], "dead"),
    ]
    constants = {"w": W2, "unused": np.arange(6, dtype="f4")}
    model = model_of(nodes, {"x": (FLOAT, ["n", 6])}, {"y": (FLOAT, ["n", 3])}, constants)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    rng = np.random.default_rng(0)
    sets = [{"x": rng.normal(size=(n, 6)).astype("f4")} for n in (4, 7)]
    report = mutation_of(write_case(tmp_path / "b", model, source, sets))
    fates = {m.target.split(",")[0].split(" with")[0]: m.fate for m in report.mutants}
    assert fates["'w' [6"] is MutantFate.KILLED
    assert fates["'unused' [6]"] is MutantFate.EQUIVALENT
    equivalent = survivors(report, MutantFate.EQUIVALENT)
    assert all(m.detail.endswith("in ONNX Runtime, to 2 ulps") for m in equivalent)


def test_mutants_that_cannot_be_run_are_counted_apart(tmp_path):
    """Exchanged operands of a rectangular product are refused, and others drawn instead."""
    bundle = write_case(tmp_path / "b", perceptron(), perceptron_source, random_inputs())
    report = mutation_of(bundle)
    assert report.refused >= 2
    assert not any("dense_1" in m.target for m in report.mutants if m.operator == "swap operands")


def test_the_same_seed_gives_the_same_mutants_in_the_same_order(tmp_path):
    """A run can be repeated; another seed draws differently."""
    bundle = write_case(tmp_path / "b", perceptron(), perceptron_source, random_inputs())
    first, again, other = (mutation_of(bundle, mutants=8, seed=s) for s in (3, 3, 4))
    assert first == again
    assert len(first.mutants) == 8
    targets = [m.target for m in first.mutants]
    assert targets != [m.target for m in other.mutants]
    assert len(set(targets)) == 8


def test_few_mutants_already_cover_different_operators(tmp_path):
    """The operators take turns."""
    bundle = write_case(tmp_path / "b", perceptron(), perceptron_source, random_inputs())
    report = mutation_of(bundle, mutants=4)
    assert len({m.operator for m in report.mutants}) == 4


def test_external_data_is_found_and_the_bundle_left_as_it_was(tmp_path):
    """Weights in a file of their own are mutated like others; nothing is written there."""
    bundle = write_case(
        tmp_path / "b", perceptron(), perceptron_source, random_inputs(), external=True
    )
    before = {file: file.read_bytes() for file in bundle.path.rglob("*") if file.is_file()}
    report = mutation_of(bundle)
    assert any("'w1'" in m.target for m in report.mutants)
    assert report.count(MutantFate.MISSED) == 0
    assert {f: f.read_bytes() for f in bundle.path.rglob("*") if f.is_file()} == before


def test_the_rate_that_may_be_missed_comes_from_the_entry(tmp_path):
    """The zoo declares it."""
    bundle = write_case(
        tmp_path / "b",
        perceptron(),
        perceptron_source,
        random_inputs(),
        mutation={"max_missed_rate": 0.5, "reason": "a test"},
    )
    assert mutation_of(bundle, mutants=1).max_missed_rate == 0.5


def test_a_model_that_fails_its_own_check_has_no_mutants(tmp_path):
    """Wrong models prove nothing when the right one is wrong."""

    def wrong(dtype, x):
        return {"y": perceptron_source(dtype, x)["y"] + B2.astype(dtype)}

    bundle = write_case(tmp_path / "b", perceptron(), wrong, random_inputs())
    with pytest.raises(ParityError, match="the model itself does not agree"):
        mutation_of(bundle)


def test_a_damaged_bundle_is_named(tmp_path):
    """A digest that does not match is an error of its own, not a killed mutant."""
    bundle = write_case(tmp_path / "b", perceptron(), perceptron_source, random_inputs())
    (bundle.path / "test_data_set_1" / "input_0.pb").write_bytes(b"")
    with pytest.raises(ParityError, match="is damaged"):
        mutation_of(bundle)


def test_a_provider_that_is_absent_is_said_so(tmp_path):
    """Nothing is reported of a provider that this ONNX Runtime does not have."""
    from conformance.mutation.mutate import mutate

    with pytest.raises(ProviderAbsent):
        mutate({"provider": "cuda", "entry": {}}, _Silent())


class _Silent:
    def enter(self, stage):
        """Tell nobody."""
