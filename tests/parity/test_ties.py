from __future__ import annotations

import numpy as np
import pytest
from parity_cases import judged

from conformance.bundle import DataSet
from conformance.entry import Tolerance
from conformance.parity.compare import compare
from conformance.parity.terms import Terms

RNG = np.random.default_rng(3)
#: 30 rows in two sets: leaf values, and the class of each row.
LEAVES = [RNG.normal(size=(n, 2)) for n in (20, 10)]
CLASSES = [np.arange(n) % 3 for n in (20, 10)]
SCORES = [np.eye(3)[c] + RNG.uniform(0, 0.2, (len(c), 3)) for c in CLASSES]
NAMES = np.array(["cat", "dog", "emu"], object)
#: What a tie is here: far below the accepted error of scores, which is about 1e-6.
CLOSE = 1e-9


def wide(margin=50.0):
    return [np.full(len(a), margin) for a in LEAVES]


def flipped(rows):
    """The leaves of the first set, with other ones on some rows."""
    first = LEAVES[0].copy()
    first[list(rows)] += 0.01
    return [first, LEAVES[1]]


def split_case(rows, margins, leaves=None):
    right = {"y": LEAVES}
    return judged(right, {"y": leaves or flipped(rows)}, margins={"y": margins})


# -- splits ------------------------------------------------------------------------------


def test_rows_at_a_split_are_set_aside_and_left_out_of_the_figures():
    """A leaf that flips within one float32 ulp is explained, counted and not measured."""
    margins = wide()
    margins[0][[3, 7]] = [0.4, 1.0]
    report = split_case([3, 7], margins)
    (output,) = report.outputs
    assert output.problem is None
    assert output.set_aside == 2
    assert output.max_abs < 1e-6
    assert output.ratio < 1
    (splits,) = report.decisions
    assert (splits.kind, splits.agreed, splits.total, splits.ties) == ("tree splits", 28, 30, 2)
    assert splits.narrowest_margin == 0.4
    assert splits.problem is None
    assert "by at most 1 float32 ulps" in splits.detail


def test_a_row_that_was_clearly_decided_is_not_set_aside():
    """Two ulps are a decision; so is a margin that is not a number."""
    for margin in (1.01, np.nan, np.inf):
        margins = wide()
        margins[0][3] = margin
        report = split_case([3], margins)
        assert "at [3, " in report.outputs[0].problem
        assert report.outputs[0].set_aside == 0
        assert report.decisions[0].agreed == 30


def test_no_more_than_a_tenth_of_the_rows_may_be_set_aside():
    """Of 30 rows, three may be at a split; with a fourth the problem stands and says why."""
    margins = wide(0.0)
    assert split_case(range(3), margins).outputs[0].set_aside == 3
    report = split_case(range(4), margins)
    assert report.outputs[0].set_aside == 0
    assert "4 of 30 rows differ" in report.outputs[0].problem
    assert "more than the 3 that may be set aside" in report.outputs[0].problem
    assert "more than the 3" in report.decisions[0].problem


def test_rows_at_a_split_do_not_excuse_others():
    """Setting rows aside leaves the worst of the remaining ones, and names it."""
    margins = wide()
    margins[0][3] = 0.0
    report = split_case([3, 9], margins)
    assert report.outputs[0].set_aside == 1
    assert report.outputs[0].worst.index[0] == 9


def test_the_only_row_is_never_set_aside():
    """Nothing would be left to compare."""
    one = [np.array([[1.0, 2.0]])]
    report = judged({"y": one}, {"y": [one[0] + 1]}, margins={"y": [np.zeros(1)]})
    assert "its limit" in report.outputs[0].problem


def test_nan_is_not_set_aside():
    """A split leads to another leaf, never to NaN."""
    leaves = flipped([])
    leaves[0][3, 0] = np.nan
    report = split_case([], wide(0.0), leaves)
    assert "NaN or infinite" in report.outputs[0].problem


