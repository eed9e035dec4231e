"""Gather what tells the sides apart: compare the two bundles, and replay both here."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from conformance.blame.attribution import Evidence, Graphs
from conformance.blame.turn import RED, Sighting, Turn, Turned
from conformance.bundle import MODEL, Bundle
from conformance.cache import BundleCache
from conformance.errors import CorruptBundle
from conformance.evidence import LatencyResult
from conformance.execution.child import Executor
from conformance.execution.contract import Spec
from conformance.execution.machine_lock import alone
from conformance.graph.difference import difference, outline
from conformance.history.environment import environment_diff
from conformance.locations import machine_lock_file
from conformance.measuring import Earlier
from conformance.model import from_json, to_json
from conformance.replay import ModelFolder, Replay

_PRELOAD = ("numpy", "onnx", "onnxruntime", "conformance.replay")


def gather(
    turn: Turn,
    cache_dir: Path,
    executor: Executor,
    converters: frozenset[str],
    tell: Callable[[str], None],
) -> tuple[Evidence, Bundle | None, Bundle | None]:
    """Compare the models of two runs, and replay them under the installed ONNX Runtime.

    Args:
        turn: the two runs.
        cache_dir: where their bundles may still be.
        executor: runs each model in a process of its own.
        converters: names of the distributions that convert.
        tell: called with what is done next.

    Returns:
        what was found, the old bundle and the new one; None for one that is gone.
    """
    import onnxruntime

    cache = BundleCache(cache_dir)
    old, new = _bundle(turn.before, cache), _bundle(turn.after, cache)
    tell("comparing the models")
    graphs, notes = _graphs(turn, old, new)
    evidence = Evidence(
        turn=turn,
        graphs=graphs,
        environment=environment_diff(turn.before.header, turn.after.header),
        present=onnxruntime.__version__,
        converters=converters,
        notes=notes,
    )
    if turn.turned is Turned.SLOW:
        found = _timed(evidence, old, new, executor, tell)
    else:
        found = _replayed(evidence, old, new, executor, tell)
    return found, old, new


def _bundle(sighting: Sighting, cache: BundleCache) -> Bundle | None:
    export = sighting.row.export
    if export is None or export.bundle is None:
        return None
    try:
        return cache.find(export.bundle)
    except OSError:
        return None  # a cache that cannot be written lends nothing


def _graphs(turn: Turn, old: Bundle | None, new: Bundle | None) -> tuple[Graphs, tuple[str, ...]]:
    then, now = turn.before.row.export, turn.after.row.export
    digests = [export.model_digest if export else None for export in (then, now)]
    identical = digests[0] == digests[1] if all(digests) else None
    gone = [
        f"the {name} bundle is no longer in the cache"
        for name, bundle in (("old", old), ("new", new))
        if bundle is None
    ]
    if old is None or new is None:
        return Graphs(identical, gone=" and ".join(gone)), (*gone,)
    data = _data(old, new)
    if identical:
        return Graphs(identical=True, data=data), ()
    try:
        found = difference(outline(old.model_path), outline(new.model_path))
    except CorruptBundle as error:
        return Graphs(identical, gone=str(error)), ()
    return Graphs(identical, found, data), ()


def _data(old: Bundle, new: Bundle) -> tuple[str, ...]:
    """Files of a bundle, other than the model's, that are not the same."""
    files = [bundle.manifest.files for bundle in (old, new)]
    names = sorted({*files[0], *files[1]})
    others = [name for name in names if not name.startswith(MODEL)]
    return tuple(name for name in others if files[0].get(name) != files[1].get(name))


def _replayed(
    evidence: Evidence,
    old: Bundle | None,
    new: Bundle | None,
    executor: Executor,
    tell: Callable[[str], None],
) -> Evidence:
    provider = evidence.turn.after.row.provider or "cpu"
    replay = Replay(executor, provider)
    known: dict[Path, bool] = {}
    notes = list(evidence.notes)
    for name, bundle in (("old", old), ("new", new)):
        if bundle is None or bundle.path in known:
            continue
        tell(f"replaying the {name} bundle under onnxruntime {evidence.present}")
        result = replay.run(ModelFolder(bundle.path, ours=True))
        reason = f": {result.reason}" if result.reason else ""
        notes.append(f"replayed, the {name} model is {result.verdict}{reason}")
        if result.verdict.checked:
            known[bundle.path] = result.verdict in RED
    return replace(
        evidence,
        old_red=known.get(old.path) if old else None,
        new_red=known.get(new.path) if new else None,
        notes=tuple(notes),
    )


def _timed(
    evidence: Evidence,
    old: Bundle | None,
    new: Bundle | None,
    executor: Executor,
    tell: Callable[[str], None],
) -> Evidence:
    """Time the two models in alternation; the same model is as fast as itself."""
    row = evidence.turn.after.row
    then = evidence.turn.before.row.latency
    if old is None or new is None or then is None or evidence.graphs.identical:
        return evidence
    tell(f"timing both models in alternation under onnxruntime {evidence.present}")
    earlier = Earlier(
        evidence.turn.before.header.id,
        then,
        old.path.name,
        old.manifest.model_digest,
        bundle=str(old.path),
    )
    entry = new.manifest.case.entry
    with (
        tempfile.TemporaryDirectory(prefix="conformance-blame-") as folder,
        alone(machine_lock_file()) as only,
    ):
        payload = {
            "label": row.id,
            "bundle": str(new.path),
            "provider": row.provider or "cpu",
            "entry": to_json(entry),
            "earlier": to_json(earlier),
            "alone": only,
        }
        completed = executor.run(
            Spec(
                target="conformance.measuring:measure",
                payload=payload,
                workdir=Path(folder),
                progress=Path(folder) / "progress.json",
                timeout_s=entry.timeout,
                preload=_PRELOAD,
                memory_bytes=entry.memory,
            )
        )
    if completed.value is None:
        why = completed.failure.reason if completed.failure else "no result"
        return replace(evidence, notes=(*evidence.notes, f"not timed: {why}"))
    against = from_json(LatencyResult, completed.value["latency"]).baseline
    if against is None:
        return replace(evidence, notes=(*evidence.notes, "not timed: figures cannot be compared"))
    ratio = against.ratio
    times = f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"
    note = f"timed, the new model takes {times} times as long as the old one"
    slower = against.slower
    return replace(evidence, old_red=not slower, new_red=slower, notes=(*evidence.notes, note))
