"""Inside the process: resolve the target, run it, and leave the result in the work folder.

``python -m conformance.execution.process SPEC.json`` is the form for a fresh interpreter;
a forked child calls :func:`perform` itself.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from conformance.execution.contract import Completed, Failure, Spec, failure_of
from conformance.execution.progress import Progress
from conformance.model import from_json, to_json
from conformance.redaction import hide_secrets_in

RESULT = "result.json"


def call(spec: Spec) -> Completed:
    """Run the target in this process; what it raises becomes a :class:`Failure`.

    Neither that nor what it returns holds a secret: both become records and reports.
    """
    module, _, name = spec.target.partition(":")
    progress = Progress(spec.progress, str(spec.payload.get("label", name)))
    try:
        value: dict[str, Any] = getattr(import_module(module), name)(spec.payload, progress)
    except Exception as error:  # noqa: BLE001 - the border of the stage: every error gets its verdict
        return Completed(None, failure_of(error, progress.current))
    return Completed(hide_secrets_in(value), None)


def practise() -> None:
    """Do for nothing what is done around every target.

    After a fork, the first touch of each page copies it: a child that waits has time for that.
    """
    spec = Spec(f"{__name__}:nothing", {}, Path(), Path(), 0.0)
    from_json(Spec, json.loads(json.dumps(to_json(spec))))
    json.dumps(to_json(call(spec)))


def nothing(payload: dict[str, Any], progress: Progress) -> dict[str, Any]:  # noqa: ARG001 - a target
    """A target that does nothing."""
    return {}


def perform(spec: Spec) -> None:
    """Run the target and write ``result.json`` into the work folder, whole or not at all."""
    result = spec.workdir / f"{RESULT}.partial"
    result.write_text(json.dumps(to_json(call(spec))), encoding="utf-8")
    result.replace(spec.workdir / RESULT)


def read_result(workdir: Path) -> tuple[dict[str, Any] | None, Failure | None] | None:
    """What :func:`perform` left, or None when the process died before it could."""
    try:
        completed = from_json(Completed, json.loads((workdir / RESULT).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
    return completed.value, completed.failure


if __name__ == "__main__":
    from conformance.execution.forkserver import die_with_parent

    die_with_parent()
    perform(from_json(Spec, json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
