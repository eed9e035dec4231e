"""What a conversion is held to: tolerance, budgets, latency, known failures."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from conformance.entry.strict import Strict

StageName = Literal[
    "load",
    "inputs",
    "reference",
    "export",
    "check",
    "optimize",
    "session",
    "parity",
    "latency",
]


class Tolerance(Strict):
    """When an output is accepted. Default: ``k`` times the source's own rounding noise."""

    k: Annotated[float, Field(gt=0)] = 3.0
    """Multiple of the source's fp32-against-fp64 error that is allowed."""
    floor_ulps: Annotated[float, Field(ge=0)] = 8.0
    """Added to the limit, in units in the last place at the output's largest magnitude."""
    rtol: Annotated[float, Field(ge=0)] | None = None
    """Relative part of a declared tolerance; replaces the fp64 rule where it is given,
    and serves where no fp64 reference can be had (then 1e-3 unless given)."""
    atol: Annotated[float, Field(ge=0)] | None = None
    """Absolute part of a declared tolerance (1e-5 unless given)."""
    reason: str | None = None
    """Why the default does not fit; required with any other setting."""

    @model_validator(mode="after")
    def _explained(self) -> Self:
        settings = ("k", "floor_ulps", "rtol", "atol")
        if any(self._differs(name) for name in settings) and not self.reason:
            raise ValueError("a tolerance other than the default needs a 'reason'")
        return self

    @property
    def declared(self) -> bool:
        """Whether the entry insists on ``rtol``/``atol`` instead of the fp64 rule."""
        return self.rtol is not None or self.atol is not None


class Budget(Strict):
    """What a lossy variant of this model may lose, where its default does not fit."""

    min_snr_db: Annotated[float, Field(gt=0)] | None = None
    """Least signal-to-noise ratio of each float output against the source, in dB."""
    min_agreement: Annotated[float, Field(gt=0, le=1)] | None = None
    """Least share of decisions (labels, best scores, neighbours, tokens) that stay the same."""
    reason: Annotated[str, Field(min_length=1)]
    """Why the default does not fit."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.min_snr_db is None and self.min_agreement is None:
            raise ValueError("a budget needs 'min_snr_db' or 'min_agreement'")
        return self


class Mutation(Strict):
    """How sensitive the check has to be, where ``--zoo-mutate`` asks."""

    max_missed_rate: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Share of the mutants with an observable effect that may be missed; more make the
    case vacuous."""
    reason: str | None = None
    """Why the default does not fit; required with any other rate."""

    @model_validator(mode="after")
    def _explained(self) -> Self:
        if self._differs("max_missed_rate") and not self.reason:
            raise ValueError("a rate other than the default needs a 'reason'")
        return self


class Latency(Strict):
    """How the model is timed, and when it is slower than its baseline."""

    threads: Annotated[int, Field(ge=1)] = 1
    """Threads within an operator (intra-op)."""
    regression: Annotated[float, Field(gt=1)] = 1.05
    """Slower is a latency of more than this many times the baseline's ..."""
    certain: Annotated[float, Field(ge=1)] = 1.02
    """... of which the 95% interval begins above this."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.certain > self.regression:
            raise ValueError(
                f"certain ({self.certain:g}) must not exceed regression ({self.regression:g})"
            )
        return self


class Expectation(Strict):
    """A known failure, as data. It is strict: any other outcome is reported as such."""

    stage: StageName
    """The stage at which it fails."""
    reason: str
    """Why, for people who read the report."""
    match: str | None = None
    """Regular expression that the failure's text must match."""
    link: Annotated[str, Field(pattern=r"^https?://")] | None = None
    """The issue that tracks it."""
    expires: date | None = None
    """Last day (UTC, ``2027-01-31``) on which the failure is still accepted."""
    exporter: str | None = None
    """Only under this exporter."""
    opset: int | None = None
    """Only at this opset."""
    variant: str | None = None
    """Only of this variant."""
    provider: str | None = None
    """Only on this provider."""

    @field_validator("match")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from error
        return pattern
