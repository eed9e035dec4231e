"""Inputs of a PyTorch model: an exported program tells them, a module does not."""

from __future__ import annotations

from typing import Any, get_args

from conformance.detection.signature import Signature
from conformance.entry import Dtype, TensorSpec
from conformance.errors import InputsError

_FURTHER_SIZES = 2


def torch_signature(source: Any, parameters: tuple[str, ...]) -> Signature:
    """What an exported program takes: shapes, dynamic axes with their ranges, example values.

    Args:
        source: an ``ExportedProgram``; of others only the names are known.
        parameters: names that its call accepts.

    Raises:
        InputsError: when it is a module, which can be called with anything, or a program with
            other inputs than tensors.
    """
    import torch

    if not isinstance(source, torch.export.ExportedProgram):
        names = parameters or ("x",)
        example = " ".join(f"--input {name}=float32[batch,3,32,32]" for name in names[:2])
        raise InputsError(
            f"a {type(source).__name__} does not tell the shapes of its inputs "
            f"({', '.join(names)}): say them, as {example}; or save the model with "
            "torch.export.save, which keeps them"
        )
    inputs: dict[str, TensorSpec] = {}
    sizes: dict[str, tuple[int, ...]] = {}
    for name, traced, example in _user_inputs(source):
        shape = [
            _axis(name, axis, (traced, example), source.range_constraints, sizes)
            for axis in range(traced.ndim)
        ]
        inputs[name] = TensorSpec.model_validate(
            {"dtype": _dtype(name, example), "shape": shape, **_range(example)}
        )
    return Signature(
        inputs,
        sizes,
        told=("an exported program: shapes, dynamic axes and ranges are its own",),
        exporter="dynamo",
    )


def _user_inputs(program: Any) -> list[tuple[str, Any, Any]]:
    """Name, traced value and example of each input, in the order of the call."""
    import torch
    from torch.utils import _pytree as pytree

    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    names = list(program.graph_signature.user_inputs)
    examples = pytree.tree_leaves(program.example_inputs)
    traced = [nodes[name].meta.get("val") if name in nodes else None for name in names]
    if len(examples) != len(names) or not all(isinstance(v, torch.Tensor) for v in traced):
        raise InputsError(
            f"the exported program takes {', '.join(map(str, names))}, and not all of them are "
            "tensors with an example: write a manifest"
        )
    return list(zip(names, traced, examples, strict=True))


def _axis(
    name: str, axis: int, tensors: tuple[Any, Any], ranges: Any, sizes: dict[str, tuple[int, ...]]
) -> int | str:
    """The size of an axis of an input, or its name, for which ``sizes`` gets sizes.

    Args:
        name: of the input.
        axis: its number.
        tensors: the input as it was traced, and its example.
        ranges: of the program's symbolic sizes.
        sizes: by axis name.
    """
    size, example = (tensor.shape[axis] for tensor in tensors)
    if isinstance(size, int):
        return int(size)
    symbol = size.node.expr
    if symbol not in ranges:
        raise InputsError(
            f"axis {axis} of input '{name}' has size {symbol}, which depends on another axis: say "
            "the inputs with --input"
        )
    # torch names its symbols anew at each export: s77
    label = "batch" if axis == 0 else f"axis_{symbol}"
    lowest, highest = ranges[symbol].lower, ranges[symbol].upper
    wanted = [example + 1, example + 3, max(example - 1, 2)]
    fitting = [other for other in wanted if lowest <= other <= highest and other != example]
    if not fitting:
        return int(example)
    sizes.setdefault(label, (example, *fitting[:_FURTHER_SIZES]))
    return label


def _dtype(name: str, example: Any) -> str:
    dtype = str(example.dtype).removeprefix("torch.")
    if dtype not in get_args(Dtype):
        raise InputsError(f"input '{name}' is {dtype}, which cannot be drawn: write a manifest")
    return dtype


def _range(example: Any) -> dict[str, Any]:
    """Integers as far as the example's: an index beyond it may be in no table."""
    if example.is_floating_point() or example.dtype.is_complex or not example.numel():
        return {}
    if str(example.dtype) == "torch.bool":
        return {}
    return {"low": int(example.min()), "high": int(example.max()) + 1}
