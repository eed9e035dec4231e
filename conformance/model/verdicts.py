"""The steps and tests of a case, and what can become of them: closed sets."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """A step of a case, in the order the pipeline takes them."""

    LOAD = "load"
    INPUTS = "inputs"
    REFERENCE = "reference"
    EXPORT = "export"
    CHECK = "check"
    #: A variant is made from the converted model.
    OPTIMIZE = "optimize"
    SESSION = "session"
    PARITY = "parity"
    LATENCY = "latency"

    def comes_before(self, other: Stage) -> bool:
        """Whether the pipeline takes this step before another."""
        order = list(Stage)
        return order.index(self) < order.index(other)


class Verdict(StrEnum):
    """What is known about a case; every consumer handles exactly these seven."""

    PASS = "pass"
    FAIL = "fail"
    EXPECTED_FAIL = "expected-fail"
    UNEXPECTED_PASS = "unexpected-pass"
    VACUOUS = "vacuous"
    INFRA_ERROR = "infra-error"
    NOT_RUN = "not-run"

    @property
    def glyph(self) -> str:
        """One character that tells the verdicts apart without colour."""
        return _GLYPHS[self]

    @property
    def fails_gate(self) -> bool:
        """Whether this verdict alone makes a run fail."""
        return self in _FAILING

    @property
    def checked(self) -> bool:
        """Whether the case was really judged: the denominator of every score."""
        return self not in (Verdict.INFRA_ERROR, Verdict.NOT_RUN)


_GLYPHS = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.EXPECTED_FAIL: "≈",
    Verdict.UNEXPECTED_PASS: "!",
    Verdict.VACUOUS: "∅",
    Verdict.INFRA_ERROR: "⚡",
    Verdict.NOT_RUN: "·",
}
_FAILING = frozenset({Verdict.FAIL, Verdict.UNEXPECTED_PASS, Verdict.VACUOUS, Verdict.INFRA_ERROR})


class TestKind(StrEnum):
    """The three tests of a case, in the order they run."""

    __test__ = False  # not a pytest class, whatever its name suggests

    EXPORT = "export"
    PARITY = "parity"
    LATENCY = "latency"
