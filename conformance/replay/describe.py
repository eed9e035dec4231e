"""What a model folder says of itself before its model is run."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import JsonValue

from conformance.bundle import BundleManifest, read_manifest
from conformance.errors import CorruptBundle
from conformance.evidence import ExportResult
from conformance.replay.folders import ModelFolder
from conformance.replay.header import read_header

#: Seconds for a model of whose budget nothing is known.
TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Described:
    """What is known of a model folder; None and empty where it does not say."""

    #: The zoo's name of a model of ours; of others, the folder's name is all there is.
    model: str
    #: The key of the case that a bundle of ours was made from.
    case: str | None = None
    framework: str | None = None
    task: str | None = None
    tags: tuple[str, ...] = ()
    #: Keys of a bundle's entry by which code of the model's author may have run.
    trusted: tuple[str, ...] = ()
    exporter: str | None = None
    opset: int | None = None
    variant: str | None = None
    export: ExportResult | None = None
    #: What a bundle's entry tells providers, by their names.
    provider_options: dict[str, dict[str, JsonValue]] = field(default_factory=dict)
    #: Seconds that the model may take.
    timeout_s: float = TIMEOUT_S
    #: Resident memory that its process may hold; None for any.
    memory_bytes: int | None = None


def describe(folder: ModelFolder) -> Described:
    """Read what there is; what is wrong with a folder is found when it is replayed."""
    name = folder.path.absolute().name
    try:
        if folder.ours:
            return _ours(read_manifest(folder.path))
        if folder.model is None:
            return Described(name)
        header = read_header(folder.model)
    except (OSError, CorruptBundle):
        return Described(name)
    return Described(name, framework=header.framework, exporter=header.producer, opset=header.opset)


def _ours(manifest: BundleManifest) -> Described:
    case = manifest.case
    return Described(
        model=case.entry.id,
        case=case.key,
        framework=case.entry.framework_label,
        task=case.entry.task,
        tags=case.entry.tags,
        trusted=case.entry.source.trusted,
        exporter=case.exporter,
        opset=case.opset,
        variant=case.variant,
        provider_options=case.entry.provider_options,
        export=ExportResult(
            export_seconds=round(manifest.export_seconds, 3),
            size_bytes=manifest.size_bytes,
            nodes=manifest.nodes,
            cached=True,
            peak_rss_bytes=manifest.peak_rss_bytes,
            fp64_unavailable=manifest.fp64_unavailable,
            exported_by=manifest.exported_by,
            fallback=manifest.fallback,
            derivation=manifest.derivation,
            opset_conversion=manifest.opset_conversion,
        ),
        timeout_s=case.entry.timeout,
        memory_bytes=case.entry.memory,
    )
