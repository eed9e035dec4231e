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


WITH_FLOOR = replace(LOGITS, noise=1e-6, limit=5.42e-6, noise_ratio=1.312)
NO_FP64 = replace(DECLARED, rule_reason="the source's ops have no float64 kernels")


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (LOGITS, "ONNX error 1.3x the framework's own rounding noise (limit 3.1x)"),
        (WITH_FLOOR, "ONNX error 1.3x the framework's own rounding noise (limit 5.4x)"),
        (
            replace(LOGITS, noise=0.0, noise_ratio=None),
            "ONNX error 0.43 of limit, the floor alone: the framework showed no rounding noise",
        ),
        (
            NO_FP64,
            "declared tolerance: 0.4 of limit, because the source's ops have no float64 kernels",
        ),
        (replace(DECLARED, rule_reason=None), "declared tolerance: 0.4 of limit"),
        (LABEL, "exactly equal"),
        (replace(LABEL, ratio=None), "exactly equal"),
        (FLIPPED, "differs"),
        (replace(LABEL, ratio=float("inf"), problem="2 differ"), "must be equal, and is not"),
        (replace(LOGITS, ratio=None), "not measured"),
        (
            replace(LOGITS, constant="it depends on the length alone"),
            (
                "ONNX error 1.3x the framework's own rounding noise (limit 3.1x); "
                "constant by design: it depends on the length alone"
            ),
        ),
        (
            replace(NO_FP64, set_aside=2),
            (
                "declared tolerance: 0.4 of limit, because the source's ops have no float64 "
                "kernels; 2 rows set aside as ties"
            ),
        ),
        (
            replace(LABEL, set_aside=1),
            "exactly equal; 1 row set aside as ties",
        ),
    ],
)
def test_an_output_is_told_in_a_full_sentence(output, text):
    """What was measured, in multiples of noise with the floor's share in the limit, and why."""
    assert wording.output_sentence(output) == text


CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


@pytest.mark.parametrize(
    ("placement", "provider", "text", "share"),
    [
        ({CUDA: 22, CPU: 14}, "cuda", "61% of nodes, 14 fell back", "61% of nodes"),
        ({CUDA: 22, CPU: 14}, CUDA, "61% of nodes, 14 fell back", "61% of nodes"),
        ({CPU: 41}, "cuda", f"none of 41 nodes ran on {CUDA}", "0% of nodes"),
        ({CUDA: 0, CPU: 41}, "cuda", f"none of 41 nodes ran on {CUDA}", "0% of nodes"),
        ({CUDA: 999, CPU: 1}, "cuda", "99% of nodes, 1 fell back", "99% of nodes"),
        ({CUDA: 1, CPU: 999}, "cuda", "1% of nodes, 999 fell back", "1% of nodes"),
    ],
)
def test_a_provider_that_ran_only_a_part_is_named_as_such(placement, provider, text, share):
    """The share it ran and how many nodes fell back; never rounded to all or to nothing."""
    found = wording.fallback(placement, provider)
    assert (str(found), found.share) == (text, share)
    assert found.absent == text.startswith("none")


@pytest.mark.parametrize(
    ("placement", "provider"),
    [({CPU: 87}, "cpu"), ({CUDA: 87}, "cuda"), ({CUDA: 87, CPU: 0}, "cuda"),
     ({}, "cuda"), (None, "cuda"), ({CPU: 87}, None)],
)  # fmt: skip
def test_a_provider_that_ran_everything_needs_no_words(placement, provider):
    """Nothing is said where all nodes ran where they should, or where nothing is known."""
    assert wording.fallback(placement, provider) is None
