"""The one place where stages are put in order.

Two functions, each the work of one process, each a target in the sense of
:mod:`conformance.execution.contract`:

- :func:`convert`: load, inputs, reference, export, check; leaves a bundle, and times the source;
- :func:`prove`: session, parity; compares a bundle's model with its source's answers.

Only :func:`convert` knows a framework. The other needs a bundle and ONNX Runtime, as does
:func:`conformance.measuring.measure`, which comes last.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from conformance import runtime
from conformance.adapters.contract import KnowsArchitecture
from conformance.bundle import (
    MODEL,
    BundleManifest,
    digest_files,
    read_bundle,
    write_data_sets,
    write_manifest,
    write_probes,
)
from conformance.certificate import certify
from conformance.entry import ZooEntry
from conformance.errors import (
    CorruptBundle,
    ExportError,
    ParityError,
)
from conformance.execution.progress import Progress
from conformance.inputs import input_sets
from conformance.machine import installed_versions
from conformance.measuring import against_source
from conformance.model import Stage, to_json
from conformance.onnx_check import check_model
from conformance.parity.terms import terms_for
from conformance.reference import ask_source, open_source


def convert(payload: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Convert a case and leave its bundle in ``payload["out"]``.

    Raises:
        StageError: of the stage that failed.
    """
    progress.enter(Stage.LOAD)
    adapter, job = open_source(payload)
    case, entry, out = job.case, job.case.entry, Path(payload["out"])
    model = adapter.load(job)

    progress.enter(Stage.INPUTS)
    sets = input_sets(entry, job.zoo_dir, job.seed)

    progress.enter(Stage.REFERENCE)
    reference = ask_source(adapter, model, job, sets)
    source = adapter.bind(model, sets[0])

    progress.enter(Stage.EXPORT)
    started = time.perf_counter()
    adapter.export(model, job, sets[0], out / MODEL)
    export_seconds = time.perf_counter() - started
    if not (out / MODEL).is_file():
        raise ExportError(f"exporter '{case.exporter}' returned without writing a model")

    progress.enter(Stage.CHECK)
    nodes = check_model(
        out / MODEL,
        opset=case.opset,
        inputs=sets[0],
        outputs=reference.outputs,
        dynamic=entry.dynamic_axes(),
    )
    write_data_sets(out, reference.data_sets)
    write_probes(out, reference.probe_data)
    files = digest_files(out)
    architecture = None
    if isinstance(adapter, KnowsArchitecture):
        architecture = adapter.architecture(model)
    manifest = BundleManifest(
        case=case,
        seed=job.seed,
        versions=installed_versions(),
        inputs=tuple(sets[0]),
        outputs=tuple(reference.outputs),
        data_sets=len(sets),
        fp64_unavailable=reference.fp64_unavailable,
        source_median_ns=None,
        export_seconds=export_seconds,
        size_bytes=sum(f.size_bytes for name, f in files.items() if name.startswith(MODEL)),
        nodes=nodes,
        # kilobytes on Linux; of this process, which in a child is this case alone
        peak_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        files=files,
        noise=reference.noise,
        probes=reference.probes,
        generation=reference.generation,
        architecture=architecture,
    )
    write_manifest(out, manifest)

    # the bundle is whole: a model that takes ONNX Runtime down here is judged by later stages
    progress.enter(Stage.LATENCY)
    source_median_ns, speedups = against_source(source, out / MODEL, entry.providers, sets[0])
    write_manifest(out, replace(manifest, source_median_ns=source_median_ns, speedups=speedups))
    return {}


def prove(payload: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Run a bundle's model on one provider and compare every output with the source's.

    Returns:
        ``parity`` (a :class:`~conformance.model.ParityReport`) and ``placement``.

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
    terms = terms_for(ZooEntry.model_validate(payload["entry"]), bundle.manifest)
    try:
        report = certify(bundle, data_sets, answers, partial(runtime.run, session), terms)
    except CorruptBundle as error:
        raise ParityError(str(error)) from error
    return {"parity": to_json(report), "placement": placement}
