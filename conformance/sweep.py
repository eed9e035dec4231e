"""The same stored models under several versions of one package, and what differs between them.

Each version is installed in an environment that is this one otherwise, and the models are
replayed there as ``conformance replay`` does: the certificate is taken anew, by the limits that
were recorded with each model, and needs no framework.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.errors import ConformanceError
from conformance.model import Verdict
from conformance.overlay import Pin, overlay

#: An error that grew or shrank by less, or stays below a tenth of its limit, is no news.
_MOVED = 1.5
_WORTH_TELLING = 0.1
_TAIL_CHARS = 300


class NotReplayed(ConformanceError):
    """Nothing came of the replay in an environment."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of one model under one version."""

    verdict: Verdict
    reason: str | None
    #: The largest error over its limit; None where nothing was compared by limits.
    ratio: float | None
    #: Nodes by the provider that ran them.
    placement: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Swept:
    """One model under every version."""

    #: Such as ``pytorch/cnn@dynamo-op18-fp32-cpu``; the folder's path for a foreign model.
    id: str
    folder: str
    #: In the order of the versions; None where a version's replay did not reach it.
    cells: tuple[Cell | None, ...]

    @property
    def differs(self) -> bool:
        """Whether the versions do not agree on the verdict."""
        return len({cell.verdict if cell else None for cell in self.cells}) > 1

    @property
    def moved(self) -> bool:
        """Whether the error, or where the nodes ran, changed by what is worth telling."""
        cells = [cell for cell in self.cells if cell is not None]
        if any(cell.placement != cells[0].placement for cell in cells):
            return True
        ratios = sorted(cell.ratio for cell in cells if cell.ratio is not None)
        if not ratios or ratios[-1] < _WORTH_TELLING:
            return False
        return ratios[-1] > _MOVED * ratios[0]


def sweep(
    pins: Sequence[Pin],
    folders: Sequence[Path],
    provider: str,
    timeout_s: float,
    tell: Callable[[str], None],
) -> tuple[Swept, ...]:
    """Replay model folders under each version, one after the other.

    Args:
        pins: versions of a package, each tried in an environment of its own.
        folders: searched for models, as ``conformance replay`` does.
        provider: short name of the execution provider.
        timeout_s: for each installation, and for the replay of all models under a version.
        tell: called with what is done next.

    Returns:
        The models in the order in which the first version met them.

    Raises:
        NotInstalled: when an environment cannot be made.
        NotReplayed: when a version's replay gives no result at all.
    """
    columns: list[dict[str, tuple[str, Cell]]] = []
    for pin in pins:
        with overlay(pin, timeout_s, tell) as python:
            tell(f"replaying under {pin}")
            columns.append(_replayed(python, pin, folders, provider, timeout_s))
    order = dict.fromkeys(folder for column in columns for folder in column)
    return tuple(
        Swept(
            next(column[folder][0] for column in columns if folder in column),
            folder,
            tuple(column[folder][1] if folder in column else None for column in columns),
        )
        for folder in order
    )


def _replayed(
    python: Path, pin: Pin, folders: Sequence[Path], provider: str, timeout_s: float
) -> dict[str, tuple[str, Cell]]:
    """Id and outcome of each model by its folder."""
    with tempfile.TemporaryDirectory(prefix="conformance-sweep-") as scratch:
        out = Path(scratch) / "replay.json"
        command = [str(python), "-m", "conformance.cli", "replay", "--quiet"]
        command += ["--provider", provider, "--json", str(out), *map(str, folders)]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
                env=os.environ | {"PYTHONWARNINGS": "ignore"},
            )
        except subprocess.TimeoutExpired as error:
            raise NotReplayed(f"{pin}: the replay took more than {timeout_s:g} s") from error
        try:
            cases: list[dict[str, Any]] = json.loads(out.read_text(encoding="utf-8"))["cases"]
        except (OSError, ValueError):
            cases = []
    if not cases:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        why = said[-1][:_TAIL_CHARS] if said else f"exit code {done.returncode}"
        raise NotReplayed(f"nothing was replayed under {pin}: {why}")
    return {case["id"]: (_name(case), _cell(case)) for case in cases}


def _name(case: dict[str, Any]) -> str:
    if case["framework"] is None or case["exporter"] is None:
        return str(case["id"])
    conversion = f"{case['exporter']}-op{case['opset']}-{case['variant']}"
    return f"{case['framework']}/{case['model']}@{conversion}-{case['provider']}"


def _cell(case: dict[str, Any]) -> Cell:
    outputs = (case["parity"] or {"outputs": []})["outputs"]
    ratios = [o["ratio"] for o in outputs if o["limit"] and o["ratio"] is not None]
    return Cell(
        Verdict(case["verdict"]), case["reason"], max(ratios, default=None), case["placement"]
    )
