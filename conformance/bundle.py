"""The bundle: a framework-free folder with a model, its test data and where it came from.

Layout::

    model.onnx [model.onnx.data]
    test_data_set_0/{input_0.pb,...,output_0.pb,...}   what onnx_test_runner reads
    reference_fp64/test_data_set_0/{output_0.pb,...}   where the source ran in float64
    margins/test_data_set_0/{output_0.pb,...}          where the source knows how close it was
    probes/<name>/{input_0.pb,...,output_0.pb,...}     other shapes, with what the source answers
    reference_fp64/probes/<name>/{output_0.pb,...}
    components/<name>/                                 a further graph of the same model: a bundle
    bundle.json                                        BundleManifest

A bundle is complete or absent: ``bundle.json`` is written last and lists the digest of
every other file.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydantic

from conformance.errors import CorruptBundle
from conformance.evidence import Derivation, Noise, OpsetConversion, Ratio
from conformance.model import SCHEMA_VERSION, Case, from_json, to_json
from conformance.paths import file_problem, name_problem, strange_file
from conformance.redaction import hide_secrets_in
from conformance.tensors import Arrays, read_tensors, write_tensors
from conformance.texts import Texts

MODEL = "model.onnx"
MANIFEST = "bundle.json"
COMPONENTS = "components"
_CHUNK_BYTES = 1 << 20
#: Of the folders of a bundle, those that hold what the source was asked and answered.
_KNOWN_OF_SOURCE = ("test_data_set_*", "reference_fp64", "margins", "probes")


@dataclass(frozen=True, slots=True)
class FileDigest:
    """A file of the bundle, as it was when the bundle was made."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ProbeInfo:
    """A further input set that varies one thing, to see whether the conversion follows."""

    #: Folder name, such as ``batch-1`` or ``unpadded-0``.
    name: str
    #: "size" (an axis at another size) or "unpadded" (one row without its padding).
    kind: str
    #: The dynamic axis that is varied.
    axis: str
    size: int
    #: Why the source cannot do it; ``None`` where it can, and there are answers.
    source_rejects: str | None = None
    #: Of an unpadded probe: the input that masks the padding, and the row of data set 0.
    mask: str | None = None
    row: int | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    """Tokens that the source chose greedily, one after another.

    The prompt is the first row of data set 0 whose mask hides nothing.
    """

    #: Output whose last position, along axis 1, the tokens are read from.
    output: str
    tokens: tuple[int, ...]
    #: Difference of the two best scores at each step, in the unit of the output.
    margins: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class BundleManifest:
    """What was converted, how, with what, and what it cost."""

    case: Case
    seed: int
    versions: dict[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    data_sets: int
    fp64_unavailable: str | None
    source_median_ns: int | None
    export_seconds: float
    size_bytes: int
    nodes: int
    peak_rss_bytes: int | None
    files: dict[str, FileDigest]
    #: Output name to its rounding noise over further input sets, for small outputs.
    noise: dict[str, Noise] = field(default_factory=dict)
    #: By provider, time of the source over that of the ONNX model, timed in alternation.
    speedups: dict[str, Ratio] = field(default_factory=dict)
    probes: tuple[ProbeInfo, ...] = ()
    generation: Generation | None = None
    #: The class of the source's model, such as ``BertModel``, where its adapter tells.
    architecture: str | None = None
    #: How it was made of the bundle of its base; ``None`` of the base itself.
    derivation: Derivation | None = None
    #: Names of the bundles in ``components``, in the order in which they run before this one.
    components: tuple[str, ...] = ()
    #: What the source generated with its components, where it was converted in parts.
    texts: Texts | None = None
    #: The exporter that wrote the model; another one than the case's where that is ``auto``.
    exported_by: str | None = None
    #: What the exporters that were tried before it failed for.
    fallback: str | None = None
    #: How it came to its opset; ``None`` where the exporter gave it.
    opset_conversion: OpsetConversion | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def model_digest(self) -> str:
        """SHA-256 over the digests of the model's files: the same for the same model."""
        own = {n: f.sha256 for n, f in sorted(self.files.items()) if is_model_file(n)}
        return hashlib.sha256(json.dumps(own).encode()).hexdigest()


def is_model_file(name: str) -> bool:
    """Whether a file of a bundle, by its path in it, is a model's or a component's."""
    *folders, file = name.split("/")
    return file.startswith(MODEL) and (not folders or folders[0] == COMPONENTS)


@dataclass(frozen=True, slots=True)
class DataSet:
    """One input set with what the source answered: output name to array, in graph order."""

    inputs: Arrays
    outputs: Arrays
    #: The same outputs computed in float64, where the source can.
    outputs_fp64: Arrays | None
    #: How close each row was to being decided otherwise, in float32 ulps, by output name.
    margins: Arrays | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on disk."""

    path: Path
    manifest: BundleManifest

    @property
    def model_path(self) -> Path:
        """The ONNX model."""
        return self.path / MODEL

    def data_sets(self) -> Iterator[DataSet]:
        """The data sets in order, read as they are asked for; the first is the traced one.

        Raises:
            CorruptBundle: when a tensor is missing or cannot be read.
        """
        for number in range(self.manifest.data_sets):
            folder = self.path / f"test_data_set_{number}"
            reference = self.path / "reference_fp64" / folder.name
            outputs = read_tensors(folder, "output")
            if tuple(outputs) != self.manifest.outputs:
                raise CorruptBundle(
                    f"{folder} holds outputs {list(outputs)}, "
                    f"its manifest names {list(self.manifest.outputs)}"
                )
            yield DataSet(
                inputs=read_tensors(folder, "input"),
                outputs=outputs,
                outputs_fp64=_read_if_there(reference, "output"),
                margins=_read_if_there(self.path / "margins" / folder.name, "output"),
            )

    def probe(self, info: ProbeInfo) -> DataSet:
        """What the source was asked and answered for a probe that it did not reject.

        Raises:
            CorruptBundle: when a tensor is missing or cannot be read.
        """
        folder = self.path / "probes" / info.name
        reference = self.path / "reference_fp64" / "probes" / info.name
        return DataSet(
            inputs=read_tensors(folder, "input"),
            outputs=read_tensors(folder, "output"),
            outputs_fp64=_read_if_there(reference, "output"),
        )

    def component(self, name: str) -> Bundle:
        """One of the further graphs; its files are those of this bundle, and verified with them.

        Raises:
            CorruptBundle: when it is not whole.
        """
        folder = self.path / COMPONENTS / name
        return Bundle(folder, read_manifest(folder))


def _read_if_there(folder: Path, prefix: str) -> Arrays | None:
    return read_tensors(folder, prefix) if folder.is_dir() else None


def write_data_sets(folder: Path, data_sets: list[DataSet]) -> None:
    """Write the data sets of a bundle that is being made."""
    for number, data_set in enumerate(data_sets):
        _write(folder, f"test_data_set_{number}", data_set)


def write_probes(folder: Path, probes: Mapping[str, DataSet]) -> None:
    """Write the probes of a bundle that is being made, by their names."""
    for name, data_set in probes.items():
        _write(folder, f"probes/{name}", data_set)


def copy_source_data(bundle: Bundle, folder: Path) -> None:
    """Copy what the source was asked and answered: all of a bundle but its model."""
    for pattern in _KNOWN_OF_SOURCE:
        for known in bundle.path.glob(pattern):
            shutil.copytree(known, folder / known.name)


def _write(folder: Path, name: str, data_set: DataSet) -> None:
    write_tensors(folder / name, "input", data_set.inputs)
    write_tensors(folder / name, "output", data_set.outputs)
    if data_set.outputs_fp64 is not None:
        write_tensors(folder / "reference_fp64" / name, "output", data_set.outputs_fp64)
    if data_set.margins is not None:
        write_tensors(folder / "margins" / name, "output", data_set.margins)


def digest_files(folder: Path) -> dict[str, FileDigest]:
    """Digest of every file below ``folder`` but its manifest, by its relative POSIX path."""
    return {
        file.relative_to(folder).as_posix(): _digest(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file != folder / MANIFEST
    }


def write_manifest(folder: Path, manifest: BundleManifest) -> Bundle:
    """Complete the bundle."""
    text = json.dumps(_told(manifest), indent=1, ensure_ascii=False)
    # it may be written again: a process that is killed meanwhile must leave a whole one
    partial = folder / f".{MANIFEST}"
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(folder / MANIFEST)
    return Bundle(folder, manifest)


def _told(manifest: BundleManifest) -> dict[str, Any]:
    """The manifest as plain JSON, without secrets in what the zoo and the source say freely.

    Names, which files and tensors must match, are left as they are.
    """
    plain = to_json(manifest)
    entry = plain["case"]["entry"]
    for part in (entry["source"], entry["inputs"]):
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


def read_bundle(folder: Path) -> Bundle:
    """Open a bundle and verify every file's digest.

    Raises:
        CorruptBundle: naming the file that is missing, damaged or not ours.
    """
    manifest = read_manifest(folder)
    # also those that the manifest does not name
    if (strange := strange_file(folder)) is not None:
        raise CorruptBundle("{} {}".format(*strange))
    for name, expected in manifest.files.items():
        try:
            actual = _digest(folder / name)
        except OSError as error:
            raise CorruptBundle(f"{folder / name} cannot be read: {error.strerror}") from error
        if actual != expected:
            raise CorruptBundle(
                f"{folder / name} is damaged: {actual.size_bytes} bytes with SHA-256 "
                f"{actual.sha256[:12]}..., expected {expected.size_bytes} with "
                f"{expected.sha256[:12]}..."
            )
    return Bundle(folder, manifest)


def _digest(file: Path) -> FileDigest:
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return FileDigest(digest.hexdigest(), size)
