"""A target that times another one in the process where it runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from conformance.execution.progress import Progress


def timed(payload: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Call ``payload["target"]`` with ``payload["payload"]`` and add its ``seconds``."""
    module, _, name = payload["target"].partition(":")
    target = getattr(import_module(module), name)
    started = time.perf_counter()
    value: dict[str, Any] = target(payload["payload"], progress)
    return {**value, "seconds": time.perf_counter() - started}
