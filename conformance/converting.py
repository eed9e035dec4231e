"""From a loaded model to its bundle: reference, export, check; once per component."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from conformance.adapters.contract import Arrays, Component, Components, Job
from conformance.bundle import (
    COMPONENTS,
    MODEL,
    BundleManifest,
    DataSet,
    digest_files,
    is_model_file,
    write_data_sets,
    write_manifest,
    write_probes,
)
from conformance.entry import Inputs
from conformance.errors import CheckError, CorruptBundle, ExportError
from conformance.execution.progress import Progress
from conformance.graph.names import input_names
from conformance.machine import installed_versions
from conformance.model import AUTO, FrameworkInfo, Stage
from conformance.onnx_check import check_model
from conformance.onnx_files import read_model
from conformance.reference import ask_source
from conformance.texts import Texts


def convert_component(
    part: Component, job: Job, out: Path, progress: Progress, *, whole: bool = True
) -> BundleManifest:
    """Convert one graph and leave its bundle in ``out``.

    Args:
        part: the model, or the part of it that becomes one graph.
        job: the conversion's surroundings.
        out: an empty folder.
        progress: told each stage.
        whole: whether the graph has to read all that the source was given.

    Raises:
        StageError: of the stage that failed.
    """
    progress.enter(Stage.REFERENCE)
    reference = ask_source(part.adapter, part.model, job, part.sets)

    progress.enter(Stage.EXPORT)
    started = time.perf_counter()
    exporter, fallback = export_by_one(part, job, part.sets[0], out)
    export_seconds = time.perf_counter() - started

    progress.enter(Stage.CHECK)
    sets = reference.data_sets
    if not whole:
        sets = _as_read(sets, out / MODEL)
    inputs = sets[0].inputs
    nodes = check_model(
        out / MODEL,
        opset=job.case.opset,
        inputs=inputs,
        outputs=reference.outputs,
        dynamic={name: axes for name, axes in part.dynamic.items() if name in inputs or whole},
    )
    write_data_sets(out, sets)
    write_probes(out, reference.probe_data)
    files = digest_files(out)
    manifest = BundleManifest(
        case=job.case,
        seed=job.seed,
        versions=installed_versions(),
        inputs=tuple(inputs),
        outputs=tuple(reference.outputs),
        data_sets=len(sets),
        fp64_unavailable=reference.fp64_unavailable,
        source_median_ns=None,
        export_seconds=export_seconds,
        size_bytes=sum(file.size_bytes for name, file in files.items() if is_model_file(name)),
        nodes=nodes,
        # kilobytes on Linux; of this process, which in a child is this case alone
        peak_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        files=files,
        noise=reference.noise,
        probes=reference.probes,
        generation=reference.generation,
        exported_by=exporter,
        fallback=fallback,
    )
    write_manifest(out, manifest)
    return manifest


def convert_components(
    split: Components, job: Job, out: Path, progress: Progress
) -> BundleManifest:
    """Convert a model in parts: a bundle of the last one, with the others in it.

    Raises:
        StageError: of the stage that failed, with the part's name.
    """
    *others, last = split.parts
    manifests = []
    for part in (*others, last):
        folder = out if part is last else out / COMPONENTS / part.name
        folder.mkdir(parents=True, exist_ok=True)
        manifests.append(_convert_part(part, job, folder, progress))
    read = {part.name: m.inputs for part, m in zip(split.parts, manifests, strict=True)}
    files = digest_files(out)
    manifest = replace(
        manifests[-1],
        case=job.case,
        export_seconds=sum(one.export_seconds for one in manifests),
        size_bytes=sum(file.size_bytes for name, file in files.items() if is_model_file(name)),
        nodes=sum(one.nodes for one in manifests),
        files=files,
        components=tuple(part.name for part in others),
        texts=_of_what_is_read(split.texts, read),
    )
    write_manifest(out, manifest)
    return manifest


def _convert_part(part: Component, job: Job, folder: Path, progress: Progress) -> BundleManifest:
    # its inputs were captured: none can be drawn, neither for noise nor at other sizes
    entry = job.case.entry.model_copy(
        update={"inputs": Inputs(files=("captured.npz",)), "dynamic": {}}
    )
    own = replace(job, case=replace(job.case, entry=entry))
    try:
        manifest = convert_component(part, own, folder, progress, whole=False)
    except ExportError as error:
        raise ExportError(f"component '{part.name}': {error}") from error
    manifest = replace(manifest, case=job.case)
    write_manifest(folder, manifest)
    return manifest


def _of_what_is_read(texts: Texts, read: Mapping[str, tuple[str, ...]]) -> Texts:
    """The rules of the inputs that the graphs have."""
    feeds = {
        name: {given: feed for given, feed in rules.items() if given in read[name]}
        for name, rules in texts.feeds.items()
    }
    return replace(texts, feeds=feeds)


def _as_read(sets: list[DataSet], model: Path) -> list[DataSet]:
    """The data sets with the inputs that the graph has, in its order."""
    try:
        graph = read_model(model).graph
    except CorruptBundle as error:
        raise CheckError(f"the exporter's files are refused: {error}") from error
    known = [name for name in input_names(graph) if name in sets[0].inputs]
    return [replace(one, inputs={name: one.inputs[name] for name in known}) for one in sets]


def export_by_one(part: Component, job: Job, feeds: Arrays, out: Path) -> tuple[str, str | None]:
    """Export by the case's exporter, or by the first that succeeds where it is ``auto``.

    Returns:
        The exporter that wrote the model, and what those before it failed for.

    Raises:
        ExportError: when none succeeds.
    """
    failed = []
    for exporter in exporters_of(part.adapter.info, job.case.exporter):
        attempt = replace(job, case=replace(job.case, exporter=exporter))
        try:
            part.adapter.export(part.model, attempt, feeds, out / MODEL)
        except ExportError as error:
            if job.case.exporter != AUTO:
                raise
            failed.append(f"{exporter} failed: {error}")
            for file in out.glob(f"{MODEL}*"):
                file.unlink()
            continue
        if not (out / MODEL).is_file():
            raise ExportError(f"exporter '{exporter}' returned without writing a model")
        return exporter, "; ".join(failed) or None
    raise ExportError("; ".join(failed))


def exporters_of(info: FrameworkInfo, exporter: str) -> tuple[str, ...]:
    """The exporters that are tried in order: the case's own, or all others for ``auto``."""
    if exporter != AUTO:
        return (exporter,)
    return tuple(name for name in info.exporters if name != AUTO)