def test_a_source_that_flips_between_its_own_precisions_does_not_widen_the_limit():
    """What fp32 and fp64 differ by at a split is no rounding noise."""
    margins = wide()
    margins[0][3] = 0.0
    sets = [
        DataSet({"x": f}, {"y": f.astype("f4")}, {"y": a}, {"y": m})
        for f, a, m in zip(flipped([3]), LEAVES, margins, strict=True)
    ]
    wrong = [{"y": a.astype("f4")} for a in flipped([9])]
    (output,) = compare(sets, wrong, Terms(Tolerance())).outputs
    assert output.noise < 1e-6
    assert output.worst.index[0] == 9
    assert output.problem is not None


def test_margins_must_fit_their_output():
    """A margin for each row, or the margins are refused: not spread over what is there."""
    with pytest.raises(ValueError, match="margins of output 'y'"):
        split_case([], [np.zeros(20), np.zeros(9)])


def test_labels_at_a_split_are_set_aside():
    """A label that flips with its leaf is explained by the same margin."""
    labels = {"label": CLASSES}
    wrong = [CLASSES[0].copy(), CLASSES[1]]
    wrong[0][4] = 2 * wrong[0][4]
    margins = [np.full(len(a), 9.0) for a in CLASSES]
    margins[0][4] = 0.5
    report = judged(labels, {"label": wrong}, margins={"label": margins})
    assert not report.all_problems
    assert report.outputs[0].set_aside == 1
    assert report.outputs[0].ratio == 0
    assert report.outputs[0].max_abs == 0


# -- labels ------------------------------------------------------------------------------


def label_case(labels, scores=SCORES, right=None, **terms):
    """Labels of the model where those of the source go by the best score."""
    source = right or [NAMES[c] for c in CLASSES]
    outputs = {"label": source, "scores": scores}
    return judged(outputs, {"label": labels, "scores": scores}, **terms)


def renamed(row, name):
    labels = [NAMES[c] for c in CLASSES]
    labels[0] = labels[0].copy()
    labels[0][row] = name
    return labels


def tied_scores(row, *classes):
    scores = [s.copy() for s in SCORES]
    scores[0][row] = 0.1
    scores[0][row, list(classes)] = 1.0
    scores[0][row, classes[0]] += CLOSE
    return scores


def test_a_label_between_two_equal_scores_is_a_tie():
    """Where the best two are within the accepted error, either label is right."""
    report = label_case(renamed(0, "dog"), tied_scores(0, 0, 1))
    assert not report.all_problems
    assert report.outputs[0].set_aside == 1
    (label,) = report.decisions
    assert (label.kind, label.output, label.agreed, label.ties) == ("label", "label", 29, 1)
    assert label.narrowest_margin == pytest.approx(CLOSE, rel=1e-3)


def test_a_label_that_was_clearly_decided_is_a_flip_with_its_margin():
    """The problem says how many rows flip, by which margin, and what would be accepted."""
    report = label_case(renamed(0, "dog"))
    problem = report.outputs[0].problem
    assert "1 of 30 elements differ" in problem
    assert "label flips on 1 of 30 rows; narrowest margin 0." in problem
    assert "in 'scores' against an accepted error of" in problem
    assert "1 of them are no tie" in report.decisions[0].problem


def test_a_tie_excuses_no_third_label():
    """The label of a class that scores low is wrong, however close the best two are."""
    scores = tied_scores(0, 0, 1)
    assert label_case(renamed(0, "emu"), scores).outputs[0].problem is not None
    assert label_case(renamed(0, "fox"), scores).outputs[0].problem is not None


def test_a_label_that_the_sources_own_scores_do_not_give_is_no_tie():
    """Both labels must be among the best: the source's own one too."""
    right = renamed(0, "emu")
    assert label_case(renamed(0, "dog"), tied_scores(0, 0, 1), right).outputs[0].set_aside == 0


def test_labels_of_no_class_are_told_as_such():
    """Positions in place of labels have no margin at all."""
    report = label_case(CLASSES, right=[10 * c + 10 for c in CLASSES])
    assert "30 of 30 elements differ" in report.outputs[0].problem
    assert "to labels of no class" in report.outputs[0].problem


