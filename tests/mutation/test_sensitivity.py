from __future__ import annotations

from conformance.evidence import Mutant, MutantFate, MutationReport
from conformance.mutation import insensitive


def report(killed, missed, equivalent, rate=0.2):
    mutants = (
        *(Mutant("zero bias", f"k{n}", MutantFate.KILLED) for n in range(killed)),
        *(
            Mutant("skip mask", f"input 'm{n}' as 1s", MutantFate.MISSED, 0.1,
                   "no effect on the data sets", "a mask with padding")
            for n in range(missed)
        ),
        *(Mutant("drop node", f"e{n}", MutantFate.EQUIVALENT) for n in range(equivalent)),
    )  # fmt: skip
    return MutationReport(mutants, refused=3, seed=0, max_missed_rate=rate)


def test_a_check_that_misses_more_than_declared_is_told_with_examples_and_inputs():
    """The sentence counts observable mutants only and names the inputs once."""
    sentence = insensitive(report(killed=4, missed=6, equivalent=10))
    assert sentence.startswith("misses 6 of 10 wrong models (60%, declared 20%): skip mask: ")
    assert sentence.count("input 'm") == 2
    assert sentence.endswith("; inputs that would reveal more: a mask with padding")


def test_a_check_within_the_declared_rate_is_sensitive_enough():
    """At the rate itself nothing is said; equivalent and refused mutants never count."""
    assert insensitive(report(killed=8, missed=2, equivalent=5)) is None
    assert insensitive(report(killed=7, missed=2, equivalent=5)) is not None
    assert insensitive(report(killed=4, missed=6, equivalent=0, rate=0.6)) is None
    assert insensitive(report(killed=0, missed=0, equivalent=5)) is None
