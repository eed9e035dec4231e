"""Ask the source what its modules computed: work for a process that has the framework."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from conformance.adapters.contract import KnowsModules
from conformance.execution.progress import Progress
from conformance.inputs import input_sets
from conformance.model import Stage
from conformance.reference import open_source
from conformance.tensors import Arrays

FILE = "activations.npz"


def activations(payload: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Write ``activations.npz`` to ``payload["out"]``, where the adapter knows modules.

    Returns:
        ``modules``: how many answered; 0 when nothing was written.

    Raises:
        StageError: when the source cannot be loaded.
    """
    progress.enter(Stage.LOAD)
    adapter, job = open_source(payload)
    if not isinstance(adapter, KnowsModules):
        return {"modules": 0}
    model = adapter.load(job)
    progress.enter(Stage.REFERENCE)
    sets = input_sets(job.case.entry, job.zoo_dir, job.seed)
    found = [adapter.activations(model, feeds) for feeds in sets]
    if found[0]:
        _write(Path(payload["out"]) / FILE, found)
    return {"modules": len(found[0])}


def _write(file: Path, found: list[Arrays]) -> None:
    arrays = {
        f"{n}:{name}": array for n, arrays in enumerate(found) for name, array in arrays.items()
    }
    np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stub forgets its keywords


def read_activations(file: Path, data_set: int) -> Arrays:
    """The activations on one data set: module name to array, in the order of execution."""
    with np.load(file, allow_pickle=False) as held:
        keys = [key.partition(":") for key in held.files]
        return {name: held[f"{n}:{name}"] for n, _, name in keys if n == str(data_set)}
