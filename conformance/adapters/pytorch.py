"""PyTorch: modules, TorchScript and exported programs, by the dynamo or TorchScript exporter."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from conformance.adapters.causes import in_short
from conformance.adapters.contract import Arrays, Job
from conformance.adapters.pytorch_export import (
    EXPORT_MODULES,
    PyTorchConversion,
    arguments,
    check,
    options,
    tensors_of,
)
from conformance.adapters.pytorch_float64 import widened
from conformance.adapters.pytorch_modules import module_activations
from conformance.errors import ExportError, LoadError, ReferenceRunError
from conformance.model import AUTO, FrameworkInfo
from conformance.sources.factory import build
from conformance.sources.fetching import source_folder
from conformance.sources.local import model_path
from conformance.sources.torch_hub import from_torch_hub


@dataclass(frozen=True, slots=True)
class TorchModel:
    """A source model and how to call it."""

    #: What is exported: an nn.Module, a ScriptModule or an ExportedProgram.
    source: Any
    #: What runs: the source itself, or the module of an exported program.
    module: Any
    #: Names that the call accepts as keywords, in order; none where it takes positions only.
    parameters: tuple[str, ...]
    output_names: tuple[str, ...] | None
    float64: bool = False


class PyTorchAdapter:
    """See :class:`~conformance.adapters.contract.Adapter`."""

    info: ClassVar[FrameworkInfo] = FrameworkInfo(
        name="pytorch",
        exporters=("dynamo", "torchscript", AUTO),
        # what the dynamo exporter's operators are written for; others are converted to
        default_opset=18,
        opset_range=(9, 23),
        distributions=("torch", "onnxscript"),
        extra="pytorch",
        preload=(*EXPORT_MODULES, __name__),
        conversion=PyTorchConversion,
        # below 18, the dynamo exporter converts versions itself, and leaves 18 where it cannot
        exporter_opsets={"dynamo": (18, 23), "torchscript": (9, 20), AUTO: (18, 20)},
    )

    def load(self, job: Job) -> TorchModel:
        """Build or read the model; one intra-op thread for everything that follows."""
        import torch

        torch.set_num_threads(1)
        source = job.case.entry.source
        if source.factory is not None:
            model = build(source, job.zoo_dir)
        elif source.path is not None:
            model = _read(model_path(source.path, job.zoo_dir), allow_pickle=source.allow_pickle)
        elif source.torch_hub is not None:
            folder = source_folder(source, job.zoo_dir, job.cache_dir, offline=job.offline)
            model = from_torch_hub(source, folder)
        else:
            raise LoadError(
                f"PyTorch models come from factory, path or torch_hub, not {source.kind}"
            )
        return _callable(model, getattr(job.conversion, "output_names", None))

    def bind(self, model: TorchModel, feeds: Mapping[str, np.ndarray]) -> Callable[[], Any]:
        """Make tensors of ``feeds``, passed by keyword where the model knows their names."""
        import torch

        tensors = tensors_of(feeds)
        named = model.parameters and set(tensors) <= set(model.parameters)
        args = () if named else tuple(tensors.values())
        kwargs = tensors if named else {}
        default = torch.float64 if model.float64 else torch.float32

        def run() -> Any:
            before = torch.get_default_dtype()
            torch.set_default_dtype(default)
            try:
                with torch.no_grad():
                    return model.module(*args, **kwargs)
            finally:
                torch.set_default_dtype(before)

        return run

    def outputs(self, model: TorchModel, result: Any) -> Arrays:
        """Flatten whatever the model returned, in the order of the graph's outputs."""
        import torch

        leaves = _named_leaves(result)
        names = model.output_names or tuple(name for name, _ in leaves)
        if len(names) != len(leaves):
            raise ReferenceRunError(
                f"'output_names' gives {len(names)} names, the model returns {len(leaves)} tensors"
            )
        arrays: Arrays = {}
        for name, (_, leaf) in zip(names, leaves, strict=True):
            if not isinstance(leaf, torch.Tensor):
                raise ReferenceRunError(f"output '{name}' is a {type(leaf).__name__}, not a tensor")
            arrays[name] = _as_array(leaf.detach())
        return arrays

    @contextmanager
    def in_float64(self, model: TorchModel) -> Iterator[TorchModel]:
        """The model's own parameters in float64, run with float64 as default dtype."""
        with widened(model.module) as module:
            yield replace(model, module=module, float64=True)

    def activations(self, model: TorchModel, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """See :class:`~conformance.adapters.contract.KnowsModules`."""
        return module_activations(model.module, self.bind(model, feeds))

    def export(self, model: TorchModel, job: Job, feeds: Arrays, path: Path) -> None:
        """Export with the case's exporter; under dynamo, the weights lie beside ``path``."""
        import torch

        conversion = job.conversion
        if not isinstance(conversion, PyTorchConversion):
            raise ExportError(f"{type(conversion).__name__} is not a PyTorchConversion")
        check(conversion, model.source, job, feeds)
        names = list(self.outputs(model, self.bind(model, feeds)()))
        args, kwargs = arguments(conversion, model.parameters, job, feeds)
        try:
            torch.onnx.export(
                model.source,
                args,
                path,
                kwargs=kwargs or None,
                output_names=names,
                **options(conversion, job, feeds, by_name=bool(kwargs)),
            )
        except Exception as error:
            raise ExportError(
                f"the {job.case.exporter} exporter failed: {in_short(error)}"
            ) from error


def _read(path: Path, *, allow_pickle: bool) -> Any:
    import torch

    if not path.is_file():
        raise LoadError(f"there is no file '{path}'")
    if path.suffix not in (".pt2", ".pt", ".pth"):
        raise LoadError(f"'{path.name}' is none of .pt2, .pt, .pth")
    if path.suffix == ".pt2":
        return _exported(path, allow_pickle=allow_pickle)
    try:
        return torch.jit.load(path, map_location="cpu")
    except Exception as error:
        if not allow_pickle:
            raise LoadError(
                f"'{path.name}' is not TorchScript, and a pickle can run any code when it is "
                "loaded: save the model with torch.jit.save, build it in a factory, or set "
                "'allow_pickle: true' if you trust its author"
            ) from error
    return _unpickled(path)


def _exported(path: Path, *, allow_pickle: bool) -> Any:
    """An exported program; to load one is to run what is in it.

    torch 2.13 unpickles what its safe reader refuses, evaluates the text of symbolic sizes as
    Python, and loads compiled libraries from the archive.
    """
    import torch

    if not allow_pickle:
        raise LoadError(
            f"'{path.name}' is an exported program, of which torch unpickles and evaluates parts, "
            "so that it can run any code when it is loaded: build the model in a factory, or set "
            "'allow_pickle: true' if you trust its author"
        )
    try:
        return torch.export.load(path)
    except Exception as error:
        raise LoadError(
            f"'{path.name}' is no readable exported program: {in_short(error)}"
        ) from error


def _unpickled(path: Path) -> Any:
    import torch

    try:
        model = torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:
        raise LoadError(f"'{path.name}' cannot be unpickled: {in_short(error)}") from error
    if isinstance(model, Mapping):
        raise LoadError(
            f"'{path.name}' holds weights without their module: build the module in a factory "
            "that loads them"
        )
    return model


def _callable(model: Any, output_names: tuple[str, ...] | None) -> TorchModel:
    import torch

    if isinstance(model, torch.export.ExportedProgram):
        _, by_keyword = model.example_inputs
        return TorchModel(model, model.module(), tuple(by_keyword), output_names)
    if not isinstance(model, torch.nn.Module):
        raise LoadError(
            f"the source gave a {type(model).__name__}, not an nn.Module, a ScriptModule or an "
            "ExportedProgram"
        )
    model.eval()
    return TorchModel(model, model, _parameters(model), output_names)


def _parameters(module: Any) -> tuple[str, ...]:
    import torch

    if isinstance(module, torch.jit.ScriptModule):
        return tuple(argument.name for argument in module.forward.schema.arguments[1:])
    parameters = inspect.signature(module.forward).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return tuple(p.name for p in parameters if p.kind not in variadic)


def _named_leaves(result: Any) -> list[tuple[str, Any]]:
    """The tensors of a nested result: by their keys in mappings, else by number."""
    from torch.utils import _pytree as pytree

    flat, _ = pytree.tree_flatten_with_path(result)
    leaves = [(path, leaf) for path, leaf in flat if leaf is not None]
    return [
        (
            "_".join(str(step.key) for step in path)
            if path and all(isinstance(step, pytree.MappingKey) for step in path)
            else f"output_{number}",
            leaf,
        )
        for number, (path, leaf) in enumerate(leaves)
    ]


def _as_array(tensor: Any) -> np.ndarray:
    """A tensor as an array; of bfloat16 as one of ``ml_dtypes``, which torch does not know."""
    import torch

    if tensor.dtype != torch.bfloat16:
        array: np.ndarray = tensor.numpy()
        return array
    import ml_dtypes

    return np.asarray(tensor.contiguous().view(torch.int16).numpy()).view(ml_dtypes.bfloat16)
