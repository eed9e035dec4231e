"""What an entry may ask of ``torch.onnx.export``, and how it is handed over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field

from conformance.adapters.contract import Arrays, Job
from conformance.entry import Conversion
from conformance.errors import ExportError, LoadError
from conformance.sources.factory import load_reference

#: What an export imports on its way: half of a small export's time. Where a version of torch
#: lacks one of them, the child imports what it needs by itself.
EXPORT_MODULES = (
    "torch",
    "torch.onnx",
    "torch.export",
    "torch._dynamo",
    "torch._export",
    "torch.export._trace",
    "sympy.tensor.tensor",
    "torch.onnx._internal.exporter._compat",
    "torch.onnx._internal.exporter._torchlib.ops",
    "onnxscript.optimizer",
    "onnxscript.function_libs.torch_lib.ops",
)


class PyTorchConversion(Conversion):
    """Parameters of ``torch.onnx.export``, under its own names."""

    args: str | None = None
    """Reference of the tensors to trace with, a tuple or a function that returns one.
    Default: the first input set."""
    opset_version: int | None = None
    """The case's opset, and no other; the entry's ``opsets`` set it."""
    input_names: tuple[str, ...] | None = None
    """Names of the graph's inputs; must be those of the input sets."""
    output_names: tuple[str, ...] | None = None
    """Names of the graph's outputs, nested ones flattened. Default: the keys of a dict,
    else ``output_0`` and so on."""
    dynamic_axes: dict[str, dict[int, str] | tuple[int, ...]] = Field(default_factory=dict)
    """Tensor name to axis numbers, with or without axis names, besides the axes that the entry
    declares; those of outputs matter to the TorchScript exporter alone."""
    export_params: bool = True
    """Store the weights in the file."""
    verbose: bool = False
    """Have the exporter report what it does; the text is kept with a failure."""
    training: Literal["eval", "preserve", "training"] = "eval"
    """Mode in which the TorchScript exporter traces; the dynamo exporter knows only eval."""
    do_constant_folding: bool = True
    """Compute constant parts of the graph at export; under dynamo, optimise it at all."""


def tensors_of(feeds: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Tensors of the input sets, by input name."""
    import torch

    # a copy: the caller's arrays may be read-only, and models may write to their inputs
    return {name: torch.from_numpy(array.copy()) for name, array in feeds.items()}


def check(conversion: PyTorchConversion, source: Any, job: Job, feeds: Arrays) -> None:
    """Refuse what contradicts itself or what the exporter cannot do.

    Raises:
        ExportError: with the next step.
    """
    import torch

    opset, exporter = job.case.opset, job.case.exporter
    if conversion.opset_version not in (None, opset):
        raise ExportError(
            f"'opset_version' is {conversion.opset_version}, but this case is for opset {opset}: "
            "leave it out, and list the opsets under 'opsets'"
        )
    if conversion.input_names is not None and list(conversion.input_names) != list(feeds):
        raise ExportError(
            f"'input_names' is {list(conversion.input_names)}, the input sets hold {list(feeds)}"
        )
    if exporter == "dynamo" and isinstance(source, torch.jit.ScriptModule):
        raise ExportError(
            "the dynamo exporter cannot read a ScriptModule: set 'exporters: [torchscript]', or "
            "give the module it was scripted from"
        )
    if exporter == "torchscript" and isinstance(source, torch.export.ExportedProgram):
        raise ExportError(
            "the TorchScript exporter cannot read an ExportedProgram: set 'exporters: [dynamo]'"
        )
    if exporter == "dynamo" and conversion.training != "eval":
        raise ExportError(
            f"'training: {conversion.training}' exists for the TorchScript exporter only"
        )
    if exporter == "dynamo":
        _check_traced_sizes(_axes(conversion, job), feeds)


def _check_traced_sizes(axes: Mapping[str, Mapping[int, str]], feeds: Arrays) -> None:
    for name, named in axes.items():
        for axis, label in named.items():
            if name in feeds and feeds[name].shape[axis] == 1:
                raise ExportError(
                    f"axis {axis} ('{label}') of input '{name}' has size 1 in the first input set, "
                    "which torch.export takes as fixed: put a larger set first"
                )


def arguments(
    conversion: PyTorchConversion, parameters: tuple[str, ...], job: Job, feeds: Arrays
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments to trace with, in the order of the feeds.

    Args:
        conversion: may name other tensors than the feeds.
        parameters: names that the model's call accepts, in order.
        job: the conversion's surroundings.
        feeds: the first input set.

    Raises:
        ExportError: when ``args`` of the conversion cannot be loaded, or when the exporter
            would give the inputs each other's names.
    """
    import torch

    if conversion.args is None:
        tensors = tensors_of(feeds)
        first = list(parameters[: len(tensors)])
        if set(tensors) <= set(parameters) and list(tensors) != first:
            in_order = [name for name in parameters if name in tensors]
            if job.case.exporter == "torchscript" and list(tensors) != in_order:
                # it names its inputs by position, whatever the keywords say
                raise ExportError(
                    f"the TorchScript exporter takes inputs in the model's own order: give the "
                    f"input sets as {', '.join(in_order)}"
                )
            return (), tensors
        return tuple(tensors.values()), {}
    try:
        given = load_reference(conversion.args, job.zoo_dir)
    except LoadError as error:
        raise ExportError(f"'args': {error}") from error
    given = given() if callable(given) else given
    return ((given,) if isinstance(given, torch.Tensor) else tuple(given)), {}


def options(
    conversion: PyTorchConversion, job: Job, feeds: Arrays, *, by_name: bool
) -> dict[str, Any]:
    """Keyword arguments of ``torch.onnx.export`` that the entry decides.

    Args:
        conversion: what the entry asks for.
        job: the conversion's surroundings.
        feeds: the first input set.
        by_name: whether the inputs are passed by keyword.
    """
    import torch

    axes = _axes(conversion, job)
    common = {
        "verbose": conversion.verbose,
        "input_names": list(feeds),
        "opset_version": job.case.opset,
        "export_params": conversion.export_params,
    }
    if job.case.exporter == "torchscript":
        return common | {
            "dynamo": False,
            "dynamic_axes": axes,
            "training": getattr(torch.onnx.TrainingMode, conversion.training.upper()),
            "do_constant_folding": conversion.do_constant_folding,
        }
    shapes = {name: axes.get(name) for name in feeds}
    return common | {
        "dynamo": True,
        "dynamic_shapes": shapes if by_name else tuple(shapes.values()),
        # within the file, the weights would be in memory several times while it is written
        "external_data": True,
        "optimize": conversion.do_constant_folding,
    }


def _axes(conversion: PyTorchConversion, job: Job) -> dict[str, dict[int, str]]:
    """Tensor name to axis number to axis name, from the entry and its conversion."""
    axes = {name: dict(named) for name, named in job.case.entry.dynamic_axes().items()}
    for name, given in conversion.dynamic_axes.items():
        named = given if isinstance(given, dict) else {axis: f"{name}_{axis}" for axis in given}
        axes.setdefault(name, {}).update(named)
    return axes
