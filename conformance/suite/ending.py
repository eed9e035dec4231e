"""How a run ends: its exit code, what the gate made of it, and what went wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from conformance.errors import HistoryError
from conformance.gate_result import GateResult
from conformance.suite.run import ZooRun


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known of a run when its tests are over."""

    #: "finished", "interrupted" or "crashed".
    status: str
    exit_code: int
    #: ``None`` where nobody asked, or the gate could not be judged.
    gate: GateResult | None = None
    #: What people must be told at the end, or ``None``.
    trouble: str | None = None


def ending_of(run: ZooRun, status: str, exit_code: int, *, gated: bool) -> Ending:
    """What a run's tests amount to; one that proved nothing, or less than it says, has failed.

    Args:
        run: whose tests are over.
        status: how they came to their end.
        exit_code: pytest's own.
        gated: whether the run is held against the gate.
    """
    ending = Ending(status, exit_code)
    if exit_code == pytest.ExitCode.OK and not run.checked:
        trouble = "nothing was checked: every test is not-run, see the reasons"
        ending = Ending(status, pytest.ExitCode.NO_TESTS_COLLECTED, trouble=trouble)
    elif exit_code == pytest.ExitCode.OK and (idle := run.unmatched()):
        ending = Ending(status, pytest.ExitCode.TESTS_FAILED, trouble="\n".join(idle))
    return _judged(run, ending) if gated else ending


def _judged(run: ZooRun, ending: Ending) -> Ending:
    """The same with what the gate makes of the run, if it came to its end."""
    if ending.status != "finished":
        return replace(ending, trouble=f"the gate was not judged: the run was {ending.status}")
    try:
        gate = run.judge()
    except HistoryError as error:
        trouble = f"the gate was not judged: {error}"
        return replace(ending, exit_code=pytest.ExitCode.INTERNAL_ERROR, trouble=trouble)
    stopped = gate is not None and not gate.passed and ending.exit_code == pytest.ExitCode.OK
    return replace(
        ending, gate=gate, exit_code=pytest.ExitCode.TESTS_FAILED if stopped else ending.exit_code
    )
