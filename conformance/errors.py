"""One exception per stage, so that a failure carries its home with it.

Every message says what happened, to what, and what to do next. An error crosses process
borders as :class:`~conformance.execution.contract.Failure`.
"""

from __future__ import annotations

from typing import ClassVar

from conformance.model import Stage, Verdict


class ConformanceError(Exception):
    """Base of everything this package raises on purpose."""


class StageError(ConformanceError):
    """A stage could not do its work; :attr:`stage` says which."""

    stage: ClassVar[Stage]
    verdict: ClassVar[Verdict] = Verdict.FAIL


class LoadError(StageError):
    """The source model could not be loaded or built."""

    stage = Stage.LOAD


class InputsError(StageError):
    """The input sets could not be made, or cannot prove what they should."""

    stage = Stage.INPUTS


class ReferenceRunError(StageError):
    """The source framework could not run its own model."""

    stage = Stage.REFERENCE


class ExportError(StageError):
    """The exporter failed."""

    stage = Stage.EXPORT


class CheckError(StageError):
    """The exported file is not the model that was asked for."""

    stage = Stage.CHECK


class UnusedInput(StageError):
    """An input of the graph reaches no output: whatever it holds, the answer is the same."""

    stage = Stage.CHECK
    verdict = Verdict.VACUOUS


class VariantError(StageError):
    """A variant could not be made of a converted model, or is no longer that model."""

    stage = Stage.OPTIMIZE


class NothingChanged(StageError):
    """A lossy variant computes as its base does: to prove it says nothing about its name."""

    stage = Stage.OPTIMIZE
    verdict = Verdict.VACUOUS


class SessionError(StageError):
    """ONNX Runtime could not create a session or run it."""

    stage = Stage.SESSION


class ParityError(StageError):
    """The comparison itself could not be made."""

    stage = Stage.PARITY


class Float64Unavailable(ConformanceError):
    """The source cannot run in float64; the message says why."""


class ProviderAbsent(ConformanceError):
    """This ONNX Runtime does not offer the execution provider."""


class InfraError(ConformanceError):
    """Network, disk or machine trouble that says nothing about the model."""


class CorruptBundle(ConformanceError):
    """A bundle's files do not match what its ``bundle.json`` says of them."""


class HistoryError(ConformanceError):
    """A report folder cannot be read or written."""
