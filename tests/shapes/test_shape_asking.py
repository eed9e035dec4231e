from __future__ import annotations

import numpy as np
import pytest

from conformance.bundle import ProbeInfo
from conformance.shapes import answer_probes, answer_probes_in_float64

FEEDS = {"x": np.ones((2, 3), "f4")}
PLAN = [(ProbeInfo("batch-2", "size", "batch", 2), FEEDS)]


def double(feeds):
    return {"y": feeds["x"] * 2}


def test_answers_come_with_their_float64_reference():
    """A probe that both precisions answer is a data set like any other."""
    infos, answers = answer_probes(PLAN, double)
    answers = answer_probes_in_float64(answers, lambda f: {"y": f["x"].astype("f8") * 2})
    assert infos == [PLAN[0][0]]
    assert answers["batch-2"].inputs is FEEDS
    assert answers["batch-2"].outputs_fp64["y"].dtype == np.float64


def test_a_source_that_raises_rejects_the_shape():
    """What it says is kept, and cut where it is long."""

    def refuse(feeds):
        raise ValueError("\n" + "x" * 300 + "\ntraceback")

    infos, answers = answer_probes(PLAN, refuse)
    assert not answers
    assert infos[0].source_rejects.startswith("ValueError: xxx")
    assert len(infos[0].source_rejects) == 200
    assert "\n" not in infos[0].source_rejects


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "ValueError"),
        ("no kernel\nin detail", "ValueError: no kernel"),
        ('it fails:\n\nat (last call):\n  File "m.py", line 1\n\ngot 0\n', "ValueError: got 0"),
        ("only this:", "ValueError: only this:"),
    ],
)
def test_a_reason_is_the_first_line_that_says_something(text, reason):
    """Tracebacks that come before it, as in TensorFlow, are left out."""

    def refuse(feeds):
        raise ValueError(text)

    (info,), _ = answer_probes(PLAN, refuse)
    assert info.source_rejects == reason


def test_an_answer_without_a_float64_reference_is_kept():
    """Where only the float64 copy fails, or is no such copy, its source's answer still counts."""

    def fails(feeds):
        raise RuntimeError("no kernel")

    for exact in (fails, double, lambda f: {"y": np.zeros(1)}, lambda f: {}):
        answers = answer_probes_in_float64(answer_probes(PLAN, double)[1], exact)
        assert answers["batch-2"].outputs_fp64 is None
        assert answers["batch-2"].outputs["y"].tolist() == [[2, 2, 2], [2, 2, 2]]
