"""Replace a model's weights by random ones, so that a failure can be shown without them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from conformance.graph.names import subgraphs

#: Operators whose float inputs are sizes, not weights.
_SIZED_BY_FLOATS = frozenset({"Resize", "Upsample"})
#: Weights that were themselves drawn with NumPy's generator must not be drawn again.
_STREAM = 0x72657061636B
#: A file must stay below protobuf's 2 GB; from here on the weights go beside it.
_INLINE_BYTES = 1_500_000_000


@dataclass(frozen=True, slots=True)
class Randomized:
    """What was replaced, and what stays as it was."""

    #: Tensors and attributes whose values are others now.
    replaced: int
    #: Floats that carry no information to hide: single values, constants, sizes.
    kept: int
    #: Names of the other tensors, which may be quantized weights.
    not_floats: tuple[str, ...]


def randomize_weights(source: Path, target: Path, seed: int) -> Randomized:
    """Write a copy of a model whose float weights are random.

    Each float tensor gets values of its own shape, dtype, mean, standard deviation and range,
    and so do the float attributes of classical models (tree thresholds, coefficients).
    Single values and constant tensors have no spread and stay; so does everything that is no
    float: shapes, indices, quantized weights.

    Args:
        source: the ONNX file, with its external data beside it.
        target: where to write; external data goes to ``<name>.data`` beside it.
        seed: of the values.

    Raises:
        OSError: when a file cannot be read or written.
        google.protobuf.message.DecodeError: when the source is no model.
    """
    import onnx

    model = onnx.load(str(source))
    rng = np.random.default_rng((_STREAM, seed))
    kept_names = _sizes(model.graph)
    replaced = kept = 0
    not_floats = []
    for tensor in _tensors(model):
        if not _is_float(tensor):
            not_floats.append(tensor.name)
        elif tensor.name not in kept_names and _randomize_tensor(tensor, rng):
            replaced += 1
        else:
            kept += 1
    for values in _classical_floats(model.graph):
        found = np.array(values, np.float32)
        drawn = draw(found, rng)
        if drawn is None:
            kept += 1
        else:
            values[:] = drawn.astype(np.float32).tolist()
            replaced += 1
    external = model.ByteSize() > _INLINE_BYTES
    onnx.save(model, str(target), save_as_external_data=external, location=f"{target.name}.data")
    return Randomized(replaced, kept, tuple(not_floats))


def draw(values: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """Random float64 values with the shape, mean, spread and range of ``values``.

    The range is kept because some weights must be: variances are positive. Returns None
    where there is no spread, or nothing finite, to imitate.
    """
    wide = values.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    if not finite.size or finite.std() == 0:
        return None
    noise = rng.standard_normal(wide.shape)
    noise = (noise - noise.mean()) / (noise.std() or 1.0)
    drawn = np.clip(finite.mean() + finite.std() * noise, finite.min(), finite.max())
    # infinities are switches, in attention masks say
    return np.where(np.isfinite(wide), drawn, wide)


def _randomize_tensor(tensor: Any, rng: np.random.Generator) -> bool:
    from onnx import numpy_helper

    values = numpy_helper.to_array(tensor)
    drawn = draw(values, rng)
    if drawn is None:
        return False
    renewed = numpy_helper.from_array(drawn.astype(values.dtype).reshape(values.shape), tensor.name)
    tensor.CopyFrom(renewed)
    return True


def _is_float(tensor: Any) -> bool:
    from onnx import TensorProto

    return tensor.data_type in {
        TensorProto.FLOAT,
        TensorProto.FLOAT16,
        TensorProto.DOUBLE,
        TensorProto.BFLOAT16,
    }


def _tensors(model: Any) -> Iterator[Any]:
    """Every tensor that a model holds: initializers and constants, of subgraphs too."""
    nodes = [node for function in model.functions for node in function.node]
    yield from _tensors_of(model.graph)
    for node in nodes:
        yield from _tensors_of_node(node)


def _tensors_of(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        yield from _tensors_of_node(node)


def _tensors_of_node(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            if not attribute.t.name and node.output:
                attribute.t.name = node.output[0]
            yield attribute.t
        yield from attribute.tensors
    for graph in subgraphs(node):
        yield from _tensors_of(graph)


def _nodes(graph: Any) -> Iterator[Any]:
    for node in graph.node:
        yield node
        for inner in subgraphs(node):
            yield from _nodes(inner)


def _sizes(graph: Any) -> set[str]:
    return {
        name for node in _nodes(graph) if node.op_type in _SIZED_BY_FLOATS for name in node.input
    }


def _classical_floats(graph: Any) -> Iterator[Any]:
    """Float lists of classical operators, where scikit-learn's models keep what they learnt."""
    for node in _nodes(graph):
        if node.domain == "ai.onnx.ml":
            for attribute in node.attribute:
                if attribute.floats:
                    yield attribute.floats
