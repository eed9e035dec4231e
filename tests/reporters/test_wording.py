# ruff: noqa: RUF001 - the multiplication sign is what reports show
from dataclasses import replace

import pytest
from sample_report import (
    DECLARED,
    FLIPPED,
    LABEL,
    LOGITS,
    SLOW,
    TIMED,
    every_verdict,
)

from conformance.evidence import ParityReport
from conformance.reporters import wording


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ns"),
        (512, "512 ns"),
        (999, "999 ns"),
        (999.7, "1 µs"),
        (18_400, "18.4 µs"),
        (1_234_567, "1.23 ms"),
        (999_600_000, "1 s"),
        (61_000_000_000, "61 s"),
        (99_960, "100 µs"),
    ],
)
def test_durations_have_the_unit_that_fits(nanoseconds, text):
    """Three significant digits, never 1000 of a smaller unit nor an exponent."""
    assert wording.duration(nanoseconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(950, "950 B"), (1_240_000, "1.24 MB"), (438_000_000, "438 MB")]
)
def test_sizes_have_the_unit_that_fits(count, text):
    """Bytes are shown in decimal units."""
    assert wording.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(8.24, "8.2 s"), (725, "12 min 5 s"), (3725, "1 h 2 min")]
)
def test_elapsed_time_reads_like_a_clock(seconds, text):
    """Long durations are shown in minutes and hours."""
    assert wording.elapsed(seconds) == text


@pytest.mark.parametrize(
    ("outputs", "problems", "text"),
    [
        ((LOGITS,), (), "1.3× noise, limit 3.1×"),
        ((LABEL, DECLARED), (), "0.4 of limit"),
        ((LABEL,), (), "exact"),
        ((replace(LOGITS, noise=0.0, noise_ratio=None),), (), "0.43 of limit"),
        ((LOGITS, FLIPPED), (), "differs"),
        ((LOGITS,), ("output 'x' is missing from the ONNX model",), "differs"),
        ((), (), "differs"),
    ],
)
def test_parity_is_told_in_the_terms_of_its_rule(outputs, problems, text):
    """Noise where there is a float64 reference, share of limit, exact, or differs."""
    assert wording.parity_phrase(ParityReport(outputs, 2, problems)) == text


def test_speed_is_told_against_the_source():
    """Faster or slower is a word, so that no one has to guess which way the ratio goes."""
    assert wording.speed_phrase(TIMED) == "2.3× faster"
    assert wording.speed_phrase(SLOW) == "1.3× slower"
    assert wording.speed_phrase(replace(TIMED, source_median_ns=None)) == wording.NOTHING


def test_scores_have_honest_denominators():
    """Only what was checked is counted, and the rest is named beside the score."""
    found = {score.name: str(score) for score in wording.scores(every_verdict())}
    assert found == {
        "pytorch": "passed 2 of 5 checked",
        "sklearn": "passed 1 of 1 checked",
        "tensorflow": "passed 0 of 1 checked; not counted: 1 infra-error",
        "transformers": "passed 1 of 1 checked; not counted: 1 not-run",
    }


def test_control_and_direction_characters_are_spelled_out():
    """Nothing in a text steers a terminal or reorders what is read; lines and tabs stay."""
    assert wording.inert("a\x1b[2J\x9b\u202eb\u2028\ud800\n\tü") == (
        "a\\x1b[2J\\x9b\\u202eb\\u2028\\ud800\n\tü"
    )
