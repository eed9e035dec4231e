import itertools
from dataclasses import replace

import pytest
from sample_evidence import EXPLANATION

from conformance.evidence import ErrorStep
from conformance.reporters.waterfall import waterfall


def test_a_longer_bar_is_a_larger_error():
    """Bars order as their errors do, and lie left of the limit exactly when they are below it."""
    drawn = waterfall(EXPLANATION)
    for bar in drawn.bars:
        for figure, length in ((bar.step.error, bar.error), (bar.step.delta, bar.delta)):
            assert (figure is None) == (length is None)
            if figure is not None:
                assert 0 < length <= 100
                assert (length > drawn.limit) == (figure > EXPLANATION.limit)
    known = sorted((b.step.error, b.error) for b in drawn.bars if b.error is not None)
    assert [length for _, length in known] == sorted(length for _, length in known)


def test_a_decade_has_the_same_length_everywhere():
    """The scale is logarithmic and its labels are powers of ten."""
    steps = tuple(ErrorStep(str(power), 10.0**power) for power in (-4, -3, -2, -1))
    drawn = waterfall(replace(EXPLANATION, steps=steps, limit=1e-3))
    bars = [bar.error for bar in drawn.bars[1:]]  # the first lies at the origin: a stub
    gaps = [right - left for left, right in itertools.pairwise(bars)]
    assert gaps == pytest.approx([gaps[0]] * 2, abs=0.02)
    assert [tick.label for tick in drawn.ticks] == ["1e-4", "1e-3", "1e-2", "1e-1"]
    assert (drawn.ticks[0].at, drawn.ticks[-1].at) == (0, 100)


def test_the_step_that_brought_in_the_most_is_the_guilty_one():
    """One step is marked, and only if the explanation accuses and a step exceeds the limit."""
    drawn = waterfall(EXPLANATION)
    guilty = [bar.step.name for bar in drawn.bars if bar.guilty]
    assert guilty == ["ONNX Runtime, optimizations on"]
    assert [bar.over for bar in drawn.bars] == [False, False, False, True, False]
    assert not any(bar.guilty for bar in waterfall(replace(EXPLANATION, guilty=None)).bars)
    assert not any(bar.guilty for bar in waterfall(replace(EXPLANATION, limit=1.0)).bars)


def test_a_float64_error_does_not_squeeze_the_rest():
    """What is far below the limit keeps a stub, so that the scale shows what matters."""
    drawn = waterfall(EXPLANATION)
    assert drawn.ticks[0].label == "1e-11"
    assert drawn.bars[1].error == 0.5


@pytest.mark.parametrize(
    "steps",
    [
        (),
        (ErrorStep("source fp32", 0.0), ErrorStep("ONNX", 0.0, 0.0)),
        (ErrorStep("source fp32", None, None, "no float64"),),
        (ErrorStep("source fp32", 1e-7), ErrorStep("ONNX", float("inf"), float("nan"))),
    ],
    ids=["none", "exact", "unknown", "not finite"],
)
@pytest.mark.parametrize("limit", [0.0, 1e-6])
def test_figures_without_a_place_on_the_scale_are_drawn_at_its_ends(steps, limit):
    """Zero, unknown and infinite errors break no page and are not drawn as ordinary ones."""
    drawn = waterfall(replace(EXPLANATION, steps=steps, limit=limit))
    assert (drawn.limit is None) == (limit == 0)
    assert all(b.error in (None, 0.0, 100.0) or 0 < b.error < 100 for b in drawn.bars)
    assert [bar.step for bar in drawn.bars] == list(steps)


def test_many_decades_are_labelled_sparsely():
    """Labels never run into each other, however far the errors reach."""
    steps = (ErrorStep("source fp32", 1e-7), ErrorStep("ONNX", 1e30, 1e30))
    assert len(waterfall(replace(EXPLANATION, steps=steps)).ticks) <= 7
