from __future__ import annotations

import pytest

from conformance.execution.contract import Failure
from conformance.model import Stage, Verdict
from conformance.outcomes import Converted, Outcomes, Proof, Reported

FAILURE = Failure(Verdict.FAIL, Stage.EXPORT, "no operator", "Traceback")


@pytest.mark.parametrize(
    "value",
    [
        Converted(FAILURE),
        Converted(None, cached=True),
        Proof(None, {"CPU": 2}, FAILURE),
        Reported("fail: no operator"),
    ],
)
def test_what_one_process_keeps_another_recalls(tmp_path, value):
    """The same value comes back, and only under its own kind and key."""
    Outcomes(tmp_path).keep("pytorch/cnn@a b", value)
    other = Outcomes(tmp_path)
    assert other.recall(type(value), "pytorch/cnn@a b") == value
    assert other.recall(type(value), "pytorch/cnn@a c") is None
    kinds = {Converted, Proof, Reported} - {type(value)}
    assert all(other.recall(kind, "pytorch/cnn@a b") is None for kind in kinds)


def test_a_disk_that_takes_nothing_leaves_each_process_what_it_found(tmp_path):
    """Sharing is a convenience: without it a process still knows its own outcomes."""
    taken = tmp_path / "taken"
    taken.write_text("in the way")
    outcomes = Outcomes(taken)
    outcomes.keep("case", Converted(FAILURE))
    assert outcomes.recall(Converted, "case") == Converted(FAILURE)
    assert Outcomes(taken).recall(Converted, "case") is None
