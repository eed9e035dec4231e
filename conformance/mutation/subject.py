"""The model that is to be changed, and one possible change of it.

Operators look at a :class:`Subject` and yield :class:`Site` values; nothing is changed
until a site is applied, and then only a copy. Places are remembered as positions, not as
objects, so that they name the same thing in the original and in every copy. Bodies of
``Loop`` are left alone: a changed condition need never come true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

#: The epsilon of Keras' normalizations. The others', one hundredth of it and less, are there
#: for zeros only: without them, or with ten times as much, answers change within rounding.
LARGE_EPSILON = 1e-3
#: What is added by less than this is no part of an answer, and leaving it out no mistake.
NEXT_TO_NOTHING = 1e-4
#: Number of the graph (0 is the main one), number of the node in it.
NodeAt = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Site:
    """One change that can be made to the model."""

    #: What is changed and how, for people; unique among the sites of one operator.
    target: str
    #: Makes the change in the model that is handed over; False when it would change nothing.
    change: Callable[[Any], bool]

    def apply(self, model: Any) -> Any | None:
        """A changed copy of ``model`` (``onnx.ModelProto``); None when nothing changes."""
        mutant = type(model)()
        mutant.CopyFrom(model)
        return mutant if self.change(mutant) else None


@dataclass(frozen=True)
class Subject:
    """A model with what has to be known of it to change it sensibly."""

    #: ``onnx.ModelProto``, its external data not loaded.
    model: Any
    #: Where its external data lies.
    folder: Path

    @cached_property
    def nodes(self) -> list[tuple[NodeAt, Any]]:
        """Every node that may be changed, with its place."""
        return [
            ((g, n), node)
            for g, graph in enumerate(graphs(self.model))
            for n, node in enumerate(graph.node)
        ]

    @cached_property
    def constants(self) -> list[tuple[str, Any]]:
        """Every constant tensor by the name of its value; places are positions in this list."""
        return constants(self.model)

    @cached_property
    def places(self) -> dict[str, int]:
        """Name of a constant to its position in :attr:`constants`."""
        return {name: at for at, (name, _) in enumerate(self.constants)}

    @cached_property
    def uses(self) -> dict[str, list[tuple[NodeAt, int]]]:
        """Name of a value to the nodes that read it, with the position among their inputs."""
        found: dict[str, list[tuple[NodeAt, int]]] = {}
        for at, node in self.nodes:
            for position, name in enumerate(node.input):
                found.setdefault(name, []).append((at, position))
        return found

    @cached_property
    def types(self) -> dict[str, tuple[int, tuple[int | str | None, ...] | None]]:
        """Name of a value to its ONNX element type and shape, as far as they are known."""
        import onnx

        try:
            model = onnx.shape_inference.infer_shapes(self.model)
        except onnx.shape_inference.InferenceError:
            model = self.model
        found = {}
        for graph in graphs(model):
            for value in (*graph.input, *graph.value_info, *graph.output):
                tensor = value.type.tensor_type
                found[value.name] = (tensor.elem_type, _dims(tensor))
        for name, proto in self.constants:
            found[name] = (proto.data_type, tuple(proto.dims))
        return found

    @property
    def inputs(self) -> list[str]:
        """Names of the graph's inputs, without those that are constants."""
        return [v.name for v in self.model.graph.input if v.name not in self.places]

    def node(self, at: NodeAt) -> Any:
        """The node at a place."""
        return graphs(self.model)[at[0]].node[at[1]]

    def consumers(self, name: str) -> Iterator[tuple[str, int]]:
        """Op type and input position of every node that reads ``name``."""
        for at, position in self.uses.get(name, []):
            yield self.node(at).op_type, position

    def rank(self, name: str) -> int | None:
        """The number of axes of a value, where it is known."""
        shape = self.types.get(name, (0, None))[1]
        return None if shape is None else len(shape)

    def array(self, position: int) -> np.ndarray:
        """The values of a constant."""
        from onnx import numpy_helper

        proto = self.constants[position][1]
        return np.asarray(numpy_helper.to_array(proto, base_dir=str(self.folder)))

    def edit(self, position: int, target: str, edit: Callable[[np.ndarray], np.ndarray]) -> Site:
        """The site that replaces a constant by what ``edit`` makes of it."""

        def change(mutant: Any) -> bool:
            from onnx import numpy_helper

            old = self.array(position)
            new = np.asarray(edit(old)).astype(old.dtype).reshape(old.shape)
            name, proto = constants(mutant)[position]
            proto.CopyFrom(numpy_helper.from_array(new, proto.name or name))
            return not np.array_equal(old, new, equal_nan=old.dtype.kind == "f")

        return Site(target, change)


def graphs(model: Any) -> list[Any]:
    """The main graph and the bodies of ``If`` and ``Scan``, in a fixed order."""
    from onnx import AttributeProto

    found = [model.graph]
    for graph in found:  # grows while it is walked
        for node in graph.node:
            if node.op_type != "Loop":
                found.extend(a.g for a in node.attribute if a.type == AttributeProto.GRAPH)
    return found


def constants(model: Any) -> list[tuple[str, Any]]:
    """Initializers and the tensors of ``Constant`` nodes: name of the value, TensorProto."""
    found: list[tuple[str, Any]] = []
    for graph in graphs(model):
        found.extend((proto.name, proto) for proto in graph.initializer)
        found.extend(
            (node.output[0], node.attribute[0].t)
            for node in graph.node
            if node.op_type == "Constant" and node.attribute[0].name == "value"
        )
    return found


def at_node(at: NodeAt, target: str, change: Callable[[Any], bool]) -> Site:
    """A site whose change concerns one node."""
    return Site(target, lambda mutant: change(graphs(mutant)[at[0]].node[at[1]]))


def label(node: Any) -> str:
    """A node as people find it again: op and name."""
    return f"{node.op_type} '{node.name or node.output[0]}'"


def attributes(node: Any) -> dict[str, Any]:
    """The attributes of a node by name, as Python values."""
    from onnx import helper

    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def set_attribute(node: Any, name: str, value: Any) -> None:
    """Give a node's attribute another value."""
    from onnx import helper

    for position, attribute in enumerate(node.attribute):
        if attribute.name == name:
            del node.attribute[position]
            break
    node.attribute.append(helper.make_attribute(name, value))


def _dims(tensor: Any) -> tuple[int | str | None, ...] | None:
    if not tensor.HasField("shape"):
        return None
    return tuple(
        dim.dim_value if dim.HasField("dim_value") else (dim.dim_param or None)
        for dim in tensor.shape.dim
    )
