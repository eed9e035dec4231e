"""The manifest as a file: written without secrets, read with suspicion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pydantic

from conformance.bundle.manifest import MANIFEST, BundleManifest
from conformance.errors import CorruptBundle
from conformance.model import SCHEMA_VERSION, from_json, to_json
from conformance.paths import file_problem, name_problem
from conformance.redaction import hide_secrets_in


def read_manifest(folder: Path) -> BundleManifest:
    """What a bundle says of itself; its files are not looked at.

    Raises:
        CorruptBundle: when the manifest cannot be read, or names what is not in the folder.
    """
    file = folder / MANIFEST
    if (reason := file_problem(folder, MANIFEST)) is not None:
        raise CorruptBundle(f"{file} {reason}")
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        manifest = from_json(BundleManifest, data)
    except (OSError, ValueError, RecursionError, pydantic.ValidationError) as error:
        raise CorruptBundle(f"{file} cannot be read: {error}") from error
    if manifest.schema_version > SCHEMA_VERSION:
        raise CorruptBundle(
            f"{file} has schema_version {manifest.schema_version}; this version of "
            f"pytest-onnx-conformance reads up to {SCHEMA_VERSION}: upgrade it"
        )
    for name in manifest.files:
        if (reason := name_problem(name)) is not None:
            raise CorruptBundle(f"{file} names the file {name!r}, which {reason}")
    folders = [("probe", probe.name) for probe in manifest.probes]
    folders += [("component", name) for name in manifest.components]
    for kind, name in folders:
        reason = name_problem(name)
        if reason is not None or "/" in name:
            raise CorruptBundle(
                f"{file} names the {kind} {name!r}, which {reason or 'is no folder name'}"
            )
    return manifest


def manifest_text(manifest: BundleManifest) -> str:
    """The text of :data:`~conformance.bundle.manifest.MANIFEST`."""
    return json.dumps(_told(manifest), indent=1, ensure_ascii=False) + "\n"


def _told(manifest: BundleManifest) -> dict[str, Any]:
    """The manifest as plain JSON, without secrets in what the zoo and the source say freely.

    Names, which files and tensors must match, are left as they are.
    """
    plain = to_json(manifest)
    entry = plain["case"]["entry"]
    for part in (entry["source"], entry["inputs"], entry["calibration"]):
        part |= {key: hide_secrets_in(part[key]) for key in ("args", "config") if key in part}
    for key in ("conversion", "constant_outputs"):
        entry[key] = hide_secrets_in(entry[key])
    budgets = entry["budgets"].values()
    for explained in (entry["tolerance"], entry["mutation"], *budgets, *entry["expect"]):
        explained["reason"] = hide_secrets_in(explained["reason"])
    for key in ("fp64_unavailable", "fallback"):
        plain[key] = hide_secrets_in(plain[key])
    for probe in plain["probes"]:
        probe["source_rejects"] = hide_secrets_in(probe["source_rejects"])
    return plain
