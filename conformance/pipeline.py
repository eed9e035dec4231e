"""The one place where stages are put in order.

Two functions, each the work of one process, each a target in the sense of
:mod:`conformance.execution.contract`:

- :func:`convert`: load, inputs, reference, export, check; leaves a bundle, and times the source;
- :func:`prove`: session, parity; compares a bundle's model with its source's answers.

Only :func:`convert` knows a framework. The other needs a bundle and ONNX Runtime, as does
:func:`conformance.measuring.measure`, which comes last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from conformance import runtime
from conformance.adapters.contract import Component, Generates, KnowsArchitecture
from conformance.bundle import MODEL, read_bundle, write_manifest
from conformance.certificate import certify, siblings
from conformance.converting import convert_component, convert_components
from conformance.entry import ZooEntry
from conformance.errors import CorruptBundle, ParityError
from conformance.execution.memory import freed_memory_kept
from conformance.execution.progress import Progress
from conformance.inputs import input_sets
from conformance.measuring import against_source
from conformance.model import Stage, to_json
from conformance.parity.terms import terms_for
from conformance.reference import open_source


def convert(payload: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Convert a case and leave its bundle in ``payload["out"]``.

    Raises:
        StageError: of the stage that failed.
    """
    with freed_memory_kept():
        progress.enter(Stage.LOAD)
        adapter, job = open_source(payload)
        entry, out = job.case.entry, Path(payload["out"])
        model = adapter.load(job)

        progress.enter(Stage.INPUTS)
        sets = input_sets(entry, job.zoo_dir, job.seed)
        split = adapter.components(model, job, sets) if isinstance(adapter, Generates) else None
        if split is None:
            part = Component(entry.id, adapter, model, sets, entry.dynamic_axes())
            source = adapter.bind(model, sets[0])
            manifest = convert_component(part, job, out, progress)
        else:
            part = split.parts[-1]
            source = part.adapter.bind(part.model, part.sets[0])
            manifest = convert_components(split, job, out, progress)
        if isinstance(adapter, KnowsArchitecture):
            manifest = replace(manifest, architecture=adapter.architecture(model))
            write_manifest(out, manifest)

    # the bundle is whole: a model that takes ONNX Runtime down here is judged by later stages
    progress.enter(Stage.LATENCY)
    feeds = {name: part.sets[0][name] for name in manifest.inputs}
    with runtime.configured(entry.provider_options):
        source_median_ns, speedups = against_source(source, out / MODEL, entry.providers, feeds)
    write_manifest(out, replace(manifest, source_median_ns=source_median_ns, speedups=speedups))
    return {}


@runtime.configured_by_entry
def prove(payload: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Run a bundle's model on one provider and compare every output with the source's.

    Returns:
        ``parity`` (a :class:`~conformance.evidence.ParityReport`) and ``placement``.

    Raises:
        ProviderAbsent, SessionError: when the model cannot run on the provider.
        ParityError: when the bundle is not whole.
    """
    progress.enter(Stage.SESSION)
    runtime.require_provider(payload["provider"])
    try:
        bundle = read_bundle(Path(payload["bundle"]))
        data_sets = list(bundle.data_sets())
    except CorruptBundle as error:
        raise ParityError(str(error)) from error
    with runtime.with_kernels_for(bundle.manifest.case.variant, payload["provider"]):
        session, answers, placement = runtime.run_profiled(
            bundle.model_path,
            payload["provider"],
            [d.inputs for d in data_sets],
            prepack=bundle.manifest.size_bytes < runtime.PROVEN_UNPACKED_BYTES,
        )
    progress.enter(Stage.PARITY)
    entry = ZooEntry.model_validate(payload["entry"])
    terms = terms_for(entry, bundle.manifest)
    try:
        run = partial(runtime.run, session)
        others = siblings(bundle, entry, partial(runtime.runner, payload["provider"]))
        report = certify(bundle, data_sets, answers, run, terms, components=others)
    except CorruptBundle as error:
        raise ParityError(str(error)) from error
    return {"parity": to_json(report), "placement": placement}
