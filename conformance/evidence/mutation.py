"""How sensitive a check is: what it made of models that were changed on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MutantFate(StrEnum):
    """What the check made of a model that was changed on purpose."""

    KILLED = "killed"
    #: Nothing observable changed: no check could tell the two models apart.
    EQUIVALENT = "equivalent"
    #: The answers changed, and the check did not object.
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One seeded change of the ONNX model, run through the same comparison."""

    #: The kind of change, such as "perturb weight" or "swap outputs".
    operator: str
    #: What was changed: a node or initializer, by name and op.
    target: str
    fate: MutantFate
    #: Error over limit under the comparison; ``None`` where shapes or dtypes differ.
    ratio: float | None = None
    #: Why it was killed, why it is equivalent, or how large the effect is that was missed.
    detail: str | None = None
    #: Inputs that would reveal a missed mutant; ``None`` where none was found.
    revealed_by: str | None = None


@dataclass(frozen=True, slots=True)
class MutationReport:
    """How sensitive the check of one case is: of N wrong models, how many it catches."""

    mutants: tuple[Mutant, ...]
    #: Further mutants that ONNX Runtime refused to load or run; they prove nothing.
    refused: int
    seed: int
    #: Share of observable mutants that may be missed before the check counts as vacuous.
    max_missed_rate: float

    def count(self, fate: MutantFate) -> int:
        """How many mutants met this fate."""
        return sum(mutant.fate is fate for mutant in self.mutants)

    @property
    def missed_rate(self) -> float:
        """Missed mutants over those with an observable effect; 0 where there is none."""
        observable = len(self.mutants) - self.count(MutantFate.EQUIVALENT)
        return self.count(MutantFate.MISSED) / observable if observable else 0.0

    @property
    def too_blunt(self) -> bool:
        """Whether the check misses more wrong models than its zoo allows."""
        return self.missed_rate > self.max_missed_rate

    @property
    def score(self) -> str:
        """``kills 19/20``: of the mutants with an observable effect."""
        observable = len(self.mutants) - self.count(MutantFate.EQUIVALENT)
        return f"kills {self.count(MutantFate.KILLED)}/{observable}"
