"""What static quantization is calibrated on: inputs of the entry that no judgement sees.

A quantized model that is judged on the data that its ranges were measured on is flattered: its
ranges fit them exactly. So a judged row is left out of the calibration, wherever it comes from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from conformance.bundle import Bundle
from conformance.entry import ZooEntry
from conformance.errors import VariantError
from conformance.inputs import calibration_draws
from conformance.tensors import Arrays


@dataclass(frozen=True, slots=True)
class CalibrationData:
    """Input sets on which ranges are measured."""

    sets: tuple[Arrays, ...]
    #: Where they come from, and what was left out of them, in words.
    told: str


def calibration_data(base: Bundle, zoo_dir: Path, seed: int) -> CalibrationData:
    """The calibration sets of an entry, without anything that its variants are judged on.

    Args:
        base: the bundle whose data sets and probes judge the variant.
        zoo_dir: folder of the zoo file.
        seed: of the run.

    Raises:
        InputsError: when they cannot be made.
        VariantError: when they are not what the model reads, nothing is left of them, or they
            show no range.
    """
    entry = base.manifest.case.entry
    drawn = calibration_draws(entry, zoo_dir, seed)
    _check_names(drawn, base.manifest.inputs)
    kept, judged_rows = without_judged(drawn, judged_inputs(base), _cuttable(entry))
    if not kept:
        raise VariantError(_nothing_left(entry, len(drawn)))
    if all(_is_constant(kept, name) for name in kept[0]):
        raise VariantError(
            f"its calibration data ({_origin(entry)}) are constant: every element of each input "
            "is the same in all sets, which shows no range; give others in 'calibration'"
        )
    left_out = f", {judged_rows} rows that are judged left out" if judged_rows else ""
    return CalibrationData(tuple(kept), f"{_origin(entry)}, none of them judged{left_out}")


def judged_inputs(base: Bundle) -> Iterator[Arrays]:
    """The inputs of everything that a bundle's model is judged by: data sets and probes."""
    for data_set in base.data_sets():
        yield data_set.inputs
    for info in base.manifest.probes:
        if info.source_rejects is None:
            yield base.probe(info).inputs


def without_judged(
    drawn: Sequence[Arrays], judged: Iterable[Arrays], cuttable: frozenset[str]
) -> tuple[list[Arrays], int]:
    """Input sets without the rows that are judged.

    A row is a slice along axis 0 of all inputs; of sets in which they are not as many, the set
    is one row.

    Args:
        drawn: input sets, input name to array.
        judged: the inputs of what is judged.
        cuttable: the inputs whose axis 0 may have any size. Of sets with others, all is left out
            as soon as one row is judged.

    Returns:
        What is left, and the number of judged rows that were met.
    """
    known = {row for one in judged for row in _rows(one)}
    kept, met = [], 0
    for one in drawn:
        fresh = np.array([row not in known for row in _rows(one)], dtype=bool)
        met += int(np.count_nonzero(~fresh))
        if fresh.all():
            kept.append(one)
        elif fresh.any() and cuttable >= one.keys():
            kept.append({name: array[fresh] for name, array in one.items()})
    return kept, met


def _check_names(drawn: Sequence[Arrays], inputs: Sequence[str]) -> None:
    for number, one in enumerate(drawn):
        if one.keys() != set(inputs):
            raise VariantError(
                f"calibration set {number} holds {sorted(one)}, the model reads {sorted(inputs)}"
            )


def _rows(one: Arrays) -> list[bytes]:
    """A digest of each row."""
    sizes = {array.shape[:1] for array in one.values()}
    size = sizes.pop() if len(sizes) == 1 else ()
    if not size:
        return [_digest(one.items())]
    return [_digest((name, array[row]) for name, array in one.items()) for row in range(size[0])]


def _digest(arrays: Iterable[tuple[str, np.ndarray]]) -> bytes:
    digest = hashlib.sha256()
    for name, array in sorted(arrays, key=lambda item: item[0]):
        plain = np.asarray(array)
        text = plain.astype(str) if plain.dtype.kind == "O" else plain
        digest.update(f"{name} {plain.shape} ".encode())
        digest.update(np.ascontiguousarray(text).tobytes())
    return digest.digest()


def _cuttable(entry: ZooEntry) -> frozenset[str]:
    """The inputs with the same dynamic axis 0; none where they differ."""
    first = {name: axes[0] for name, axes in entry.dynamic_axes().items() if 0 in axes}
    return frozenset(first) if len(set(first.values())) == 1 else frozenset()


def _is_constant(sets: Sequence[Arrays], name: str) -> bool:
    elements = [array for array in (one[name] for one in sets) if array.size]
    return all((array == elements[0].flat[0]).all() for array in elements)


def _origin(entry: ZooEntry) -> str:
    asked = entry.calibration
    if asked.files is not None:
        return f"of {', '.join(asked.files)}"
    if asked.factory is not None:
        return f"of '{asked.factory}'"
    return "drawn as the entry's inputs are, by other seeds"


def _nothing_left(entry: ZooEntry, drawn: int) -> str:
    if not drawn and entry.inputs.files is not None:
        return (
            "it needs calibration data that it is not judged on, and the entry's inputs are files, "
            "of which no further ones can be drawn: name others under 'calibration: {files: [...]}'"
        )
    return (
        f"nothing is left to calibrate on: all {drawn} sets {_origin(entry)} hold what is judged; "
        "name other data under 'calibration'"
    )
