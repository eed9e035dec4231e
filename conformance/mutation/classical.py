"""Changes of the operators of classical machine learning (domain ``ai.onnx.ml``).

Their weights are attributes, not tensors; their trees are lists of nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from conformance.mutation.subject import (
    NodeAt,
    Site,
    Subject,
    at_node,
    attributes,
    label,
    set_attribute,
)

_ML = "ai.onnx.ml"
#: Weights: scaled, or with the sign of the largest flipped.
_WEIGHTS = (
    "coefficients",
    "support_vectors",
    "scale",
    "kernel_params",
    "imputed_value_floats",
    "class_weights",
    "target_weights",
)
#: Weights of which the largest may be seen by no row: a parameter that the kernel ignores, the
#: leaf of an outlier.
_UNEVEN = ("kernel_params", "class_weights", "target_weights")
_BIASES = ("intercepts", "rho", "offset", "base_values")
#: Lists in which two entries are exchanged: names of classes, keys, categories, branches.
_ORDERED = (
    "classlabels_ints",
    "classlabels_int64s",
    "classlabels_strings",
    "keys_strings",
    "keys_int64s",
    "keys_floats",
    "values_strings",
    "values_int64s",
    "values_floats",
    "cats_strings",
    "cats_int64s",
    "class_ids",
)
_BRANCHES = ("nodes_truenodeids", "nodes_falsenodeids")
#: Nodes of a tree below this depth are left alone: few rows ever come by there.
_DEPTH = 1


@dataclass(frozen=True, slots=True)
class _Split:
    """An inner node of a tree ensemble."""

    #: In the operator's lists.
    position: int
    threshold: float
    #: Smallest and largest threshold of the same feature in the whole ensemble.
    bounds: tuple[float, float]
    #: Words for it.
    place: str


def perturb_coefficients(subject: Subject) -> Iterator[Site]:
    """Scale a classical operator's weights, or flip the largest."""
    for at, node, given in _classical(subject):
        for name in _WEIGHTS:
            values = given.get(name, ())
            if len(values):
                change = partial(_replace, name=name, edit=_scaled)
                yield at_node(at, f"{name} of {label(node)} scaled by 1.5", change)
                if name not in _UNEVEN:
                    change = partial(_replace, name=name, edit=_flip)
                    yield at_node(at, f"{name} of {label(node)} with its largest flipped", change)


def zero_intercepts(subject: Subject) -> Iterator[Site]:
    """Set a classical operator's bias to zero."""
    for at, node, given in _classical(subject):
        for name in _BIASES:
            if len(given.get(name, ())):
                change = partial(_replace, name=name, edit=lambda values: [0.0] * len(values))
                yield at_node(at, f"{name} of {label(node)}", change)


def exchange_labels(subject: Subject) -> Iterator[Site]:
    """Exchange the first and the last class, key or category."""
    for at, node, given in _classical(subject):
        for name in _ORDERED:
            if len(given.get(name, ())) > 1:
                edit = _extremes_exchanged if name == "class_ids" else _ends_exchanged
                change = partial(_replace, name=name, edit=edit)
                yield at_node(at, f"{name} of {label(node)}", change)


def move_threshold(subject: Subject) -> Iterator[Site]:
    """Let the upper node of a tree split at another value of its feature."""
    for at, split in _upper_splits(subject):
        # the farthest threshold known for the feature is a value that its data crosses
        new = max(split.bounds, key=lambda bound: abs(bound - split.threshold))
        if new == split.threshold:
            new = split.threshold * 1.5 + 1.0
        change = partial(_put, name="nodes_values", which=split.position, value=new)
        yield at_node(at, f"{split.place}: {split.threshold:.6g} -> {new:.6g}", change)


def exchange_branches(subject: Subject) -> Iterator[Site]:
    """Exchange the true and the false branch of an upper node of a tree."""
    for at, split in _upper_splits(subject):
        yield at_node(at, split.place, partial(_turn, which=split.position))


def reorder_leaves(subject: Subject) -> Iterator[Site]:
    """Give the leaves of a forest each other's weights."""
    for at, node, given in _classical(subject):
        for name in ("class_weights", "target_weights"):
            if len(given.get(name, ())) > 1:
                change = partial(_replace, name=name, edit=lambda values: values[::-1])
                yield at_node(at, f"{name} of {label(node)} in reverse order", change)


def _classical(subject: Subject) -> Iterator[tuple[NodeAt, Any, dict[str, Any]]]:
    for at, node in subject.nodes:
        if node.domain == _ML:
            yield at, node, attributes(node)


def _upper_splits(subject: Subject) -> Iterator[tuple[NodeAt, _Split]]:
    for at, node, given in _classical(subject):
        if "nodes_treeids" in given and "nodes_values" in given:
            for split in _splits(label(node), given):
                yield at, split


def _splits(name: str, given: dict[str, Any]) -> Iterator[_Split]:
    pairs = zip(given["nodes_treeids"], given["nodes_nodeids"], strict=True)
    position = {pair: which for which, pair in enumerate(pairs)}
    inner = [which for which, mode in enumerate(given["nodes_modes"]) if mode != b"LEAF"]
    thresholds: dict[int, list[float]] = {}
    children = set()
    for which in inner:
        value = given["nodes_values"][which]
        thresholds.setdefault(given["nodes_featureids"][which], []).append(value)
        children |= {(given["nodes_treeids"][which], given[key][which]) for key in _BRANCHES}
    bounds = {feature: (min(values), max(values)) for feature, values in thresholds.items()}
    is_inner = set(inner)
    level = [pair for pair in position if pair not in children]
    for depth in range(_DEPTH + 1):
        splits = [pair for pair in level if position[pair] in is_inner]
        for tree, number in splits:
            at = position[tree, number]
            yield _Split(
                position=at,
                threshold=given["nodes_values"][at],
                bounds=bounds[given["nodes_featureids"][at]],
                place=f"split {number} of tree {tree} (depth {depth}) of {name}",
            )
        level = [
            (tree, given[key][position[tree, number]])
            for tree, number in splits
            for key in _BRANCHES
        ]


def _replace(node: Any, *, name: str, edit: Callable[[list[Any]], Sequence[Any]]) -> bool:
    old = list(attributes(node)[name])
    new = list(edit(old))
    set_attribute(node, name, new)
    return new != old


def _put(node: Any, *, name: str, which: int, value: float) -> bool:
    values = list(attributes(node)[name])
    values[which] = value
    set_attribute(node, name, values)
    return True


def _turn(node: Any, *, which: int) -> bool:
    given = attributes(node)
    true, false = (list(given[key]) for key in _BRANCHES)
    true[which], false[which] = false[which], true[which]
    for key, values in zip(_BRANCHES, (true, false), strict=True):
        set_attribute(node, key, values)
    return True


def _scaled(values: list[float]) -> list[float]:
    return [value * 1.5 for value in values]


def _flip(values: list[float]) -> list[float]:
    which = max(range(len(values)), key=lambda position: abs(values[position]))
    return [-value if position == which else value for position, value in enumerate(values)]


def _ends_exchanged(values: list[Any]) -> list[Any]:
    return [values[-1], *values[1:-1], values[0]]


def _extremes_exchanged(values: list[int]) -> list[int]:
    """In a list with one entry per leaf: the first class for the last, and back."""
    low, high = min(values), max(values)
    return [{low: high, high: low}.get(value, value) for value in values]
