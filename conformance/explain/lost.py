"""Where a conversion errs, told by the source's own modules.

Exporters of torch write down which module each node comes from. A module whose answer some
node reproduces was converted rightly, with everything before it; the first that no node
reproduces is where the conversion went wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.explain.yardstick import distance
from conformance.graph.cut import submodel
from conformance.graph.metadata import scopes
from conformance.graph.names import names_read
from conformance.tensors import Arrays

#: Gets a model's answers: from ``ModelProto`` and feeds to outputs by name.
Run = Callable[[Any, Mapping[str, np.ndarray]], Arrays]


@dataclass(frozen=True, slots=True)
class LostModule:
    """The first module of the source whose answer is nowhere in the graph."""

    name: str
    #: What the source's module returned.
    activation: np.ndarray
    #: Positions of the nodes that may be wrong: before them all is as in the source.
    nodes: tuple[int, ...]
    #: The tensor that leaves the module and comes nearest, and the position of its node.
    tensor: str
    last: int
    #: Largest difference from the activation; infinite where no output has its size.
    error: float
    #: Whether all of :attr:`nodes` are the module's own.
    inside: bool


def first_lost_module(
    activations: Mapping[str, np.ndarray],
    model: Any,
    feeds: Mapping[str, np.ndarray],
    run: Run,
    *,
    bound: float,
) -> LostModule | None:
    """Find the module at which a conversion errs.

    A lost module does not count where all that depends on it is made of reproduced ones: then
    the exporter has computed the same in another way, such as folding a normalization into a
    convolution. It does count where it also goes another way, around a reproduced
    normalization, say, which hides an error of scale.

    Args:
        activations: module name to what it returned, in the order of execution.
        model: ``ModelProto`` whose nodes carry torch's name scopes.
        feeds: the inputs that the activations belong to.
        run: executes a model; asked for what leaves the modules, which is about as much as
            the activations themselves, and for what is inside of one at a time.
        bound: relative to the largest magnitude of an activation, what counts as equal.

    Returns:
        None when every module is reproduced, or none can be told.

    Raises:
        CannotRun: by way of ``run``.
    """
    graph = _Scoped(model, activations)
    exits = {name: graph.exits(name) for name in graph.nodes}
    values = _asked(model, feeds, run, [t for tensors in exits.values() for t in tensors])
    matched: dict[str, str] = {}
    lost: dict[str, tuple[str, float]] = {}
    for name, tensors in exits.items():
        wanted = activations[name]
        tensor, error = _nearest(values, tensors, wanted)
        if math.isinf(error):
            # of a tuple, the first may be used nowhere, or only inside
            inner = graph.made_in(name)
            found = _nearest(_asked(model, feeds, run, inner), inner, wanted)
            tensor, error = found if math.isfinite(found[1]) else (tensor, error)
        if error <= bound * float(np.max(np.abs(wanted), initial=0.0)):
            matched[name] = tensor
        else:
            lost[name] = (tensor, error)
    right = set(matched.values())
    outputs = [value.name for value in model.graph.output]
    uncovered = graph.upstream(outputs, right)
    for name, (tensor, error) in lost.items():
        last = graph.maker[tensor]
        if last not in uncovered:
            continue
        suspects = graph.upstream([tensor], right)
        return LostModule(
            name=name,
            activation=activations[name],
            nodes=tuple(sorted(suspects)),
            tensor=tensor,
            last=last,
            error=error,
            inside=suspects <= set(graph.nodes[name]),
        )
    return None


class _Scoped:
    """A graph whose nodes are known by the modules they come from."""

    def __init__(self, model: Any, activations: Mapping[str, np.ndarray]) -> None:
        self._nodes = list(model.graph.node)
        self._outputs = {value.name for value in model.graph.output}
        self._readers: dict[str, set[int]] = {}
        by_module: dict[str, list[int]] = {}
        for at, node in enumerate(self._nodes):
            for tensor in names_read(node):
                self._readers.setdefault(tensor, set()).add(at)
            # torch writes 'layer@1' for the second call of a module
            for name in {scope.partition("@")[0] for scope in scopes(node)}:
                by_module.setdefault(name, []).append(at)
        #: Tensor to the position of the node that makes it.
        self.maker = {t: at for at, node in enumerate(self._nodes) for t in node.output if t}
        #: Module name to positions of its nodes, in the order of execution.
        self.nodes = {name: by_module[name] for name in activations if name in by_module}

    def made_in(self, name: str) -> list[str]:
        """Every tensor that a module's nodes make, the last first."""
        return [t for at in reversed(self.nodes[name]) for t in self._nodes[at].output if t]

    def exits(self, name: str) -> list[str]:
        """Tensors of a module that are read outside of it, the last first: one is its answer.

        What stays inside is none, however near it comes: without its bias of zeros, a layer
        looks right.
        """
        own, made = set(self.nodes[name]), self.made_in(name)
        leaving = [t for t in made if t in self._outputs or self._readers.get(t, own) - own]
        return leaving or made[:1]

    def upstream(self, tensors: Sequence[str], right: AbstractSet[str]) -> set[int]:
        """The nodes that some tensors depend on, other than by way of those that are right."""
        found: set[int] = set()
        left = [tensor for tensor in tensors if tensor not in right]
        while left:
            at = self.maker.get(left.pop())
            if at is not None and at not in found:
                found.add(at)
                left += [name for name in names_read(self._nodes[at]) if name not in right]
        return found


def _asked(
    model: Any, feeds: Mapping[str, np.ndarray], run: Run, tensors: Sequence[str]
) -> Mapping[str, np.ndarray]:
    names = list(dict.fromkeys(tensors))
    return run(submodel(model, list(feeds), names, feeds), feeds) if names else {}


def _nearest(
    values: Mapping[str, np.ndarray], tensors: Sequence[str], wanted: np.ndarray
) -> tuple[str, float]:
    """Which of the tensors comes nearest to an activation: of its shape, or its size at least."""
    best = tensors[0], math.inf
    for tensor in tensors:
        array = values[tensor]
        if array.size == wanted.size:
            error = distance(array.reshape(wanted.shape), wanted)
            best = min(best, (tensor, error), key=lambda found: found[1])
    return best
