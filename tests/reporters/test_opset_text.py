from __future__ import annotations

from dataclasses import replace

from sample_report import EXPORT, make_report, make_row

from conformance.evidence import OpsetConversion
from conformance.reporters.detail import detail
from conformance.reporters.terminal import render

CONVERTED = replace(EXPORT, opset_conversion=OpsetConversion(18, 13, "onnx 1.23.2", 0.1))


def test_the_page_and_the_terminal_say_that_the_opset_was_converted():
    """In full in the panel of the case, short at the terminal; else nothing."""
    row = make_row(opset=13, export=CONVERTED)
    told = "exported at opset 18, converted to 13 by the version converter of onnx 1.23.2"
    assert told in str(detail(row, make_report([row])))
    assert "from op18 by onnx 1.23.2" in render(make_report([row]), 140, color=False)
    given = make_row()
    assert "version converter" not in str(detail(given, make_report([given])))
    assert "from op18" not in render(make_report([given]), 140, color=False)
