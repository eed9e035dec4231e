"""Figures and results in words, the same for people at a terminal and in a browser."""

from conformance.reporters.wording.figures import (
    NOTHING,
    count,
    duration,
    elapsed,
    element,
    figure,
    size,
    times,
    two_digits,
)
from conformance.reporters.wording.parity import output_phrase, output_sentence, parity_phrase
from conformance.reporters.wording.placement import Fallback, fallback
from conformance.reporters.wording.score import Score, scores
from conformance.reporters.wording.speed import (
    baseline_sentence,
    compared,
    speed_phrase,
    speedup,
    speedup_sentence,
)

__all__ = [
    "NOTHING",
    "Fallback",
    "Score",
    "baseline_sentence",
    "compared",
    "count",
    "duration",
    "elapsed",
    "element",
    "fallback",
    "figure",
    "output_phrase",
    "output_sentence",
    "parity_phrase",
    "scores",
    "size",
    "speed_phrase",
    "speedup",
    "speedup_sentence",
    "times",
    "two_digits",
]
