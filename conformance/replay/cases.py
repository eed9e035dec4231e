"""Results as the cases of ``report.json``, in a file that is valid JSON after each of them."""

from __future__ import annotations

import json
import os
import shlex
from typing import Any, BinaryIO

from conformance.model import SCHEMA_VERSION, to_json
from conformance.redaction import hide_secrets_in
from conformance.replay.engine import Replayed

_HEAD = f'{{"schema_version": {SCHEMA_VERSION}, "cases": ['.encode()
_TAIL = b"\n]}\n"


def case_of(result: Replayed, arguments: tuple[str, ...] = ()) -> dict[str, Any]:
    """A result in the shape of a case of ``report.json``.

    Args:
        result: of one folder.
        arguments: further ones that the replay was given, for the command that repeats it.
    """
    about = result.about
    command = ("conformance", "replay", result.id, "--provider", result.provider, *arguments)
    return {
        "id": result.id,
        "model": about.model,
        "framework": about.framework,
        "task": about.task,
        "tags": list(about.tags),
        "trusted": list(about.trusted),
        "exporter": about.exporter,
        "opset": about.opset,
        "variant": about.variant,
        "provider": result.provider,
        "stage": result.stage.value,
        "verdict": result.verdict.value,
        "reason": result.reason,
        "link": None,
        "parity": None if result.parity is None else to_json(result.parity),
        "latency": None,
        "export": None if about.export is None else to_json(about.export),
        "placement": result.placement,
        "provider_options": about.provider_options.get(result.provider) or None,
        "mutation": None,
        "explanation": None,
        "failure_folder": None,
        "repro": shlex.join(hide_secrets_in(command)),
        "duration_s": result.duration_s,
        "trend": [],
    }


class CasesFile:
    """A stream of cases; whatever ends the process, what was written can be read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._empty = True
        # a pipe cannot be taken back: there the end is written at the end
        self._rewinds = stream.seekable()
        self._write(_HEAD)

    def add(self, case: dict[str, Any]) -> None:
        """Write one more case.

        Raises:
            OSError: when it cannot be written.
        """
        if self._rewinds:
            self._stream.seek(-len(_TAIL), os.SEEK_CUR)
        separator = b"\n" if self._empty else b",\n"
        self._empty = False
        self._write(separator + json.dumps(case).encode())

    def close(self) -> None:
        """Write what is missing; the stream stays open.

        Raises:
            OSError: when it cannot be written.
        """
        if not self._rewinds:
            self._stream.write(_TAIL)
        self._stream.flush()

    def _write(self, data: bytes) -> None:
        self._stream.write(data + _TAIL if self._rewinds else data)
        self._stream.flush()
