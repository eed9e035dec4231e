"""What the source was asked and answered, as arrays and as the files of a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from conformance.tensors import Arrays, read_tensors, write_tensors


@dataclass(frozen=True, slots=True)
class DataSet:
    """One input set with what the source answered: output name to array, in graph order."""

    inputs: Arrays
    outputs: Arrays
    #: The same outputs computed in float64, where the source can.
    outputs_fp64: Arrays | None
    #: How close each row was to being decided otherwise, in float32 ulps, by output name.
    margins: Arrays | None = None


def write_data_sets(folder: Path, data_sets: list[DataSet]) -> None:
    """Write the data sets of a bundle that is being made."""
    for number, data_set in enumerate(data_sets):
        _write(folder, f"test_data_set_{number}", data_set)


def write_probes(folder: Path, probes: Mapping[str, DataSet]) -> None:
    """Write the probes of a bundle that is being made, by their names."""
    for name, data_set in probes.items():
        _write(folder, f"probes/{name}", data_set)


def _write(folder: Path, name: str, data_set: DataSet) -> None:
    write_tensors(folder / name, "input", data_set.inputs)
    write_tensors(folder / name, "output", data_set.outputs)
    if data_set.outputs_fp64 is not None:
        write_tensors(folder / "reference_fp64" / name, "output", data_set.outputs_fp64)
    if data_set.margins is not None:
        write_tensors(folder / "margins" / name, "output", data_set.margins)


def read_if_there(folder: Path, prefix: str) -> Arrays | None:
    """The tensors of a folder; None where the source gave none of that kind."""
    return read_tensors(folder, prefix) if folder.is_dir() else None
