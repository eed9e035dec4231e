"""Further inputs, made from those of a case, on which two models may differ.

They serve to tell a mutant that nobody could notice from one that other inputs reveal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from conformance.tensors import Arrays


@dataclass(frozen=True, slots=True)
class Probe:
    """An input set that the case does not have."""

    #: What is special about it, for people: "inputs 10x as large".
    words: str
    inputs: Arrays


def probes(graph: Any, input_sets: Sequence[Arrays], seed: int) -> list[Probe]:
    """Inputs derived from the largest of the given sets, each in one way, without repeats.

    Args:
        graph: ``onnx.GraphProto``, whose inputs name their dynamic axes.
        input_sets: what the case is checked with.
        seed: of what is drawn: which tokens, which rows.
    """
    base = max(input_sets, key=lambda inputs: sum(array.size for array in inputs.values()))
    found: list[Probe] = []
    for words, inputs in _derived(graph, base, input_sets, seed):
        seen = [*input_sets, *(probe.inputs for probe in found)]
        if not any(_equal(inputs, other) for other in seen):
            found.append(Probe(words, inputs))
    return found


def _derived(
    graph: Any, base: Arrays, input_sets: Sequence[Arrays], seed: int
) -> Iterator[tuple[str, Arrays]]:
    rng = np.random.default_rng(seed)
    floats = {name for name, array in base.items() if array.dtype.kind == "f"}
    masks = {name for name, array in base.items() if _is_mask(name, array)}
    tokens = {
        name for name, array in base.items() if array.dtype.kind in "iu" and name not in masks
    }
    mixed = {name for name, array in base.items() if name not in masks and array.ndim}
    yield "the values of different rows mixed", _with(base, mixed, partial(_mixed, rng))
    yield "random numbers", _with(base, floats - masks, partial(_random, rng))
    yield "other tokens", _with(base, tokens, partial(_other_tokens, rng, input_sets))
    yield "inputs 10x as large", _with(base, floats - masks, _times(10))
    yield "inputs 100x as large", _with(base, floats - masks, _times(100))
    yield "inputs of the opposite sign", _with(base, floats - masks, _times(-1))
    yield "a mask with padding", _with(base, masks, _half)
    yield "a mask without padding", _with(base, masks, lambda _, array: np.ones_like(array))
    for axis, places in _dynamic_axes(graph).items():
        if any(0 in numbers for numbers in places.values()):
            yield f"'{axis}' of size 1", _resized(base, places, _one)
        else:
            yield f"'{axis}' larger by one", _resized(base, places, _one_more)
        yield f"'{axis}' twice as large", _resized(base, places, _twice)


def _with(base: Arrays, names: set[str], change: Callable[[str, np.ndarray], np.ndarray]) -> Arrays:
    return {name: change(name, a) if name in names else a for name, a in base.items()}


def _times(factor: int) -> Callable[[str, np.ndarray], np.ndarray]:
    return lambda _, array: (array * factor).astype(array.dtype)


def _is_mask(name: str, array: np.ndarray) -> bool:
    return array.dtype.kind == "b" or ("mask" in name.lower() and array.dtype.kind in "iuf")


def _half(_: str, array: np.ndarray) -> np.ndarray:
    """Ones, the second half of the last axis hidden in every second row, from the first."""
    mask = np.ones_like(array)
    if array.ndim:
        rows = mask[::2] if array.ndim > 1 else mask
        rows[..., (array.shape[-1] + 1) // 2 :] = 0
    return mask


def _mixed(rng: np.random.Generator, _: str, array: np.ndarray) -> np.ndarray:
    """Each element of a row taken from any row, at the same place."""
    rows = rng.permuted(np.broadcast_to(_rows(array), array.shape), axis=0)
    return np.take_along_axis(array, rows, axis=0)


def _random(rng: np.random.Generator, _: str, array: np.ndarray) -> np.ndarray:
    """Normally distributed, as widely spread as the given values, or by 1 where they are not."""
    spread = float(array.std()) if array.size else 0.0
    return rng.normal(0.0, spread or 1.0, array.shape).astype(array.dtype)


def _rows(array: np.ndarray) -> np.ndarray:
    return np.arange(array.shape[0]).reshape(-1, *(1,) * (array.ndim - 1))


def _other_tokens(
    rng: np.random.Generator, input_sets: Sequence[Arrays], name: str, array: np.ndarray
) -> np.ndarray:
    seen = [inputs[name] for inputs in input_sets if inputs[name].size]
    low = min((int(a.min()) for a in seen), default=0)
    # where only one is ever given, such as one token type, its neighbour is the other
    high = max([low + 1, *(int(a.max()) for a in seen)])
    return rng.integers(low, high, array.shape, endpoint=True).astype(array.dtype)


def _dynamic_axes(graph: Any) -> dict[str, dict[str, list[int]]]:
    """Axis name to the inputs that have it, with its numbers there."""
    found: dict[str, dict[str, list[int]]] = {}
    for value in graph.input:
        for number, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.HasField("dim_param") and dim.dim_param:
                found.setdefault(dim.dim_param, {}).setdefault(value.name, []).append(number)
    return found


def _resized(
    base: Arrays, places: Mapping[str, list[int]], positions: Callable[[int], np.ndarray]
) -> Arrays:
    resized = dict(base)
    for name, numbers in places.items():
        for number in numbers:
            size = base[name].shape[number]
            resized[name] = np.take(resized[name], positions(size), axis=number)
    return resized


def _one(size: int) -> np.ndarray:
    return np.arange(min(size, 1))


def _one_more(size: int) -> np.ndarray:
    return np.arange(size + 1) % max(size, 1)


def _twice(size: int) -> np.ndarray:
    return np.tile(np.arange(size), 2)


def _equal(first: Arrays, second: Arrays) -> bool:
    return all(np.array_equal(array, second[name]) for name, array in first.items())
