from __future__ import annotations

import numpy as np
import pytest
from parity_cases import data_sets, judged

from conformance.bundle import DataSet
from conformance.entry import Tolerance
from conformance.parity.compare import compare
from conformance.parity.terms import Terms

RNG = np.random.default_rng(4)
LOGITS = [RNG.normal(size=(n, 12)) for n in (5, 3)]
VECTORS = [RNG.normal(size=(n, 8)) for n in (4, 3)]
#: Everything within 0.1 is accepted, so that ties can be seen.
COARSE = Tolerance(atol=0.1, reason="to see ties")


def decided(right, given, task, name="logits", tolerance=None):
    """Decisions by their kind."""
    tolerance = tolerance or Tolerance()
    report = judged({name: right}, {name: given}, task=task, tolerance=tolerance)
    return {d.kind: d for d in report.decisions}


def changed(arrays, index, value):
    others = [a.copy() for a in arrays]
    others[0][index] = value
    return others


@pytest.mark.parametrize(
    ("task", "kinds"),
    [
        ("image-classification", ["label", "top-5"]),
        ("text-generation", ["label", "top-5"]),
        ("feature-extraction", ["neighbours"]),
        ("sentence-embedding", ["neighbours"]),
        ("clustering", ["clusters"]),
        ("tabular-regression", []),
        (None, []),
    ],
)
def test_the_task_says_which_decisions_are_taken(task, kinds):
    """Equal answers decide alike, and only what the task takes is counted."""
    decisions = decided(LOGITS, LOGITS, task)
    assert list(decisions) == kinds
    for decision in decisions.values():
        assert (decision.agreed, decision.total) == (8, 8)
        assert decision.problem is None
        assert decision.narrowest_margin is None


def test_a_clear_flip_is_a_problem_with_its_margin():
    """Another label than the clearly best one is told with the lead that it had."""
    best = int(LOGITS[0][2].argmax())
    loser = int(LOGITS[0][2].argmin())
    label = decided(LOGITS, changed(LOGITS, (2, loser), 9.0), "image-classification")["label"]
    assert (label.agreed, label.total, label.ties) == (7, 8, 0)
    lead = LOGITS[0][2, best] - LOGITS[0][2, loser]
    assert label.narrowest_margin == pytest.approx(lead)
    assert "label of output 'logits': 1 of 8 differ" in label.problem


def test_a_flip_within_the_accepted_error_is_a_tie():
    """Both tensors are accepted, so neither label can be called wrong."""
    first = np.array([[1.0, 0.95, 0.0], [0.0, 2.0, 5.0], [3.0, 0.0, 0.0]])
    right, given = [first], changed([first], (0, 1), 1.04)
    label = decided(right, given, "image-classification", tolerance=COARSE)["label"]
    assert (label.agreed, label.ties, label.problem) == (2, 1, None)
    assert label.narrowest_margin == pytest.approx(0.05)


def test_accepted_tensors_never_flip_a_decision_clearly():
    """Whatever is within its limit can only differ in ties: thousands of random ones do."""
    rng = np.random.default_rng(8)
    ties = 0
    for _ in range(300):
        right = [rng.normal(size=(6, 11))]
        given = [right[0] + rng.uniform(-0.0999, 0.0999, right[0].shape)]
        for task in ("image-classification", "feature-extraction"):
            for decision in decided(right, given, task, tolerance=COARSE).values():
                assert decision.problem is None
                assert decision.agreed + decision.ties == decision.total
                ties += decision.ties
    assert ties > 300


def test_the_five_best_count_as_a_set():
    """Another order among the five best is alike; the sixth in place of one is not."""
    scores = [np.tile(np.arange(12.0), (4, 1)) + np.arange(4)[:, None]]
    swapped = [scores[0][:, [*range(10), 11, 10]]]
    top = decided(scores, swapped, "image-classification")["top-5"]
    assert top.agreed == 4
    other = changed(scores, (1, 6), 30.0)
    top = decided(scores, other, "image-classification")["top-5"]
    assert (top.agreed, top.narrowest_margin) == (3, 1.0)
    assert "top-5 of output 'logits': 1 of 4 differ" in top.problem


def test_classes_of_a_segmentation_lie_along_the_axis_of_fixed_size():
    """Maps have their classes after the batch or last; pixels are no choices."""
    maps = [RNG.normal(size=(2, 3, *size)) for size in ((4, 6), (8, 2))]
    label = decided(maps, maps, "image-segmentation")["label"]
    assert label.total == 2 * 4 * 6 + 2 * 8 * 2
    last = [np.moveaxis(m, 1, -1) for m in maps]
    assert decided(last, last, "image-segmentation")["label"].total == label.total
    # where no size varies, the classes are fewer than the pixels
    for alone in (maps[:1], last[:1]):
        assert decided(alone, alone, "image-segmentation")["label"].total == 2 * 4 * 6


