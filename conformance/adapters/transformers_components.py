"""One component of a generative Transformers model: how it is asked, and how it is exported."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from conformance.adapters.causes import in_short
from conformance.adapters.contract import Arrays, Job
from conformance.adapters.pytorch_float64 import float32_means_float64, widened
from conformance.adapters.transformers_graph import drop_unread_inputs, name_axes
from conformance.entry import Conversion
from conformance.errors import ExportError, InputsError
from conformance.model import FrameworkInfo


@dataclass(frozen=True, slots=True)
class ComponentModel:
    """A module with the calls that ``generate`` made of it, one per batch of prompts."""

    module: Any
    #: Keyword arguments, caches and model outputs among them.
    calls: tuple[dict[str, Any], ...]
    #: Paths of tensors that are inputs and outputs; as inputs they are called ``input.PATH``.
    shared: frozenset[str]
    #: Input to axis number to axis name.
    dynamic: dict[str, dict[int, str]]


class ComponentAdapter:
    """Asks and exports one component; see :class:`~conformance.adapters.contract.Adapter`."""

    info: ClassVar[FrameworkInfo] = FrameworkInfo(
        "transformers", ("dynamo",), 18, (18, 23), (), "transformers", (), Conversion
    )

    def load(self, job: Job) -> ComponentModel:
        """Components come from :func:`components_of`."""
        raise NotImplementedError(f"a component of {job.case.key} is not loaded by itself")

    def bind(self, model: ComponentModel, feeds: Mapping[str, np.ndarray]) -> Callable[[], Any]:
        """Return a call of the module; each run gets a cache of its own, which it writes to.

        Raises:
            InputsError: when ``feeds`` are of sizes that ``generate`` never used.
        """
        import torch

        tensors = {bare(name): torch.tensor(array) for name, array in feeds.items()}
        call = _call_like(model, tensors)

        def run() -> Any:
            with torch.no_grad():
                return model.module(**_filled(call, tensors))

        def run_in_float64() -> Any:
            with float32_means_float64():
                return run()

        dtype = next(model.module.parameters()).dtype
        return run_in_float64 if dtype == torch.float64 else run

    def outputs(self, model: ComponentModel, result: Any) -> Arrays:  # noqa: ARG002 - the contract's
        """The tensors of an output, by their paths in it."""
        from transformers.exporters.utils import get_leaf_tensors

        return {path: tensor.numpy(force=True) for path, tensor in get_leaf_tensors(result).items()}

    @contextmanager
    def in_float64(self, model: ComponentModel) -> Iterator[ComponentModel]:
        """The module's own parameters, computing in float64 throughout."""
        with widened(model.module) as module:
            yield replace(model, module=module)

    def export(self, model: ComponentModel, job: Job, feeds: Arrays, path: Path) -> None:  # noqa: ARG002 - it is traced with the whole call
        """Write ``path`` and, beside it, the weights; inputs that nothing reads are left out.

        Raises:
            ExportError: when the exporter fails.
        """
        from transformers.exporters.exporter_onnx import OnnxConfig, OnnxExporter

        config = OnnxConfig(opset_version=job.case.opset, dynamic=True)
        try:
            exported = OnnxExporter().export(model.module, copy.deepcopy(model.calls[0]), config)
        except Exception as error:
            raise ExportError(f"OnnxExporter failed: {in_short(error)}") from error
        graph = exported.program.graph
        name_axes(graph, model.dynamic)
        drop_unread_inputs(graph)
        for value in graph.outputs:
            # named alike by all components: what one answers is what the next is given
            value.name = value.name.removeprefix("output.")
        OnnxExporter.save_program(exported.program, path)


def bare(name: str) -> str:
    """The path of an input's tensor among the arguments."""
    return name.removeprefix("input.")


def _call_like(model: ComponentModel, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The call whose tensors have the sizes of ``tensors``: what it holds beside them fits."""
    from transformers.exporters.utils import get_leaf_tensors

    for call in model.calls:
        leaves = get_leaf_tensors(call)
        if all(
            name in leaves and leaves[name].shape == tensor.shape
            for name, tensor in tensors.items()
        ):
            return call
    raise InputsError(f"{type(model.module).__name__} was never called with inputs of these sizes")


def _filled(call: Mapping[str, Any], tensors: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a call with other tensors in it."""
    filled: dict[str, Any] = copy.deepcopy(dict(call))
    for path, tensor in tensors.items():
        *steps, last = path.split(".")
        place: Any = filled
        for step in steps:
            if isinstance(place, Mapping):
                place = place[step]
            else:
                place = (
                    place[int(step)] if isinstance(place, list | tuple) else getattr(place, step)
                )
        if isinstance(place, dict):
            place[last] = tensor
        else:
            setattr(place, last, tensor)
    return filled
