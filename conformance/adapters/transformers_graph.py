"""What is done to the graphs of ``transformers.exporters`` before they are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def name_axes(graph: Any, axes: Mapping[str, Mapping[int, str]]) -> None:
    """Give the graph's symbolic sizes, such as ``s53``, the names that the zoo gives them."""
    import onnx_ir

    names: dict[str, str] = {}
    for value in graph.inputs:
        for axis, name in axes.get(value.name, {}).items():
            symbol = getattr(value.shape[axis], "value", None)
            if symbol is not None:
                names.setdefault(symbol, name)
    produced = (value for node in graph for value in node.outputs)
    for value in (*graph.inputs, *produced):
        if value.shape is not None:
            value.shape = onnx_ir.Shape([_renamed(size, names) for size in value.shape])


def _renamed(size: Any, names: Mapping[str, str]) -> Any:
    # plain numbers have no symbol, and an unknown size must stay unknown
    symbol = getattr(size, "value", None)
    if symbol is None:
        return size
    named = re.sub(r"\w+", lambda match: names.get(match[0], match[0]), symbol)
    # a size that the trace found to be fixed comes as text
    return int(named) if named.isdigit() else named


def drop_unread_inputs(graph: Any) -> None:
    """Take away the inputs that nothing reads: what a cache keeps beside its tensors, say."""
    for value in list(graph.inputs):
        if not value.uses() and not value.is_graph_output():
            graph.inputs.remove(value)