def test_choices_may_be_as_many_as_the_inputs_are_long():
    """An answer's start is chosen among positions, which vary from set to set."""
    starts = [RNG.normal(size=(2, 9)), RNG.normal(size=(3, 14))]
    label = decided(starts, starts, "question-answering", "start_logits")["label"]
    assert (label.agreed, label.total) == (5, 5)


def test_outputs_that_are_called_scores_are_the_ones_that_decide():
    """Beside logits, the largest number of a hidden state is no decision."""
    report = judged({"logits": LOGITS, "hidden": LOGITS}, task="image-classification")
    assert {d.output for d in report.decisions} == {"logits"}


def test_a_neighbour_that_changes_is_a_problem():
    """A vector moved next to another one has another nearest neighbour."""
    moved = changed(VECTORS, 0, VECTORS[1][2] * 1.01)
    near = decided(VECTORS, moved, "feature-extraction", "embedding")["neighbours"]
    assert near.total == 7
    assert near.agreed < 7
    assert "neighbours of output 'embedding'" in near.problem


def test_neighbours_ignore_length_and_take_the_mean_of_positions():
    """The cosine sees directions only; three axes are averaged over the middle one."""
    scaled = [3 * a for a in VECTORS]
    assert decided(VECTORS, scaled, "feature-extraction")["neighbours"].agreed == 7
    positions = [np.stack([a + 1, a - 1], axis=1) for a in VECTORS]
    moved = [p.copy() for p in positions]
    moved[0][0] = positions[1][2]
    assert decided(positions, positions, "feature-extraction")["neighbours"].agreed == 7
    assert decided(positions, moved, "feature-extraction")["neighbours"].problem


def test_identical_embeddings_are_one_neighbour():
    """Which of two equal vectors is nearer is no decision; zero vectors break nothing."""
    twins = [np.vstack([VECTORS[0], VECTORS[0], np.zeros((1, 8))])]
    noise = [a + RNG.uniform(-1, 1, a.shape) * 1e-9 for a in twins]
    near = decided(twins, noise, "feature-extraction")["neighbours"]
    assert near.problem is None


def test_two_embeddings_have_no_choice_of_neighbours():
    """From three rows on there is something to decide."""
    assert not decided([VECTORS[0][:2]], [VECTORS[0][:2]], "feature-extraction")


def test_clusters_without_scores_must_be_equal():
    """Nothing says how clear a cluster is: one that differs is no tie."""
    labels = [np.array([0, 1, 2, 1]), np.array([2, 0])]
    clusters = decided(labels, changed(labels, 1, 2), "clustering", "label")["clusters"]
    assert (clusters.agreed, clusters.total, clusters.ties) == (5, 6, 0)
    assert clusters.narrowest_margin is None
    assert "no margin that is known" in clusters.problem


def test_clusters_by_distance_take_the_smallest():
    """An output called distances chooses by its smallest value."""
    far = [np.array([[1.0, 5.0, 9.0], [4.0, 2.0, 8.0], [7.0, 6.0, 3.0]])]
    given = changed(far, (0, 2), 20.0)
    assert decided(far, given, "clustering", "distances")["clusters"].agreed == 3
    assert decided(far, given, "clustering", "scores")["clusters"].agreed == 3
    given = changed(far, (0, 2), 0.0)
    assert decided(far, given, "clustering", "distances")["clusters"].agreed == 2


def test_rows_that_were_set_aside_decide_as_ties():
    """A leaf that flips may flip the label too: the split explains both."""
    rng = np.random.default_rng(9)
    right = [rng.normal(size=(30, 3))]
    given = changed(right, 4, np.roll(right[0][4], 1))
    margins = [np.full(30, 8.0)]
    margins[0][4] = 0.1
    sets = data_sets({"scores": right}, margins={"scores": margins})
    terms = Terms(Tolerance(), task="tabular-classification")
    report = compare(sets, [{"scores": given[0].astype("f4")}], terms)
    assert not report.all_problems
    assert {d.kind: d.ties for d in report.decisions} == {"tree splits": 1, "label": 1}


def test_empty_sets_and_outputs_that_cannot_be_compared_decide_nothing():
    """NaN, another shape and no rows are told elsewhere, and break nothing here."""
    empty = [np.zeros((0, 12)), *LOGITS]
    assert decided(empty, empty, "image-classification")["label"].total == 8
    assert decided(empty, empty, "feature-extraction")["neighbours"].total == 8
    wrong = [{"logits": LOGITS[0][:, :5].astype("f4")}]
    sets = [DataSet({}, {"logits": LOGITS[0].astype("f4")}, None)]
    report = compare(sets, wrong, Terms(Tolerance(), task="image-classification"))
    assert report.decisions == ()
    nan = changed(LOGITS, (0, 0), np.nan)
    assert decided(LOGITS, nan, "image-classification") == {}
