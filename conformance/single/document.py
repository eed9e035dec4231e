"""The certificate that lies beside a converted model: what was proven, how, and of which files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from conformance import __version__
from conformance.bundle import MODEL, Bundle, FileDigest
from conformance.detection import Detected
from conformance.machine import describe_machine, installed_versions
from conformance.model import SCHEMA_VERSION, Record, Verdict, to_json
from conformance.redaction import hide_secrets_in

CERTIFICATE = "certificate.json"


@dataclass(frozen=True, slots=True)
class Certificate:
    """Everything that is known about one conversion."""

    #: UTC, ISO 8601.
    issued: str
    #: Version of this package.
    issuer: str
    verdict: Verdict
    #: Case and provider: ``transformers/bert@dynamo-op18-fp32-cpu``.
    case: str
    framework: str
    #: As the model's configuration says, such as ``bert``; None where it says nothing.
    model_type: str | None
    exporter: str
    opset: int
    variant: str
    provider: str
    #: As the zoo's entry has it: where the model comes from, inputs, tolerances.
    entry: dict[str, JsonValue]
    #: What was found out about the model, and what was taken for granted.
    detection: tuple[str, ...]
    #: Digests of the model's files, by name; empty where no model was made.
    files: dict[str, FileDigest]
    #: SHA-256 over those digests, as the records of a run have it.
    model_digest: str | None
    #: Inputs and outputs of the graph, in order.
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    seed: int
    #: The run's evidence: what was compared, limits, errors, placement.
    record: Record
    machine: dict[str, JsonValue]
    #: Version by distribution, of the machine that converted.
    versions: dict[str, str]
    schema_version: int = SCHEMA_VERSION

    @property
    def proven(self) -> bool:
        """Whether the model answers what its source answers."""
        return self.verdict in (Verdict.PASS, Verdict.UNEXPECTED_PASS)


def certificate_of(
    detected: Detected, record: Record, bundle: Bundle | None, seed: int
) -> Certificate:
    """The certificate of a conversion, proven or not."""
    case = detected.located.case
    manifest = None if bundle is None else bundle.manifest
    files = {} if manifest is None else model_files(manifest.files)
    return Certificate(
        issued=datetime.now(UTC).isoformat(timespec="seconds"),
        issuer=f"pytest-onnx-conformance {__version__}",
        verdict=record.verdict,
        case=case.id_on(detected.provider),
        framework=case.entry.framework_label,
        model_type=detected.model_type,
        exporter=case.exporter,
        opset=case.opset,
        variant=case.variant,
        provider=detected.provider,
        entry=hide_secrets_in(to_json(case.entry)),
        detection=tuple(hide_secrets_in(list(detected.told))),
        files=files,
        model_digest=None if manifest is None else manifest.model_digest,
        inputs=() if manifest is None else manifest.inputs,
        outputs=() if manifest is None else manifest.outputs,
        seed=seed,
        record=record,
        machine=describe_machine(),
        versions=manifest.versions if manifest is not None else installed_versions(),
    )


def model_files(files: dict[str, FileDigest]) -> dict[str, FileDigest]:
    """Of a bundle's files, those that are the model."""
    return {name: digest for name, digest in files.items() if name.startswith(MODEL)}


def write_certificate(certificate: Certificate, folder: Path) -> Path:
    """Write :data:`CERTIFICATE` into ``folder``."""
    text = json.dumps(to_json(certificate), indent=1, ensure_ascii=False)
    file = folder / CERTIFICATE
    file.write_text(f"{text}\n", encoding="utf-8")
    return file


def certificate_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12, of :data:`CERTIFICATE`."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(Certificate).json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": (
            f"https://pytest-onnx-conformance.github.io/schemas/certificate-{SCHEMA_VERSION}.json"
        ),
        **schema,
    }
