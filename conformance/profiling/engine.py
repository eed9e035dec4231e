"""Have a subject profiled in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from conformance.errors import ConformanceError
from conformance.execution.child import Executor
from conformance.execution.contract import Spec
from conformance.model import Verdict, from_json
from conformance.profiling.result import Profile
from conformance.profiling.subject import Subject

_PRELOAD = ("numpy", "onnx", "onnxruntime", "conformance.profiling.measure")


class NotProfiled(ConformanceError):
    """The model did not come as far as a profile; the message says why."""


@dataclass(frozen=True, slots=True)
class Request:
    """How to profile."""

    provider: str = "cpu"
    #: Runs that are counted.
    runs: int = 20
    #: Threads within an operator.
    threads: int = 1
    #: Sizes of named axes, for a model without stored inputs.
    sizes: Mapping[str, int] = field(default_factory=dict)


def profile(subject: Subject, request: Request, executor: Executor) -> Profile:
    """Profile a model in a child process, within the limits of its entry.

    Raises:
        NotProfiled: when it cannot be loaded or run, or its process ended.
    """
    payload = {
        "label": subject.case,
        "case": subject.case,
        "model": str(subject.model.absolute()),
        "bundle": None if subject.bundle is None else str(subject.bundle.absolute()),
        "data": None if subject.data is None else str(subject.data.absolute()),
        "provider": request.provider,
        "runs": request.runs,
        "threads": request.threads,
        "sizes": dict(request.sizes),
    }
    with tempfile.TemporaryDirectory(prefix="conformance-profile-") as workdir:
        completed = executor.run(
            Spec(
                target="conformance.profiling.measure:measure",
                payload=payload,
                workdir=Path(workdir),
                progress=Path(workdir) / "progress.json",
                timeout_s=subject.timeout_s,
                preload=_PRELOAD,
                memory_bytes=subject.memory_bytes,
            )
        )
    if completed.value is None:
        failure = completed.failure
        verdict = failure.verdict if failure else Verdict.INFRA_ERROR
        reason = f"{failure.stage}: {failure.reason}" if failure else "no result"
        raise NotProfiled(f"{subject.case} was not profiled, {verdict} at {reason}")
    return from_json(Profile, completed.value["profile"])
