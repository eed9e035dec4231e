"""Failure folders: what a failing case leaves, so that anybody can see it fail again.

Layout of ``<failures>/<name>/``::

    REPRO.md            what failed, and the command that shows it
    provenance.json     the entry, how it was converted, versions, machine, what was found
    error.txt           traceback and output of the process that failed, where there is one
    repro.py repro.json shows the failure with onnxruntime and numpy alone
    bundle.json ...     the bundle's own files: model, data sets, float64 reference, probes
    reduced/            the smallest part of the model that still shows it

and ``<failures>/<name>.zip`` beside it. Without a bundle (the export failed) only the
first three are there.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from conformance.bundle import (
    COMPONENTS,
    MANIFEST,
    MODEL,
    Bundle,
    digest_files,
    write_manifest,
)
from conformance.entry import ZooEntry
from conformance.errors import CorruptBundle
from conformance.failures.archive import zip_folder
from conformance.failures.expected import EXPECTED, expected_of, expected_of_reduced
from conformance.failures.private import Scrubber
from conformance.failures.wording import repro_text, size_text
from conformance.model import SCHEMA_VERSION, Record, to_json

#: A case whose files are larger is not zipped: no bug tracker takes it.
ZIP_LIMIT_BYTES = 500_000_000
PROVENANCE = "provenance.json"
SCRIPT = "repro.py"
#: Longest name of a folder; file systems take 255 bytes, and ``.zip`` is to be added.
_NAME_CHARS = 200
#: What a case's id may hold for its folder to be readable back from it.
_PLAIN = re.compile(r"(?!\.)(?:[A-Za-z0-9.@+=,-]|_(?!_)|/)+")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where and with what a case failed."""

    entry: ZooEntry
    seed: int
    #: Version by distribution.
    versions: Mapping[str, str]
    machine: Mapping[str, JsonValue]


def failure_name(test_id: str) -> str:
    """The name of a failure's folder: stable, and another one for every other id.

    ``pytorch/cnn@dynamo-op18-fp32-cpu`` becomes ``pytorch__cnn@dynamo-op18-fp32-cpu``. An id
    that cannot be read back from its name gets a part of its digest as well.
    """
    name = re.sub(r"[^A-Za-z0-9.@+=,_-]", "_", test_id.replace("/", "__")).lstrip(".")
    if _PLAIN.fullmatch(test_id) and len(name) <= _NAME_CHARS:
        return name
    return f"{name[:_NAME_CHARS]}-{hashlib.sha256(test_id.encode()).hexdigest()[:12]}"


def write_failure(
    failures: Path,
    record: Record,
    origin: Origin,
    bundle: Bundle | None = None,
    reduced: Path | None = None,
) -> Path:
    """Leave the folder of a failure and its zip; an older one of the same test is replaced.

    Args:
        failures: the report's folder of failures; made if need be.
        record: how the test ended; its ``ref.id`` names the folder.
        origin: of the case.
        bundle: of the case; None when there is none because the export failed.
        reduced: folder with the smallest model that shows the failure, in ONNX's layout of
            test data; it becomes what the record's explanation calls it, or ``reduced``.

    Returns:
        The folder, complete.

    Raises:
        OSError: when it cannot be written; nothing of it is left then but an older one.
    """
    failures.mkdir(parents=True, exist_ok=True)
    final = failures / failure_name(record.ref.id)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=failures) as scratch:
        folder = Path(scratch) / final.name
        folder.mkdir()
        judged = fill(folder, record, origin, bundle, reduced)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        zipped = size <= ZIP_LIMIT_BYTES
        text = repro_text(record, origin.versions, judged=judged, reduced=reduced is not None)
        text += _about_size(final.name, size, zipped=zipped)
        (folder / "REPRO.md").write_text(Scrubber().text(text), encoding="utf-8")
        archive = final.with_name(f"{final.name}.zip")
        if zipped:
            zip_folder(folder, Path(scratch) / archive.name)
        old = Path(scratch) / "old"
        if final.exists():
            final.rename(old)
        folder.rename(final)
        if zipped:
            (Path(scratch) / archive.name).replace(archive)
        else:
            archive.unlink(missing_ok=True)
    return final


