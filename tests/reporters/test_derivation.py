from dataclasses import replace

import pytest
from sample_evidence import QUANTIZED
from sample_report import make_row

from conformance.evidence import OutputParity, Ratio
from conformance.reporters import wording
from conformance.reporters.derivation import beside_base, derivation_phrase, op_counts


def test_a_variant_is_told_beside_its_base():
    """Its size as a share, and its speed by the ratio of two that were timed in alternation."""
    row = make_row(variant="int8-static", export=QUANTIZED)
    assert beside_base(row) == "27 % size, 1.8× speed"  # noqa: RUF001
    assert beside_base(replace(row, provider="cuda")) == "27 % size"
    assert beside_base(make_row()) is None


def test_a_speed_whose_interval_holds_1_is_no_gain():
    """Neither is the faster one; otherwise the interval stands beside the factor."""
    told = derivation_phrase(QUANTIZED.derivation, QUANTIZED.size_bytes, "cpu")
    assert told == "27 % of the size of fp32 (1.24 MB), 1.8x faster than fp32 [1.7, 1.9]"
    unsure = replace(QUANTIZED.derivation, speedups={"cpu": Ratio(1.1, 0.9, 1.3, 9)})
    assert "about as fast as fp32" in derivation_phrase(unsure, QUANTIZED.size_bytes, "cpu")


def test_the_most_frequent_operators_come_first():
    """Counts by op type, in an order that people read."""
    assert op_counts({"Add": 1, "Conv": 4, "MatMul": 4}) == "4 Conv, 4 MatMul, 1 Add"


FLOATS = OutputParity("y", "float32", (2,), "budget", None, limit=0.1, ratio=0.1, rmse=0.01)


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (replace(FLOATS, snr_db=40.0), "SNR 40 dB, budget 20 dB"),
        (replace(FLOATS, snr_db=14.0, ratio=2.0), "SNR 14 dB, budget 20 dB"),
        (replace(FLOATS, ratio=0.0, rmse=0.0), "exact"),
        (replace(FLOATS, rmse=None, ratio=0.5), "95 % same, budget 90 %"),
    ],
)
def test_a_budget_is_told_in_its_own_terms(output, text):
    """Decibels for floats, shares for labels: a share of a limit would say less."""
    assert wording.output_phrase(output) == text
    assert text in wording.output_sentence(output)
