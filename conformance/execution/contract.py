"""What goes into a stage's process and what comes out: JSON both ways.

The same contract serves a call in this process, a forked child, a fresh interpreter and,
later, a container: ``target`` names a function ``pkg.module:function`` that takes the
spec's ``payload`` and returns a JSON-able mapping.
"""

from __future__ import annotations

import errno
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.errors import InfraError, ProviderAbsent, StageError
from conformance.model import Stage, Verdict
from conformance.redaction import hide_secrets

#: Longest reason shown in a table; the whole text stays in the details.
_REASON_CHARS = 400
#: Characters of a child's output kept with a failure.
OUTPUT_TAIL_CHARS = 6000
#: Where a child's standard output and error go, in its work folder.
OUTPUT_LOG = "output.log"
#: The machine's fault, not the model's.
_MACHINE_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOMEM})


@dataclass(frozen=True, slots=True)
class Spec:
    """Work for one process."""

    #: ``pkg.module:function``: takes ``payload`` and a :class:`~.progress.Progress`.
    target: str
    payload: dict[str, Any]
    #: Folder for this process's result, log and whatever the payload asks for.
    workdir: Path
    #: File in which the process says which stage it is in.
    progress: Path
    timeout_s: float
    #: Modules that the parent of forked children imports first.
    preload: tuple[str, ...] = ()
    #: Resident memory that the process and all it starts may hold together; None for any.
    memory_bytes: int | None = None
    #: What the process may write to its standard output and error.
    output_bytes: int = 64 << 20


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a process gave no result."""

    verdict: Verdict
    stage: Stage
    reason: str
    details: str | None
    #: What is wrong, one by one, where a comparison found it: a known failure has to cover all.
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Completed:
    """How a process ended: exactly one of ``value`` and ``failure`` is set."""

    value: dict[str, Any] | None
    failure: Failure | None
    peak_rss_bytes: int | None = None


def failure_of(error: Exception, stage: Stage) -> Failure:
    """Describe an exception that ended a stage.

    Args:
        error: what was raised; a :class:`StageError` knows its own stage.
        stage: the stage that was running.
    """
    if isinstance(error, StageError):
        verdict, stage, reason = error.verdict, error.stage, str(error)
    elif isinstance(error, ProviderAbsent):
        verdict, reason = Verdict.NOT_RUN, str(error)
    elif isinstance(error, InfraError):
        verdict, reason = Verdict.INFRA_ERROR, str(error)
    elif isinstance(error, OSError) and error.errno in _MACHINE_ERRNOS:
        verdict, reason = Verdict.INFRA_ERROR, f"{type(error).__name__}: {error}"
    else:
        verdict, reason = Verdict.FAIL, f"{type(error).__name__}: {error}"
    details = _writable(hide_secrets("".join(traceback.format_exception(error))))
    return Failure(verdict, stage, shorten(_writable(reason)), details[-OUTPUT_TAIL_CHARS:])


def _writable(text: str) -> str:
    """The text with lone surrogates spelled out: no file could hold them, nor the result."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def shorten(text: str) -> str:
    """One line of at most a few hundred characters, for tables, without secrets.

    They are taken out first: half of one would be found by nobody.
    """
    line = " ".join(hide_secrets(text).split())
    return line if len(line) <= _REASON_CHARS else line[: _REASON_CHARS - 1] + "…"