def remove_failure(failures: Path, test_id: str) -> None:
    """Remove what an earlier run left of a test that does not fail any more.

    Raises:
        OSError: when it cannot be removed.
    """
    folder = failures / failure_name(test_id)
    folder.with_name(f"{folder.name}.zip").unlink(missing_ok=True)
    if folder.is_dir():
        shutil.rmtree(folder)


def fill(
    folder: Path,
    record: Record,
    origin: Origin,
    bundle: Bundle | None = None,
    reduced: Path | None = None,
) -> bool | None:
    """Write everything but ``REPRO.md`` into an empty folder.

    Returns:
        Whether the script can judge the failure; None when there is no model to run.

    Raises:
        OSError: when a file cannot be read or written.
    """
    scrub = Scrubber()
    provenance = _provenance(record, origin)
    _write_json(folder / PROVENANCE, scrub.json(provenance))
    if record.details:
        (folder / "error.txt").write_text(scrub.text(record.details) + "\n", encoding="utf-8")
    if bundle is None:
        return None
    try:
        copy_bundle(bundle, folder, scrub)
        expected = expected_of(bundle, origin.entry, record)
        write_script(folder, scrub.json(expected))
        if reduced is not None:
            _copy_reduced(reduced, folder, record, scrub)
    except (CorruptBundle, KeyError, ValueError) as error:
        # a bundle that cannot be judged cannot be told to others either
        raise OSError(f"the bundle cannot be read: {error}") from error
    return bool(expected["judged"])


def copy_bundle(bundle: Bundle, folder: Path, scrub: Scrubber) -> None:
    """Copy a bundle's files as they are, so that it is judged elsewhere as it is here.

    Only what a model says about this machine's folders is replaced; where that changes the
    file, the manifest gets its new digest.

    Raises:
        CorruptBundle: when a component is not whole.
        OSError: when a file cannot be read or written.
    """
    for name in bundle.manifest.files:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle.path / name, target)
    manifest = bundle.manifest
    changed = scrub.model(folder / MODEL)
    for name in manifest.components:
        copy_bundle(bundle.component(name), folder / COMPONENTS / name, scrub)
        changed = True  # its manifest is written anew
    if changed:
        renewed = {name: digest_files(folder)[name] for name in manifest.files}
        manifest = replace(manifest, files=renewed)
    write_manifest(folder, manifest)
    file = folder / MANIFEST
    _write_json(file, scrub.json(json.loads(file.read_text(encoding="utf-8"))))


def write_script(folder: Path, expected: dict[str, Any]) -> None:
    """Write ``repro.py`` and what it compares with.

    Raises:
        OSError: when they cannot be written.
    """
    _write_json(folder / EXPECTED, expected)
    shutil.copyfile(Path(__file__).with_name(SCRIPT), folder / SCRIPT)


def _copy_reduced(source: Path, folder: Path, record: Record, scrub: Scrubber) -> None:
    known = None if record.explanation is None else record.explanation.reduced
    target = folder / ("reduced" if known is None else known.path)
    shutil.copytree(source, target)
    for model in target.glob("*.onnx"):
        scrub.model(model)
    write_script(target, scrub.json(expected_of_reduced(target, record)))


def _provenance(record: Record, origin: Origin) -> dict[str, Any]:
    found = to_json(record)
    return {
        "schema_version": SCHEMA_VERSION,
        "entry": to_json(origin.entry),
        "exporter": record.ref.exporter,
        "opset": record.ref.opset,
        "variant": record.ref.variant,
        "provider": record.ref.provider,
        "seed": origin.seed,
        "versions": dict(origin.versions),
        "machine": dict(origin.machine),
        # who ran it, and the long texts that have a file of their own, are left out
        "found": {k: v for k, v in found.items() if k not in ("worker", "details")},
    }


def _write_json(file: Path, value: Any) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")


def _about_size(name: str, size: int, *, zipped: bool) -> str:
    if zipped:
        return f"\nThis folder is {size_text(size)}; `{name}.zip` holds the same files.\n"
    return (
        f"\nThis folder is {size_text(size)}, more than the {size_text(ZIP_LIMIT_BYTES)} up to "
        "which a zip is made; `conformance pack` makes one of any size.\n"
    )
