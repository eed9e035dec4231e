"""Is the exported file the model that was asked for?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from conformance.errors import CheckError, CorruptBundle, UnusedInput
from conformance.graph.names import input_names, names_read
from conformance.onnx_files import read_model


def check_model(
    path: Path,
    *,
    opset: int,
    inputs: Mapping[str, np.ndarray],
    outputs: Sequence[str],
    dynamic: Mapping[str, Mapping[int, str]],
) -> int:
    """Verify an ONNX file against what was asked for.

    Args:
        path: the model.
        opset: version of the default ONNX domain that was asked for.
        inputs: the traced input set; the graph must take these names and dtypes, in order.
        outputs: the source's output names; the graph must give these, in order.
        dynamic: input name to axis number to axis name; none of them may be fixed.

    Returns:
        The number of nodes of the main graph.

    Raises:
        CheckError: naming every difference found.
        UnusedInput: when an input of the graph reaches none of its outputs.
    """
    import onnx

    try:
        model = read_model(path)
    except CorruptBundle as error:
        raise CheckError(f"the exporter's files are refused: {error}") from error
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except Exception as error:
        first = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        raise CheckError(f"onnx.checker refuses the exported file: {first.strip()}") from error
    problems = [
        *_opset_problems(model, opset),
        *_name_problems("inputs", input_names(model.graph), list(inputs)),
        *_name_problems("outputs", [o.name for o in model.graph.output], list(outputs)),
        *_input_problems(model, inputs, dynamic),
    ]
    if problems:
        raise CheckError("; ".join(problems))
    if unused := _unused_inputs(model.graph):
        raise UnusedInput(
            f"no output depends on input {', '.join(unused)}, so nothing is proven about it: "
            "leave it out of the entry's inputs, or find out where the conversion lost it"
        )
    return len(model.graph.node)


def _unused_inputs(graph: Any) -> list[str]:
    """Inputs from which no path leads to an output; reading a shape counts as a path."""
    needed = {output.name for output in graph.output}
    for node in reversed(graph.node):  # a graph is sorted: one pass sees every use
        if needed.intersection(node.output):
            needed.update(names_read(node))
    return [value.name for value in graph.input if value.name not in needed]


def _opset_problems(model: Any, opset: int) -> list[str]:
    found = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    if found == [opset]:
        return []
    return [f"the model has opset {found[0] if found else 'none'}, asked for was {opset}"]


def _name_problems(kind: str, found: list[str], wanted: list[str]) -> list[str]:
    return [] if found == wanted else [f"the graph's {kind} are {found}, the source's are {wanted}"]


def _input_problems(
    model: Any, inputs: Mapping[str, np.ndarray], dynamic: Mapping[str, Mapping[int, str]]
) -> list[str]:
    from onnx import helper

    problems = []
    taken = input_names(model.graph)
    for value in model.graph.input:
        if value.name not in taken or value.name not in inputs:
            continue  # named by _name_problems
        tensor, array = value.type.tensor_type, inputs[value.name]
        wanted = np.dtype(object) if array.dtype.kind in "OU" else array.dtype
        found = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
        if found != wanted:
            problems.append(f"input '{value.name}' is {found} in the graph, {wanted} was given")
        dims = tensor.shape.dim if tensor.HasField("shape") else []
        if len(dims) not in (0, array.ndim):
            problems.append(
                f"input '{value.name}' has rank {len(dims)} in the graph, {array.ndim} was given"
            )
        for axis, label in dynamic.get(value.name, {}).items():
            if axis < len(dims) and dims[axis].HasField("dim_value"):
                problems.append(
                    f"axis {axis} ('{label}') of input '{value.name}' was to be dynamic "
                    f"but is fixed at {dims[axis].dim_value}"
                )
    return problems
