"""Where a run is made: hardware, operating system, commit and versions."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
from functools import cache
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

from pydantic import JsonValue

import conformance

#: Extensions for which ONNX Runtime and BLAS libraries have kernels of their own.
_VECTOR = re.compile(r"avx|amx|fma|sse4|asimd|sve|sme|i8mm|bf16|vnni")

#: How a package's first file states its version.
_VERSION = re.compile(r"""^__version__\s*=\s*["']([^"']+)["']""", re.MULTILINE)


def describe_machine() -> dict[str, JsonValue]:
    """CPU model, cores, memory in bytes, operating system and Python."""
    import psutil

    return {
        **hardware(),
        "hardware_class": hardware_class(),
        "architecture": platform.machine(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


@cache
def hardware_class() -> str:
    """A short name of what latency depends on; figures of different classes are not compared.

    It is a digest of the facts of :func:`hardware`: ``x86_64-8c1f09ab``.
    """
    facts = json.dumps(hardware(), sort_keys=True).encode()
    return f"{platform.machine()}-{hashlib.sha256(facts).hexdigest()[:8]}"


@cache
def hardware() -> dict[str, JsonValue]:
    """CPU model, instruction sets, usable cores, frequency governor, GPUs with driver."""
    return {
        "cpu": _cpu_model(),
        "isa": _instruction_sets(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "governor": _read(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "gpus": _gpus(),
    }


@cache
def latency_software() -> str | None:
    """What latency depends on beside model, inputs and hardware, in words.

    Returns:
        Versions of ONNX Runtime, of this package, which measures, and of the system's kernel;
        ``None`` without ONNX Runtime. It is found without importing it.
    """
    found = find_spec("onnxruntime")
    stated = _VERSION.search(_read(Path(found.origin)) or "") if found and found.origin else None
    if stated is None:
        return None
    kernel = f"{platform.system()} {platform.release()}"
    return f"onnxruntime {stated[1]}, conformance {conformance.__version__}, {kernel}"


def describe_commit(folder: Path) -> str | None:
    """Commit of the repository around ``folder``, ``-dirty`` if it has changes; or None."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    return f"{commit}-dirty" if _git(folder, "status", "--porcelain") else commit


def resolve_commit(folder: Path, reference: str) -> str | None:
    """Commit that a git reference names in the repository around ``folder``, or None."""
    if reference.startswith("-"):
        return None
    return _git(folder, "rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")


def installed_versions() -> dict[str, str]:
    """Version of every installed distribution, by name in lower case, sorted."""
    return dict(_installed_versions())


@cache
def _installed_versions() -> tuple[tuple[str, str], ...]:
    """Found once per process: it takes longer than converting a small model."""
    # each access to a distribution's metadata, its version included, parses the file anew
    metadata = [distribution.metadata for distribution in distributions()]
    found: dict[str, str] = {}
    for data in metadata:
        if data["Name"]:
            # as with modules, the first of a name on the path is the one that is used
            found.setdefault(data["Name"].lower(), data["Version"])
    return tuple(sorted(found.items()))


def _cpu_model() -> str:
    lines = (_read(Path("/proc/cpuinfo")) or "").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _instruction_sets() -> list[JsonValue]:
    """Vector extensions that decide which kernels run, of x86 and Arm, sorted."""
    lines = (_read(Path("/proc/cpuinfo")) or "").splitlines()
    flags = next(
        (line.partition(":")[2] for line in lines if line.startswith(("flags", "Features"))), ""
    )
    return [flag for flag in sorted(flags.split()) if _VECTOR.match(flag)]


def _gpus() -> list[JsonValue]:
    """Name and driver of each NVIDIA GPU; empty where there is none."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = [tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return [*(_output(query) or "").splitlines()]


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _git(folder: Path, *arguments: str) -> str | None:
    return _output(["git", "-C", str(folder), *arguments])


def _output(command: list[str]) -> str | None:
    """What a command prints; None when it is not there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
