"""What a conversion does at other shapes than the one it was traced at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ShapeOutcome(StrEnum):
    """What a converted model does at a size it was not traced at."""

    WORKS = "works"
    #: ONNX Runtime refuses to run it, the source does not.
    REJECTS = "rejects"
    WRONG_VALUES = "wrong values"
    #: It answers in the shape of the traced size, whatever it is given.
    SILENTLY_STATIC = "silently static"
    #: The source itself cannot do it, so nothing is asked of the conversion.
    SOURCE_REJECTS = "source rejects"


@dataclass(frozen=True, slots=True)
class ShapeProbe:
    """One dynamic axis at one size, all other axes as traced."""

    axis: str
    size: int
    outcome: ShapeOutcome
    #: Error over limit of the worst element, where there were values to compare.
    ratio: float | None = None
    detail: str | None = None

    @property
    def problem(self) -> str | None:
        """What is wrong with the conversion, or ``None``; refusing size 0 is no fault."""
        if self.outcome in (ShapeOutcome.WORKS, ShapeOutcome.SOURCE_REJECTS):
            return None
        if self.outcome is ShapeOutcome.REJECTS and self.size == 0:
            return None
        detail = f": {self.detail}" if self.detail else ""
        return f"axis '{self.axis}' at size {self.size}: {self.outcome}{detail}"


@dataclass(frozen=True, slots=True)
class PaddingCheck:
    """A padded batch against the same rows without their padding, on the real positions."""

    #: The input that masks the padding.
    mask: str
    axis: str
    #: How many rows with padding were compared.
    rows: int
    #: Disagreement over limit of the worst element; above 1 fails.
    ratio: float | None = None
    #: Why the check says nothing: the source itself depends on its padding, say.
    skipped: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Generalization:
    """What a conversion does at other shapes than the traced one."""

    probes: tuple[ShapeProbe, ...] = ()
    padding: tuple[PaddingCheck, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """Every fault of the conversion, one line each."""
        shapes = tuple(probe.problem for probe in self.probes if probe.problem)
        return shapes + tuple(check.problem for check in self.padding if check.problem)
