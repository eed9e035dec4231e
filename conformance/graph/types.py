"""The dtypes of a graph's tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

#: Constants up to this many elements may be shapes, which inference reads.
_SMALL = 1024


def tensor_dtypes(model: Any) -> dict[str, np.dtype]:
    """The dtype of every tensor of the main graph that ONNX can tell.

    Args:
        model: ``ModelProto``; unchanged, and its weights are not copied.

    Returns:
        Tensor name to NumPy dtype; strings are objects. What operators outside ONNX make is
        not among them, nor what follows only from it.
    """
    import onnx

    light = onnx.ModelProto(ir_version=model.ir_version)
    light.opset_import.extend(model.opset_import)
    light.functions.extend(model.functions)
    graph = light.graph
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    graph.output.extend(model.graph.output)
    graph.value_info.extend(model.graph.value_info)
    declared = {value.name for value in model.graph.input}
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) <= _SMALL:
            graph.initializer.append(tensor)
        elif tensor.name not in declared:
            graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    try:
        inferred = onnx.shape_inference.infer_shapes(light).graph
    except (onnx.shape_inference.InferenceError, RuntimeError):
        inferred = graph
    kinds = {t.name: t.data_type for t in inferred.initializer}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        kinds[value.name] = value.type.tensor_type.elem_type
    return {
        name: np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind))
        for name, kind in kinds.items()
        if kind
    }
