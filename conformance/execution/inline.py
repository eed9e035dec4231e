"""Specs run in this very process: for a debugger, with nothing between it and the model."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from conformance.execution.contract import Completed, Spec
from conformance.execution.process import call
from conformance.model import from_json, to_json


class Inline:
    """No child, so nothing can be survived: no limit holds, and a crash ends the run.

    What goes in and what comes out passes through JSON as it does between processes, so that
    a spec that works here works there.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """Put ``environment`` on top of this process's own until :meth:`close`."""
        self._former = dict(os.environ)
        os.environ.update(environment or {})

    def run(self, spec: Spec) -> Completed:
        """See :class:`~conformance.execution.child.Executor`; ``timeout_s`` is not enforced."""
        given = from_json(Spec, json.loads(json.dumps(to_json(spec))))
        return from_json(Completed, json.loads(json.dumps(to_json(call(given)))))

    def close(self) -> None:
        """Give back the environment."""
        os.environ.clear()
        os.environ.update(self._former)
