"""The TorchScript exporter for Transformers models: what stands in where dynamo fails.

It records one run, so what depends on sizes or values may be fixed to those of the traced inputs;
the proof on the other input sets finds that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conformance.adapters.causes import in_short
from conformance.errors import ExportError


def export_torchscript(  # noqa: PLR0913 - the exporter's parameters, each by its name
    module: Any,
    tensors: Mapping[str, Any],
    path: Path,
    *,
    output_names: Sequence[str],
    axes: Mapping[str, Mapping[int, str]],
    opset: int,
    fold_constants: bool,
) -> None:
    """Write ``path``, weights within it.

    Args:
        module: the model; called with keywords.
        tensors: its inputs, in the order that the graph is to have.
        path: of the ONNX file.
        output_names: of all tensors of the output, in order.
        axes: input to axis number to axis name, of the axes that stay dynamic.
        opset: of the ONNX file.
        fold_constants: compute what does not depend on inputs once, while exporting.

    Raises:
        ExportError: when the exporter fails.
    """
    import torch

    try:
        torch.onnx.export(
            _flat(module, list(tensors)),
            tuple(tensors.values()),
            path,
            dynamo=False,
            input_names=list(tensors),
            output_names=list(output_names),
            dynamic_axes={name: dict(named) for name, named in axes.items()},
            opset_version=opset,
            do_constant_folding=fold_constants,
        )
    except Exception as error:
        raise ExportError(f"the torchscript exporter failed: {in_short(error)}") from error


def _flat(module: Any, names: list[str]) -> Any:
    """The module with positions for inputs and outputs, which is all that TorchScript knows."""
    import torch
    from transformers.exporters.utils import get_leaf_tensors

    class Flat(torch.nn.Module):  # type: ignore[misc]  # torch is not followed
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, *inputs: Any) -> tuple[Any, ...]:
            given = dict(zip(names, inputs, strict=True))
            return tuple(get_leaf_tensors(self.module(**given)).values())

    return Flat().eval()
