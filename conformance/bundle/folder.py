"""A bundle on disk: opened, verified, completed."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conformance.bundle.data_sets import DataSet, read_if_there
from conformance.bundle.manifest import (
    COMPONENTS,
    MANIFEST,
    MODEL,
    BundleManifest,
    FileDigest,
    ProbeInfo,
)
from conformance.bundle.manifest_file import manifest_text, read_manifest
from conformance.errors import CorruptBundle
from conformance.paths import strange_file
from conformance.tensors import read_tensors

_CHUNK_BYTES = 1 << 20
#: Of the folders of a bundle, those that hold what the source was asked and answered.
_KNOWN_OF_SOURCE = ("test_data_set_*", "reference_fp64", "margins", "probes")


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
                outputs_fp64=read_if_there(reference, "output"),
                margins=read_if_there(self.path / "margins" / folder.name, "output"),
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
            outputs_fp64=read_if_there(reference, "output"),
        )

    def component(self, name: str) -> Bundle:
        """One of the further graphs; its files are those of this bundle, and verified with them.

        Raises:
            CorruptBundle: when it is not whole.
        """
        folder = self.path / COMPONENTS / name
        return Bundle(folder, read_manifest(folder))


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


def write_manifest(folder: Path, manifest: BundleManifest) -> Bundle:
    """Complete the bundle."""
    # it may be written again: a process that is killed meanwhile must leave a whole one
    partial = folder / f".{MANIFEST}"
    partial.write_text(manifest_text(manifest), encoding="utf-8")
    partial.replace(folder / MANIFEST)
    return Bundle(folder, manifest)


def copy_source_data(bundle: Bundle, folder: Path) -> None:
    """Copy what the source was asked and answered: all of a bundle but its model."""
    for pattern in _KNOWN_OF_SOURCE:
        for known in bundle.path.glob(pattern):
            shutil.copytree(known, folder / known.name)


def digest_files(folder: Path) -> dict[str, FileDigest]:
    """Digest of every file below ``folder`` but its manifest, by its relative POSIX path."""
    return {
        file.relative_to(folder).as_posix(): _digest(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file != folder / MANIFEST
    }


def _digest(file: Path) -> FileDigest:
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return FileDigest(digest.hexdigest(), size)
