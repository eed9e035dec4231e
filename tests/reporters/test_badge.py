from __future__ import annotations

from dataclasses import replace

import pytest
from sample_report import every_verdict, make_report, make_row, make_unmeasured

from conformance.model import Stage, Verdict
from conformance.reporters.badge import badge_json

FAILED = make_row("lstm", verdict=Verdict.FAIL, stage=Stage.PARITY, reason="wrong")
KNOWN = make_row("gru", verdict=Verdict.EXPECTED_FAIL, stage=Stage.EXPORT, reason="known")
ABSENT = make_unmeasured(Verdict.NOT_RUN, Stage.SESSION, "no GPU", model="vit", provider="cuda")
BROKEN = make_unmeasured(Verdict.INFRA_ERROR, Stage.EXPORT, "killed", model="bert")


@pytest.mark.parametrize(
    ("rows", "message", "color"),
    [
        ([make_row()], "1 of 1 pass", "brightgreen"),
        ([make_row(), KNOWN], "1 of 2 pass", "yellow"),
        ([make_row(), ABSENT], "1 of 1 pass, 1 not checked", "orange"),
        ([make_row(), BROKEN, KNOWN], "1 of 2 pass, 1 not checked", "orange"),
        ([make_row(), BROKEN, FAILED], "1 of 2 pass, 1 not checked", "red"),
        ([ABSENT], "nothing checked", "lightgrey"),
        ([], "nothing checked", "lightgrey"),
        (every_verdict(), "4 of 8 pass, 2 not checked", "red"),
    ],
)
def test_a_badge_says_of_how_many(rows, message, color):
    """What was not judged is in no denominator, and is told."""
    assert badge_json(make_report(rows)) == {
        "schemaVersion": 1,
        "label": "onnx conformance",
        "message": message,
        "color": color,
    }


def test_a_run_of_what_works_makes_no_green_badge():
    """The cases of the zoo that were not selected count as not checked; exports prove nothing."""
    report = make_report([make_row(), make_row("lstm", provider=None, verdict=Verdict.NOT_RUN)])
    known = (make_row().id, FAILED.id, KNOWN.id)
    partial = replace(report, header=replace(report.header, zoo_cases=known))
    badge = badge_json(partial)
    assert (badge["message"], badge["color"]) == ("1 of 1 pass, 2 not checked", "orange")


def test_a_run_that_did_not_end_is_not_green():
    """An interrupted run may have passed all that it reached."""
    assert badge_json(make_report([make_row()], status="interrupted"))["color"] == "orange"
