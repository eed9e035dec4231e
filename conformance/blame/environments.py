"""Replay bundles under other versions of ONNX Runtime, each in a fresh virtual environment."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from conformance.bundle import Bundle
from conformance.errors import ConformanceError, CorruptBundle
from conformance.failures.expected import expected_of
from conformance.failures.folder import SCRIPT, write_script
from conformance.providers import PROVIDERS

#: Exit codes of the script that judges a model with NumPy and ONNX Runtime alone.
_GREEN, _RED, _CANNOT_TELL = 0, 1, 2
_TAIL_CHARS = 300


class NotInstalled(ConformanceError):
    """An environment could not be made."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """A version of ONNX Runtime."""

    #: Such as ``onnxruntime`` or ``onnxruntime-gpu``.
    distribution: str
    version: str


def replay_with(
    runtime: Runtime,
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
    with _environment(runtime, timeout_s, tell) as python:
        known: dict[Path, bool | None] = {}
        found = []
        for bundle in bundles:
            if bundle is not None and bundle.path not in known:
                known[bundle.path] = _replay(python, bundle, provider, timeout_s, tell)
            found.append(known[bundle.path] if bundle is not None else None)
        return tuple(found)


@contextmanager
def _environment(runtime: Runtime, timeout_s: float, tell: Callable[[str], None]) -> Iterator[Path]:
    """The Python of a virtual environment that lives as long as the block."""
    try:
        requirement = f"{runtime.distribution}=={Version(runtime.version)}"
    except InvalidVersion as error:
        raise NotInstalled(f"{runtime.distribution} has no version '{runtime.version}'") from error
    with tempfile.TemporaryDirectory(prefix="conformance-venv-") as folder:
        python = Path(folder) / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        tell(f"installing {requirement} in an environment of its own")
        _install([sys.executable, "-m", "venv", folder], requirement, timeout_s)
        # wheels only: a source distribution would run code to be built
        options = ("--quiet", "--disable-pip-version-check", "--only-binary=:all:")
        pip = [str(python), "-m", "pip", "install", *options, requirement, "numpy"]
        _install(pip, requirement, timeout_s)
        yield python


def _install(command: list[str], requirement: str, timeout_s: float) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NotInstalled(f"{requirement} was not installed within {timeout_s:g} s") from error
    except OSError as error:
        raise NotInstalled(f"{requirement}: {error}") from error
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        said = lines[-1][:_TAIL_CHARS] if lines else f"exit code {done.returncode}"
        raise NotInstalled(f"{requirement} could not be installed: {said}")


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
