"""Replay bundles under other versions of ONNX Runtime, each in a fresh virtual environment."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from conformance.bundle import Bundle
from conformance.errors import CorruptBundle
from conformance.failures.expected import expected_of
from conformance.failures.folder import SCRIPT, write_script
from conformance.overlay import Pin, overlay
from conformance.providers import PROVIDERS

#: Exit codes of the script that judges a model with NumPy and ONNX Runtime alone.
_GREEN, _RED, _CANNOT_TELL = 0, 1, 2


def replay_with(
    runtime: Pin,
    bundles: Sequence[Bundle | None],
    provider: str,
    timeout_s: float,
    tell: Callable[[str], None],
) -> tuple[bool | None, ...]:
    """Whether models are red under a version of ONNX Runtime that is installed for this alone.

    Args:
        runtime: what is installed.
        bundles: what is replayed, by the limits that were recorded with each.
        provider: short name of the execution provider.
        timeout_s: for the installation, and for each replay.
        tell: called with what is done next, and with what it found.

    Returns:
        For each bundle whether it is red; None for one that is None or cannot be judged so.

    Raises:
        NotInstalled: when the environment cannot be made in time.
    """
    with overlay(runtime, timeout_s, tell) as python:
        known: dict[Path, bool | None] = {}
        found = []
        for bundle in bundles:
            if bundle is not None and bundle.path not in known:
                known[bundle.path] = _replay(python, bundle, provider, timeout_s, tell)
            found.append(known[bundle.path] if bundle is not None else None)
        return tuple(found)


def _replay(
    python: Path, bundle: Bundle, provider: str, timeout_s: float, tell: Callable[[str], None]
) -> bool | None:
    with tempfile.TemporaryDirectory(prefix="conformance-blame-") as scratch:
        folder = Path(scratch) / "case"
        try:
            shutil.copytree(bundle.path, folder)
            expected = expected_of(bundle, bundle.manifest.case.entry)
        except (CorruptBundle, OSError) as error:
            tell(f"not replayed: {error}")
            return None
        reason = "it turned red between two runs"
        write_script(folder, {**expected, "provider": PROVIDERS[provider], "reason": reason})
        try:
            done = subprocess.run(
                [str(python), "-I", str(folder / SCRIPT)],
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            tell(f"not replayed: it took more than {timeout_s:g} s")
            return None
    for line in done.stdout.splitlines()[2:]:
        tell(f"  {line}")
    if done.returncode == _CANNOT_TELL:
        return None
    if done.returncode not in (_GREEN, _RED):
        tell(f"  its process ended with exit code {done.returncode}")
    return done.returncode != _GREEN