def test_scores_that_do_not_explain_the_labels_excuse_nothing():
    """If the source's labels are no function of its best score, a close score is no excuse."""
    scores = tied_scores(0, 0, 1)
    shuffled = [RNG.permutation(s) for s in scores]
    report = label_case(renamed(0, "dog"), shuffled)
    assert "1 of 30 elements differ" in report.outputs[0].problem
    assert report.outputs[0].set_aside == 0


def test_one_clear_row_that_contradicts_ends_the_explanation():
    """Labels are by the best score on every clear row of the source, or not at all."""
    scores = tied_scores(0, 0, 1)
    scores[1][5] = np.roll(scores[1][5], 1)
    assert label_case(renamed(0, "dog"), scores).outputs[0].problem is not None


def test_two_classes_of_one_label_are_no_explanation():
    """A label belongs to one class: otherwise few rows would fit any scores."""
    right = [NAMES[np.minimum(c, 1)] for c in CLASSES]
    wrong = [right[0].copy(), right[1]]
    wrong[0][0] = "dog"
    report = label_case(wrong, tied_scores(0, 0, 1), right)
    assert report.outputs[0].set_aside == 0


def test_a_class_without_clear_rows_lends_its_score_to_unknown_labels_only():
    """The best two may include a class that has no label yet; a known label is not it."""
    scores = [s[:, [0, 1, 2]].copy() for s in SCORES]
    right = [NAMES[c % 2] for c in CLASSES]
    for part, classes in zip(scores, CLASSES, strict=True):
        part[:] = np.eye(3)[classes % 2]
    scores[0][0] = [1.0, 0.0, 1.0 - CLOSE]
    for name, excused in (("emu", 1), ("dog", 0)):
        wrong = [right[0].copy(), right[1]]
        wrong[0][0] = name
        assert label_case(wrong, scores, right).outputs[0].set_aside == excused


def test_scores_with_labels_of_their_own_are_not_judged_twice():
    """The decision is the label; the largest score beside it is the same one."""
    report = label_case([NAMES[c] for c in CLASSES], task="tabular-classification")
    assert [(d.kind, d.output) for d in report.decisions] == [("label", "label")]


def test_scores_in_which_everything_is_a_tie_excuse_nothing():
    """Near-uniform scores explain no label: any label would do."""
    uniform = [np.full_like(s, 1 / 3) for s in SCORES]
    assert label_case(renamed(0, "dog"), uniform).outputs[0].problem is not None


def test_no_more_than_a_tenth_of_the_labels_may_be_ties():
    """A fourth tie among 30 rows leaves the problem standing."""
    scores = [s.copy() for s in SCORES]
    labels = [NAMES[c] for c in CLASSES]
    labels[0] = labels[0].copy()
    for row in (0, 3, 6, 9):
        scores[0][row] = tied_scores(row, 0, 1)[0][row]
        labels[0][row] = "dog"
    report = label_case(labels, scores)
    assert report.outputs[0].set_aside == 0
    assert "more than the 3 that may be set aside" in report.outputs[0].problem


@pytest.mark.parametrize("point", [0.0, 0.5])
@pytest.mark.parametrize("columns", [(), (1,)])
def test_a_single_score_decides_by_its_sign_or_at_one_half(point, columns):
    """Decision functions tip at 0, probabilities at one half; one column or none."""
    scores = [point + (c % 2 - 0.5) * 0.9 for c in CLASSES]
    right = [np.where(s > point, 1, -1) for s in scores]
    scores[0] = scores[0].copy()
    scores[0][0] = point - CLOSE
    wrong = [right[0].copy(), right[1]]
    wrong[0][0] = 1
    shaped = [s.reshape(-1, *columns) for s in scores]
    tie = label_case(wrong, shaped, right)
    assert tie.outputs[0].set_aside == 1
    assert not tie.all_problems
    wrong[0][1] *= -1
    assert "narrowest margin 0.45" in label_case(wrong, shaped, right).outputs[0].problem


def test_clusters_go_by_the_smallest_distance():
    """In clustering, labels are held against distances, and called clusters."""
    distances = [1.5 - s for s in tied_scores(0, 0, 1)]
    report = label_case(renamed(0, "dog"), distances, task="clustering")
    assert not report.all_problems
    assert [(d.kind, d.ties) for d in report.decisions] == [("clusters", 1)]
