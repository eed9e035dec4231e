"""How the outputs of the ONNX model, and decisions taken from them, compare with the source's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Worst:
    """The element of an output that is furthest from what was expected."""

    index: tuple[int, ...]
    expected: float | int | str | bool | None
    actual: float | int | str | bool | None
    data_set: int


@dataclass(frozen=True, slots=True)
class OutputParity:
    """How one output of the ONNX model compares with the source, over all data sets.

    Errors are absolute, in the output's own unit. A figure that does not exist for this
    output (a cosine of strings, an infinite signal-to-noise ratio) is ``None``.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    #: "fp64-referenced", "declared", "budget" or "exact"; which rule set :attr:`limit`. By
    #: "budget", that is a root mean square error, or the share of elements that may differ.
    rule: str
    #: Why the fp64-referenced rule could not be used; ``None`` where it was.
    rule_reason: str | None
    max_abs: float | None = None
    max_rel: float | None = None
    rmse: float | None = None
    cosine: float | None = None
    snr_db: float | None = None
    ulp_p50: float | None = None
    ulp_p99: float | None = None
    ulp_max: float | None = None
    argmax_agreement: float | None = None
    #: err(source fp32, source fp64), pooled over the data sets.
    noise: float | None = None
    limit: float | None = None
    #: Error over limit, of the worst element; above 1 fails.
    ratio: float | None = None
    #: err(onnx, source fp64) / noise: "1.3x the framework's own rounding noise".
    noise_ratio: float | None = None
    worst: Worst | None = None
    #: What is wrong with this output, or ``None`` when it is within its limit.
    problem: str | None = None
    #: Why comparing this output proves nothing, or ``None``.
    vacuous: str | None = None
    #: Why this output may be constant, where the zoo declares it so.
    constant: str | None = None
    #: How many input sets :attr:`noise` rests on, those drawn for it alone included.
    noise_sets: int | None = None
    #: Rows left out of the figures as ties: decided by a float32 ulp, or between equal scores.
    set_aside: int = 0


@dataclass(frozen=True, slots=True)
class Noise:
    """The source's own rounding error of one output, beyond what the data sets show."""

    #: Typical (median) largest error |fp32 - fp64| of one input set.
    max_abs: float
    #: How many further input sets were drawn for the estimate.
    input_sets: int


@dataclass(frozen=True, slots=True)
class DecisionParity:
    """Whether a decision that people take from an output is the same on both sides."""

    #: "label", "top-5", "greedy tokens", "neighbours", "clusters" or "tree splits".
    kind: str
    output: str
    #: Decisions taken alike, of :attr:`total`.
    agreed: int
    total: int
    #: Of those that differ, how many are ties: both answers are within the accepted error.
    ties: int = 0
    #: The narrowest margin by which the source decided where the two differ; the unit of
    #: the output, or float32 ulps for "tree splits".
    narrowest_margin: float | None = None
    #: A sentence for people: what flipped, where, by which margin.
    detail: str | None = None
    #: What is wrong, or ``None``: a decision that differs without being a tie.
    problem: str | None = None
    #: Why comparing these decisions proves nothing, or ``None``.
    blind: str | None = None
