"""Replay what two runs converted under the ONNX Runtime of either, in environments of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from conformance.blame.attribution import Evidence
from conformance.blame.turn import RED, Turned
from conformance.bundle import Bundle
from conformance.overlay import NotInstalled, Pin
from conformance.sweep import Cell, NotReplayed, sweep


def confirm(
    evidence: Evidence,
    old: Bundle | None,
    new: Bundle | None,
    timeout_s: float,
    tell: Callable[[str], None],
) -> Evidence:
    """Add what either model does under the ONNX Runtime of either run.

    The environments are those of :func:`conformance.overlay.overlay`: this one, but for ONNX
    Runtime, so that the whole certificate is taken anew in each. A version that cannot be
    installed, or under which nothing can be replayed, is a note: the rest still counts.

    Args:
        evidence: what was found before.
        old: bundle of the first run; None where it is gone.
        new: bundle of the second run; None where it is gone.
        timeout_s: for each installation, and for the replays under each version.
        tell: called with what is done next.
    """
    runtime = evidence.runtime
    if evidence.turn.turned is Turned.SLOW:
        return _noted(evidence, "no environments were made: they tell a verdict, not a duration")
    if runtime is None:
        return _noted(evidence, "no environments were made: ONNX Runtime is the same in both runs")
    if old is None and new is None:
        return _noted(evidence, "no environments were made: both bundles are gone")
    provider = evidence.turn.after.row.provider or "cpu"
    elsewhere: dict[str, tuple[bool | None, bool | None]] = {}
    for version in filter(None, (runtime.before, runtime.after)):
        try:
            pin = Pin.of(runtime.name, version)
            cells = _replayed(pin, (old, new), provider, timeout_s, tell)
        except (ValueError, NotInstalled, NotReplayed) as error:
            evidence = _noted(evidence, f"not tried under {runtime.name} {version}: {error}")
            continue
        elsewhere[version] = (_red(cells[0]), _red(cells[1]))
        for text in _told(runtime.name, version, cells):
            evidence = _noted(evidence, text)
    return replace(evidence, elsewhere=elsewhere)


def _replayed(
    pin: Pin,
    bundles: tuple[Bundle | None, Bundle | None],
    provider: str,
    timeout_s: float,
    tell: Callable[[str], None],
) -> tuple[Cell | None, Cell | None]:
    folders = list(dict.fromkeys(bundle.path for bundle in bundles if bundle))
    found = sweep([pin], folders, provider, timeout_s, tell)
    cells = {Path(swept.folder): swept.cells[0] for swept in found}
    old, new = (cells.get(bundle.path) if bundle else None for bundle in bundles)
    return old, new


def _red(cell: Cell | None) -> bool | None:
    """None where a model was not judged."""
    return cell.verdict in RED if cell and cell.verdict.checked else None


def _told(runtime: str, version: str, cells: tuple[Cell | None, Cell | None]) -> list[str]:
    old, new = cells
    named = {"both models are": old} if old == new else {"the old model is": old, "the new is": new}
    return [
        f"under {runtime} {version}, {which} {cell.verdict}"
        + (f": {cell.reason}" if cell.reason else "")
        for which, cell in named.items()
        if cell is not None
    ]


def _noted(evidence: Evidence, note: str) -> Evidence:
    return replace(evidence, notes=(*evidence.notes, note))
