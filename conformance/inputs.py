"""Input sets: generated from a spec, made by a factory, or read from files."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from conformance.entry import TensorSpec, ZooEntry
from conformance.errors import InputsError, LoadError
from conformance.sources.factory import load_reference
from conformance.sources.local import input_path
from conformance.tensors import Arrays

#: Far enough from the seeds of the input sets themselves, which count up from the run's, and
#: from each other.
_FURTHER = 1_000_000
_CALIBRATION = 2_000_000
#: Calibration sets where an entry does not say: with fewer, outliers are cut off
#: (``docs/variants.md``).
_CALIBRATION_SETS = 32


def input_sets(entry: ZooEntry, zoo_dir: Path, seed: int) -> list[Arrays]:
    """The entry's input sets: input name to array; the first set is the one to trace.

    Raises:
        InputsError: when they cannot be made or lie outside the zoo's folder, differ in names,
            dtypes or ranks, or leave a declared dynamic axis at the traced size.
    """
    inputs = entry.inputs
    if inputs.spec is not None:
        sets = [generate(inputs.spec, sizes, seed + i) for i, sizes in enumerate(inputs.sets)]
        if not inputs.sets:
            sets = [generate(inputs.spec, {}, seed + i) for i in range(2)]
    elif inputs.factory is not None:
        sets = _from_factory(inputs.factory, dict(inputs.args), zoo_dir, seed)
    else:
        sets = [_from_file(input_path(name, zoo_dir)) for name in inputs.files or ()]
    _check_alike(sets)
    _check_dynamic(sets, entry.dynamic_axes())
    return sets


def further_sets(entry: ZooEntry, zoo_dir: Path, seed: int, count: int) -> list[Arrays]:
    """More input sets of the traced sizes, with other values; none where inputs are files.

    Args:
        entry: whose inputs are drawn again.
        zoo_dir: folder of the zoo file.
        seed: of the run; the seeds used here are none of those of :func:`input_sets`.
        count: how many sets are wanted; a factory may give fewer.

    Raises:
        InputsError: when an input factory fails.
    """
    inputs = entry.inputs
    seeds = [seed + _FURTHER + number for number in range(count)]
    if inputs.spec is not None:
        sizes = inputs.sets[0] if inputs.sets else {}
        return [generate(inputs.spec, sizes, other) for other in seeds]
    if inputs.factory is None:
        return []
    made = [_from_factory(inputs.factory, dict(inputs.args), zoo_dir, other) for other in seeds]
    return [sets[0] for sets in made if sets]


def calibration_draws(entry: ZooEntry, zoo_dir: Path, seed: int) -> list[Arrays]:
    """Input sets for calibration as the entry asks for them; none where its inputs are files.

    Drawn ones take all sizes of the entry's own sets by turns. They may hold what is judged: a
    factory is free to give the same rows for every seed.

    Args:
        entry: whose ``calibration`` says where they come from.
        zoo_dir: folder of the zoo file.
        seed: of the run; the seeds used here are used nowhere else.

    Raises:
        InputsError: when they cannot be made, or lie outside the zoo's folder.
    """
    asked, inputs = entry.calibration, entry.inputs
    count = asked.sets or _CALIBRATION_SETS
    seeds = [seed + _CALIBRATION + number for number in range(count)]
    if asked.files is not None:
        return [_from_file(input_path(name, zoo_dir)) for name in asked.files]
    if asked.factory is not None:
        return _from_factory(asked.factory, dict(asked.args), zoo_dir, seeds[0])
    if inputs.spec is not None:
        sizes = inputs.sets or ({},)
        return [
            generate(inputs.spec, sizes[number % len(sizes)], other)
            for number, other in enumerate(seeds)
        ]
    drawn: list[Arrays] = []
    for other in seeds if inputs.factory is not None else ():
        drawn += _from_factory(inputs.factory or "", dict(inputs.args), zoo_dir, other)
        if len(drawn) >= count:
            break
    return drawn[:count]


def generate(spec: Mapping[str, TensorSpec], sizes: Mapping[str, int], seed: int) -> Arrays:
    """One input set: every input of ``spec``, with the named axes at the given sizes."""
    arrays: Arrays = {}
    for name, tensor in spec.items():
        # a generator per input: adding an input does not change the values of the others
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        shape = tuple(sizes[size] if isinstance(size, str) else size for size in tensor.shape)
        arrays[name] = _draw(tensor, shape, rng)
    return arrays


def _draw(tensor: TensorSpec, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    dtype = np.dtype(object if tensor.dtype == "string" else tensor.dtype)
    fill = tensor.fill or {"f": "normal", "b": "coin", "O": "choice"}.get(dtype.kind, "integers")
    low = tensor.low or 0.0
    values: np.ndarray
    match fill:
        case "normal":
            values = rng.standard_normal(shape)
        case "uniform":
            values = rng.uniform(low, 1.0 if tensor.high is None else tensor.high, shape)
        case "integers":
            values = rng.integers(int(low), 2 if tensor.high is None else int(tensor.high), shape)
        case "coin":
            values = rng.integers(0, 2, shape)
        case "mask":
            values = _mask(shape, rng)
        case "left_mask":
            values = _mask(shape, rng)[..., ::-1]
        case "choice":
            choices = np.array(tensor.values, dtype=dtype)
            values = choices[rng.integers(0, len(choices), shape)]
        case _:
            values = np.full(shape, fill == "ones")
    return values.astype(dtype)


def _mask(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Ones followed by padding zeros along the last axis; at least half of it is real."""
    length = shape[-1]
    real = rng.integers((length + 1) // 2, length + 1, shape[:-1])
    if real.size:
        real.flat[0] = length  # one full row, so that the mask never hides a whole column
    return np.arange(length) < real[..., None]


def _from_factory(
    reference: str, args: dict[str, object], zoo_dir: Path, seed: int
) -> list[Arrays]:
    try:
        factory = load_reference(reference, zoo_dir)
    except LoadError as error:
        raise InputsError(f"input factory {error}") from error
    try:
        made = factory(seed=seed, **args)
    except Exception as error:
        raise InputsError(
            f"input factory '{reference}' raised {type(error).__name__}: {error}"
        ) from error
    try:
        return [{name: np.asarray(array) for name, array in one.items()} for one in made]
    except (TypeError, AttributeError, ValueError) as error:
        raise InputsError(
            f"input factory '{reference}' must return a list of input sets, "
            f"each a mapping of name to array; it returned {type(made).__name__} ({error})"
        ) from error


def _from_file(file: Path) -> Arrays:
    try:
        with np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise InputsError(f"input file '{file}' is no readable .npz archive: {error}") from error


def _check_alike(sets: list[Arrays]) -> None:
    if not sets or not sets[0]:
        raise InputsError("no input sets: a model without inputs cannot be checked")
    traced = sets[0]
    for number, one in enumerate(sets[1:], start=1):
        if list(one) != list(traced):
            raise InputsError(
                f"input set {number} holds {list(one)}, the traced set holds {list(traced)}"
            )
        for name, array in one.items():
            if (array.dtype.kind, array.ndim) != (traced[name].dtype.kind, traced[name].ndim) or (
                array.dtype.kind not in "UO" and array.dtype != traced[name].dtype
            ):
                raise InputsError(
                    f"input '{name}' is {array.dtype} of rank {array.ndim} in set {number}, but "
                    f"{traced[name].dtype} of rank {traced[name].ndim} in the traced set"
                )


def _check_dynamic(sets: list[Arrays], dynamic: Mapping[str, Mapping[int, str]]) -> None:
    traced = sets[0]
    for name, axes in dynamic.items():
        if name not in traced:
            raise InputsError(
                f"'dynamic' names input '{name}', but the input sets hold {list(traced)}"
            )
        for axis, label in axes.items():
            if axis >= traced[name].ndim:
                raise InputsError(
                    f"'dynamic' names axis {axis} of input '{name}', which has "
                    f"{traced[name].ndim} axes"
                )
            if all(one[name].shape[axis] == traced[name].shape[axis] for one in sets[1:]):
                raise InputsError(
                    f"axis {axis} ('{label}') of input '{name}' has size "
                    f"{traced[name].shape[axis]} in every input set, so nothing would prove that "
                    "it is dynamic: add an input set of another size"
                )
    for name, array in traced.items():
        for axis in range(array.ndim):
            sizes = {one[name].shape[axis] for one in sets}
            if len(sizes) > 1 and axis not in dynamic.get(name, {}):
                raise InputsError(
                    f"axis {axis} of input '{name}' has sizes {sorted(sizes)} but is not declared "
                    f"dynamic: add 'dynamic: {{{name}: {{{axis}: <axis name>}}}}'"
                )
