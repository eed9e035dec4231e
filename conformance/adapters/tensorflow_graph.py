"""What is done to an ONNX graph that tf2onnx made, so that it matches its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from conformance.errors import ExportError


def listed(errors: list[str]) -> str:
    """What tf2onnx reported, as the tail of an error message."""
    return f"; tf2onnx reported: {' | '.join(errors[:3])}" if errors else ""


def refuse_leftovers(proto: Any, errors: list[str]) -> None:
    """Refuse a graph in which operators of TensorFlow are left that nobody asked to keep."""
    from onnx import defs

    left = sorted(
        {
            node.op_type
            for node in _nodes(proto.graph)
            if node.domain in ("", "ai.onnx") and not defs.has(node.op_type)
        }
    )
    if left:
        raise ExportError(
            f"tf2onnx cannot convert the TensorFlow operators {', '.join(left)}: "
            "give 'custom_op_handlers' that convert them, or 'custom_ops' that keep them"
            f"{listed(errors)}"
        )
    # such an operator may have the name of an ONNX one, which it is not
    if failed := [error for error in errors if error.startswith("Failed to convert node")]:
        raise ExportError(f"tf2onnx left operators unconverted{listed(failed)}")


def _nodes(graph: Any) -> Iterator[Any]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for body in (attribute.g, *attribute.graphs):
                yield from _nodes(body)


def rename_outputs(proto: Any, names: Sequence[str]) -> None:
    """Name the graph's outputs as the source does; Keras leaves them ``Identity:0``.

    Keras flattens what the model returns: a list in its order, a dictionary in the order of
    its keys; of the latter the names survive.
    """
    found = [output.name for output in proto.graph.output]
    if set(found) == set(names):
        return
    new = dict(zip(found, names, strict=True))
    for node in _nodes(proto.graph):
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]
    for output in proto.graph.output:
        output.name = new[output.name]


def arrange(
    proto: Any,
    inputs: list[str],
    outputs: list[str],
    dynamic: Mapping[str, Mapping[int, str]],
) -> None:
    """Put inputs and outputs into the source's order, and name the dynamic axes."""
    for values, wanted in ((proto.graph.input, inputs), (proto.graph.output, outputs)):
        ranked = sorted(
            values, key=lambda value: wanted.index(value.name) if value.name in wanted else -1
        )
        copies = [type(value).FromString(value.SerializeToString()) for value in ranked]
        del values[:]
        values.extend(copies)
    for value in proto.graph.input:
        dims = value.type.tensor_type.shape.dim
        for axis, label in dynamic.get(value.name, {}).items():
            if axis < len(dims) and dims[axis].WhichOneof("value") == "dim_param":
                dims[axis].dim_param = label


def fix_inputs(proto: Any, values: Mapping[str, Any]) -> None:
    """Turn inputs of known value into initializers."""
    import numpy as np
    from onnx import numpy_helper

    for value in [value for value in proto.graph.input if value.name in values]:
        proto.graph.input.remove(value)
        known = values[value.name].numpy()
        if isinstance(known, bytes):  # a single text comes without an array around it
            known = np.array(known, object)
        proto.graph.initializer.append(numpy_helper.from_array(known, value.name))


def embed(proto: Any, data: Mapping[str, bytes]) -> None:
    """Put the tensors that tf2onnx kept apart back where they belong."""
    from onnx import TensorProto
    from onnx.external_data_helper import uses_external_data

    tensors = [*proto.graph.initializer]
    tensors += [a.t for node in _nodes(proto.graph) for a in node.attribute if a.HasField("t")]
    for tensor in tensors:
        if uses_external_data(tensor):
            tensor.raw_data = data[tensor.external_data[0].value]
            del tensor.external_data[:]
            tensor.data_location = TensorProto.DEFAULT


def save(proto: Any, path: Path, *, external: bool) -> None:
    """Write the model; ``external`` puts its larger tensors into ``<path>.data``."""
    import onnx

    if external:
        onnx.save(
            proto,
            path,
            save_as_external_data=True,
            all_tensors_to_one_file=True,
            location=f"{path.name}.data",
            size_threshold=1024,
        )
    else:
        onnx.save(proto, path)
