from dataclasses import replace

import pytest
from sample_evidence import (
    BLUNT,
    DIVERGENCE,
    EQUIVALENT,
    FLIP,
    KILLED,
    LABELS,
    MISSED,
    PERFECT,
    SHAPES,
    SHARP,
    TIES,
    every_finding,
    generator,
    partly,
)
from sample_report import LOGITS, make_row

from conformance.evidence import MutationReport, PaddingCheck, ParityReport, ShapeOutcome
from conformance.reporters import findings


@pytest.mark.parametrize(
    ("mutation", "text"),
    [
        (SHARP, "kills 19/20, 1 missed, 3 equivalent; 2 refused"),
        (PERFECT, "kills 20/20"),
        (MutationReport((EQUIVALENT,), 1, 0, 0.1), "kills 0/0, 1 equivalent; 1 refused"),
    ],
)
def test_mutation_is_one_line_that_hides_nothing(mutation, text):
    """Kills among the observable, and beside them whatever else became of the mutants."""
    assert findings.mutation_sentence(mutation) == text


def test_a_check_is_too_blunt_above_the_declared_rate_only():
    """Missing one of twenty is within a tenth; missing three of five is not."""
    assert [m.too_blunt for m in (SHARP, PERFECT, BLUNT)] == [False, False, True]


def test_survivors_are_listed_missed_ones_first():
    """What the check should have caught stands above what nobody could have."""
    mutation = MutationReport((EQUIVALENT, KILLED, MISSED, EQUIVALENT), 0, 0, 0.1)
    assert findings.survivors(mutation) == (MISSED, EQUIVALENT, EQUIVALENT)


def test_sensitivity_of_a_run_adds_up_its_cases():
    """Caught of observable over all cases, and how many cases miss more than they may."""
    text = "check sensitivity: 41 of 45 wrong models caught, 1 case misses more than declared"
    assert findings.sensitivity(every_finding()) == text
    sharp = [make_row(mutation=SHARP), make_row(mutation=PERFECT), make_row()]
    assert findings.sensitivity(sharp) == "check sensitivity: 39 of 40 wrong models caught"
    assert findings.sensitivity([make_row()]) is None


def test_shapes_are_a_table_of_axes_and_sizes():
    """Axes as they were tried, sizes ascending, and a gap where an axis was not tried."""
    table = findings.shape_table(SHAPES.probes[::-1])
    assert table.sizes == (0, 1, 4, 11, 64, 128)
    assert [axis for axis, _ in table.rows] == ["sequence", "batch"]
    sequence, batch = (probes for _, probes in table.rows)
    assert [probe and probe.size for probe in sequence] == [0, 1, None, 11, None, 128]
    assert [probe and probe.size for probe in batch] == [0, 1, 4, None, 64, None]


def test_an_outcome_is_bad_exactly_where_it_is_a_problem():
    """Refusing size 0 and what the source cannot do itself are not shown as faults."""
    for outcome in ShapeOutcome:
        for size in (0, 3):
            probe = replace(SHAPES.probes[0], outcome=outcome, size=size)
            shown = findings.outcome(probe)
            assert shown.word == outcome
            assert (shown.tone == "bad") == (probe.problem is not None)
            assert (shown.tone == "good") == (outcome is ShapeOutcome.WORKS)
    glyphs = {findings.outcome(replace(SHAPES.probes[1], outcome=o)).glyph for o in ShapeOutcome}
    assert len(glyphs) == len(ShapeOutcome)


@pytest.mark.parametrize(
    ("changes", "ending"),
    [
        ({}, "6 padded rows agree with the unpadded ones on the real positions (0.12 of limit)"),
        ({"rows": 1}, ("1 padded row agrees with the unpadded ones on the real positions (0.12 of "
        "limit)")),
        ({"skipped": "the source does"}, "not compared, because the source does"),
        ({"problem": "row 2 moves by 0.3"}, "row 2 moves by 0.3"),
    ],
)  # fmt: skip
def test_padding_is_told_with_its_mask_and_axis(changes, ending):
    """Agreement, a reason for no comparison, or what is wrong; never agreement by default."""
    check = replace(PaddingCheck("attention_mask", "sequence", 6, 0.12), **changes)
    assert findings.padding_sentence(check) == (
        f"masked by 'attention_mask' along 'sequence': {ending}"
    )


def test_decisions_that_differ_are_ties_or_problems():
    """Alike, explained as ties, or wrong in the words of the comparison."""
    assert findings.decision_sentence(LABELS) == "all alike"
    assert findings.decision_sentence(TIES).startswith("2 ties: ")
    assert findings.decision_sentence(FLIP) == FLIP.problem
    idle = replace(LABELS, blind="every text repeats one token")
    assert findings.decision_sentence(idle) == "proves nothing: every text repeats one token"


def test_a_fallback_and_a_component_that_differs_are_marked():
    """Which exporter stood in shows beside the figures, and so does a part that is wrong."""
    assert [mark.text for mark in findings.marks(generator())] == ["exported by torchscript"]
    texts = [mark.text for mark in findings.marks(generator("41x its limit"))]
    assert texts == ["exported by torchscript", "component prefill differs"]


def test_a_divergence_says_whose_fault_it_is():
    """A node that errs by itself is told from one that passes an error on."""
    between, role = findings.divergence_sentences(DIVERGENCE)
    assert between == "between ONNX Runtime, optimizations off and ONNX Runtime, optimizations on"
    assert "originates" in role
    assert "passes" in findings.divergence_sentences(replace(DIVERGENCE, originates=False))[1]


def test_rows_are_marked_with_what_takes_meaning_from_their_figures():
    """Partial placement, decisions, shapes, missed mutants and rows set aside are marked."""
    shown = [[mark.text for mark in findings.marks(row)] for row in every_finding()]
    assert shown == [
        ["label: 11 of 12 alike"],
        ["2 of 8 shapes wrong", "1 wrong model missed"],
        ["3 wrong models missed"],
        [],
        ["61% of nodes, 14 fell back"],
        ["none of 41 nodes ran on CUDAExecutionProvider"],
        ["2 rows set aside"],
        [],
    ]


def test_only_what_voids_a_figure_alarms():
    """A provider that ran nothing and a check that is too blunt alarm; the rest is a note."""
    tones = {row.model: [mark.tone for mark in findings.marks(row)] for row in every_finding()}
    assert tones["embedding-bag"] == tones["pooling"] == ["alarm"]
    assert tones["resnet18"] == tones["random-forest"] == ["note"]
    assert tones["encoder"] == ["alarm", "note"]


def test_padding_that_changes_answers_is_marked():
    """A mask that is ignored shows in the row."""
    wrong = replace(SHAPES, probes=(), padding=(replace(SHAPES.padding[0], problem="moves"),))
    row = make_row(parity=ParityReport((LOGITS,), 3, generalization=wrong))
    assert [mark.text for mark in findings.marks(row)] == ["padding changes answers"]


def test_a_row_with_nothing_to_know_is_not_marked():
    """All nodes where they belong and every mutant killed: nothing beside the figure."""
    assert findings.marks(make_row(mutation=PERFECT)) == ()
    assert findings.marks(partly("cnn", 41, 0)) == ()
