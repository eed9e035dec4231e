from __future__ import annotations

import pytest

from conformance.history import (
    CaseChange,
    FactChange,
    Figure,
    FigureChange,
    Finding,
    Movement,
)
from conformance.model import Stage, Verdict
from conformance.reporters.differences import fact_sentence, figure_sentence, verdicts

PASSED = Finding(Verdict.PASS, Stage.LATENCY, None)
FAILED = Finding(Verdict.FAIL, Stage.EXPORT, "no such operator")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (FigureChange(Figure.PARITY_RATIO, 0.4, 0.71, 1.775), "parity ratio 0.4 → 0.71"),
        (FigureChange(Figure.SIZE, 1_240_000, 980_000, 0.79), "size 1.24 MB → 980 kB"),
        (FigureChange(Figure.NODES, 12_345, 17, 0.1), "nodes 12345 → 17"),
        (
            FigureChange(Figure.LATENCY, None, None, 1.2, 1.15, 1.25, confirmed=True),
            "latency 1.2x [1.15, 1.25], slower",
        ),
        (
            FigureChange(Figure.LATENCY, None, None, 0.8, 0.75, 0.85),
            "latency 0.8x [0.75, 0.85], faster, not measured again",
        ),
    ],
)
def test_a_figure_is_told_in_its_unit(change, sentence):
    """Each figure in the form that people know it by."""
    assert figure_sentence(change) == sentence


@pytest.mark.parametrize(
    ("fact", "sentence"),
    [
        (
            FactChange("commit", "3f2a9c1be0d44b5f8c-dirty", None),
            "commit 3f2a9c1be0d4-dirty → unknown",
        ),
        (FactChange("seed", 0, 3), "seed 0 → 3"),
        (
            FactChange("memory_bytes", 8_300_000_000, 16_700_000_000),
            "memory_bytes 8.3 GB → 16.7 GB",
        ),
        (FactChange("isa", ["avx", "fma"], ["fma", "avx512f"]), "isa: avx removed, avx512f added"),
        (FactChange("gpus", ["a", "b"], ["b", "a"]), "gpus: in another order"),
        (FactChange("governor", None, "powersave"), "governor unknown → powersave"),
    ],
)
def test_a_fact_is_told_by_what_differs(fact, sentence):
    """Commits are short, lists are told by what came and went."""
    assert fact_sentence(fact) == sentence


def test_verdicts_are_told_with_the_stage_of_a_failure():
    """Then and now, once where they are the same, the one there is where one is missing."""
    change = CaseChange("a", Movement.REGRESSED, PASSED, FAILED)
    assert verdicts(change) == "✓ pass → ✗ fail: export"
    assert verdicts(CaseChange("a", Movement.STILL_FAILING, FAILED, FAILED)) == "✗ fail: export"
    assert verdicts(CaseChange("a", Movement.VANISHED, PASSED, None)) == "✓ pass"
    assert verdicts(CaseChange("a", Movement.VANISHED, None, None)) == "–"  # noqa: RUF001 - a dash
