"""The ways in which sentence embedders make one vector of a model's tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from conformance.bundle import DataSet
from conformance.tensors import Arrays

Pool = Callable[[np.ndarray, np.ndarray], np.ndarray]
_TOKENS_RANK, _VECTOR_RANK = 3, 2


def _mean(tokens: np.ndarray, mask: np.ndarray) -> np.ndarray:
    weight = mask[..., None].astype(np.float64)
    mean: np.ndarray = (tokens * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-9)
    return mean


def _plain_mean(tokens: np.ndarray, _: np.ndarray) -> np.ndarray:
    mean: np.ndarray = tokens.mean(axis=1)
    return mean


def _first(tokens: np.ndarray, _: np.ndarray) -> np.ndarray:
    return tokens[:, 0]


def _last(tokens: np.ndarray, mask: np.ndarray) -> np.ndarray:
    ends = np.maximum(mask.astype(np.int64).sum(axis=1) - 1, 0)
    last: np.ndarray = tokens[np.arange(len(tokens)), ends]
    return last


def _max(tokens: np.ndarray, mask: np.ndarray) -> np.ndarray:
    highest: np.ndarray = np.where(mask[..., None] > 0, tokens, -np.inf).max(axis=1)
    return highest


POOLINGS: dict[str, Pool] = {
    "mean of the tokens that are no padding": _mean,
    "mean of all tokens, padding included": _plain_mean,
    "the first token": _first,
    "the last token that is no padding": _last,
    "maximum over the tokens that are no padding": _max,
}


def pooled(
    answered: Sequence[tuple[DataSet, Arrays]], shape: tuple[int, ...]
) -> Iterator[tuple[str, str, list[np.ndarray]]]:
    """Every pooling of every output of tokens, where vectors are what a model gave.

    Args:
        answered: data sets, with what the model in question answered.
        shape: of its answer to the first: ``[batch, hidden]``, or nothing is tried.

    Yields:
        Name of the source's output, how it is pooled, and what that gives for each data set.
    """
    if len(shape) != _VECTOR_RANK:
        return
    first = answered[0][0]
    for name, tokens in first.outputs.items():
        fits = tokens.ndim == _TOKENS_RANK and (tokens.shape[0], tokens.shape[2]) == shape
        if not fits or tokens.dtype.kind != "f":
            continue
        for how, pool in POOLINGS.items():
            vectors = [pool(_exact(data, name), _mask(data, name)) for data, _ in answered]
            yield name, how, vectors
            yield name, f"{how}, scaled to length 1", [_scaled(each) for each in vectors]


def _exact(data: DataSet, name: str) -> np.ndarray:
    exact: np.ndarray = (data.outputs_fp64 or data.outputs)[name].astype(np.float64)
    return exact


def _mask(data: DataSet, name: str) -> np.ndarray:
    rows, tokens = data.outputs[name].shape[:2]
    mask = data.inputs.get("attention_mask")
    return mask if mask is not None and mask.shape == (rows, tokens) else np.ones((rows, tokens))


def _scaled(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: np.ndarray = vectors / np.maximum(lengths, 1e-12)
    return scaled
