from __future__ import annotations

import numpy as np
import pytest
from parity_cases import judged

from conformance.judging import parity_failure
from conformance.model import Verdict
from conformance.variants import Allowance

RNG = np.random.default_rng(4)
SCORES = [RNG.normal(size=(30, 10)), RNG.normal(size=(20, 10))]
BUDGET = Allowance(min_snr_db=20.0, min_agreement=0.9)


def with_noise(arrays, snr_db):
    """The arrays with white noise at exactly this signal-to-noise ratio."""
    noise = [RNG.normal(size=array.shape) for array in arrays]
    signal = sum(float(np.sum(array**2)) for array in arrays)
    power = sum(float(np.sum(n**2)) for n in noise)
    gain = np.sqrt(signal / power / 10 ** (snr_db / 10))
    return [array + gain * n for array, n in zip(arrays, noise, strict=True)]


@pytest.mark.parametrize(("snr_db", "fails"), [(19.9, True), (20.1, False), (60.0, False)])
def test_the_floor_of_the_signal_to_noise_ratio_decides(snr_db, fails):
    """Just below fails, just above passes; the ratio is 1 at the floor and 10 per 20 dB."""
    report = judged({"y": SCORES}, {"y": with_noise(SCORES, snr_db)}, budget=BUDGET)
    (output,) = report.outputs
    assert output.rule == "budget"
    assert output.snr_db == pytest.approx(snr_db, abs=0.01)
    assert output.ratio == pytest.approx(10 ** ((20 - snr_db) / 20), rel=1e-3)
    assert output.rmse == pytest.approx(output.ratio * output.limit)
    assert (parity_failure(report) is not None) is fails


def test_answers_that_are_right_pass_exactly():
    """No error at all is within every budget, and has no ratio of noise."""
    (output,) = judged({"y": SCORES}, budget=BUDGET).outputs
    assert (output.ratio, output.problem, output.vacuous) == (
        pytest.approx(0, abs=1e-5),
        None,
        None,
    )


@pytest.mark.parametrize(
    "liar",
    [
        np.zeros_like,
        lambda array: np.full_like(array, array.mean()),
        lambda array: array[::-1].copy(),
        lambda array: -array,
        lambda array: np.where(np.arange(array.shape[1]) == 3, np.nan, array),
    ],
    ids=["zeros", "constant", "other rows", "sign", "NaN"],
)
def test_wrong_answers_are_over_any_budget(liar):
    """What is wrong rather than coarse fails by far."""
    answers = [liar(array) for array in SCORES]
    failure = parity_failure(judged({"y": SCORES}, {"y": answers}, budget=BUDGET))
    assert failure.verdict is Verdict.FAIL


def test_a_large_mean_hides_nothing():
    """Where a constant answer would keep the budget, keeping it proves nothing."""
    offset = [array + 1000 for array in SCORES]
    failure = parity_failure(judged({"y": offset}, {"y": offset}, budget=BUDGET))
    assert failure.verdict is Verdict.VACUOUS
    assert "the mean of all its answers" in failure.reason


LABELS = [array.argmax(axis=1) for array in SCORES]


@pytest.mark.parametrize(("wrong", "fails"), [(5, False), (6, True)])
def test_labels_may_differ_by_their_share(wrong, fails):
    """Of 50 labels, a tenth may be another."""
    answers = [labels.copy() for labels in LABELS]
    answers[0][:wrong] = (answers[0][:wrong] + 1) % 10
    report = judged({"y": LABELS}, {"y": answers}, budget=BUDGET)
    assert report.outputs[0].ratio == pytest.approx(wrong / 5)
    assert (parity_failure(report) is not None) is fails


def test_one_label_for_nearly_all_is_vacuous():
    """Always answering the commonest label would keep the budget."""
    labels = [np.r_[np.zeros(28, int), 1, 2], np.r_[np.zeros(19, int), 1]]
    failure = parity_failure(judged({"y": labels}, budget=BUDGET))
    assert failure.verdict is Verdict.VACUOUS
    assert "its commonest element" in failure.reason


def test_decisions_are_held_to_their_share_and_no_narrow_flip_is_excused():
    """Flips beyond rounding noise count, however narrow they are."""
    loose = Allowance(min_snr_db=1.0, min_agreement=0.9)
    noisy = with_noise(SCORES, 6.0)
    flipped = sum(
        int(np.count_nonzero(a.argmax(axis=1) != b.argmax(axis=1)))
        for a, b in zip(SCORES, noisy, strict=True)
    )
    assert flipped > 5
    report = judged({"y": SCORES}, {"y": noisy}, budget=loose, task="image-classification")
    labels = next(decision for decision in report.decisions if decision.kind == "label")
    assert labels.agreed == 50 - flipped
    assert "the budget asks for 90 %" in labels.problem
    assert parity_failure(report).verdict is Verdict.FAIL


def test_a_missing_output_is_no_matter_of_budgets():
    """Structure is exact for every variant."""
    outputs = {"y": SCORES, "z": SCORES}
    report = judged(outputs, {"y": SCORES}, budget=BUDGET)
    assert "output 'z' is missing" in parity_failure(report).reason
