"""Hugging Face Transformers models, exported by ``transformers.exporters.OnnxExporter``.

The exporter traces with ``torch.export`` under patches of its own for what ONNX cannot
express, scaled dot product attention among them; models therefore keep the attention that
transformers chooses for them (SDPA where they have it), in the source and in the export.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from conformance.adapters.causes import in_short
from conformance.adapters.contract import Arrays, Components, Job
from conformance.adapters.pytorch_export import EXPORT_MODULES
from conformance.adapters.pytorch_float64 import float32_means_float64, widened
from conformance.adapters.pytorch_modules import module_activations
from conformance.adapters.transformers_generation import FEWEST_TOKENS, components_of
from conformance.adapters.transformers_graph import name_axes
from conformance.adapters.transformers_torchscript import export_torchscript
from conformance.entry import Conversion, Strict
from conformance.errors import ExportError, InputsError, LoadError, ReferenceRunError
from conformance.model import AUTO, FrameworkInfo
from conformance.sources.factory import build
from conformance.sources.fetching import source_folder
from conformance.sources.pretrained import from_architecture, from_folder
from conformance.zoo.suggest import did_you_mean


class Generation(Strict):
    """What is generated."""

    max_new_tokens: Annotated[int, Field(ge=FEWEST_TOKENS)] = 20
    """How many tokens each prompt is continued by, always by the best one."""
    decoder_start_token_id: int | None = None
    """The token that a decoder behind an encoder begins with, where the model does not say."""


class TransformersConversion(Conversion):
    """Parameters of a Transformers export, by the names that ``torch.onnx.export`` uses."""

    opset_version: int | None = None
    """Must equal the case's opset, which ``opsets`` of the entry sets."""
    output_names: tuple[str, ...] | None = None
    """Names for the graph's outputs, in order, instead of those of the model's output."""
    dynamic_axes: dict[str, dict[Annotated[int, Field(ge=0)], str]] = Field(default_factory=dict)
    """Axes to keep dynamic beside those of ``dynamic`` and ``inputs.spec``."""
    do_constant_folding: bool = True
    """Run the graph optimiser, which folds constants and removes dead code."""
    generation: Generation | None = None
    """Convert the components by which the model generates, and compare the texts; the inputs are
    prompts, as ``generate`` takes them."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model and the names its entry wants for the outputs."""

    module: Any
    output_names: tuple[str, ...] | None


class TransformersAdapter:
    """Proves ``PreTrainedModel`` classes; inputs are the keyword arguments of ``forward``."""

    info: ClassVar[FrameworkInfo] = FrameworkInfo(
        name="transformers",
        exporters=("dynamo", "torchscript", AUTO),
        default_opset=18,
        opset_range=(18, 23),
        distributions=("torch", "onnxscript", "transformers", "huggingface-hub"),
        extra="transformers",
        preload=(
            *EXPORT_MODULES,
            "transformers",
            "transformers.modeling_utils",
            "conformance.adapters.transformers_patched",
            __name__,
        ),
        conversion=TransformersConversion,
        exporter_opsets={"torchscript": (18, 20), AUTO: (18, 20)},
    )

    def load(self, job: Job) -> LoadedModel:
        """Build or read the model, in fp32 and inference mode, on one thread.

        A decoder's cache is switched off, unless the entry's ``config`` sets ``use_cache``:
        a plain forward pass has no use for it, and its tensors would all be outputs.

        Raises:
            LoadError: when the source names no model that can be loaded.
            InfraError: when the hub cannot be reached.
        """
        import torch
        from transformers.utils import logging

        logging.disable_progress_bar()
        torch.set_num_threads(1)
        source = job.case.entry.source
        if source.architecture is not None:
            module = from_architecture(source)
        elif source.kind in {"path", "hub", "modelscope"}:
            module = from_folder(
                source_folder(source, job.zoo_dir, job.cache_dir, offline=job.offline),
                allow_pickle=source.allow_pickle,
                run_code=source.trust_remote_code,
            )
        elif source.kind in {"torch_hub", "kaggle", "url"}:
            raise LoadError(
                "Transformers models come from factory, path, hub, modelscope or architecture, "
                f"not {source.kind}"
            )
        else:
            module = _from_factory(job)
        conversion = _conversion(job)
        if conversion.generation is None and "use_cache" not in source.config:
            _without_cache(module)
        return LoadedModel(module.eval(), conversion.output_names)

    def bind(self, model: LoadedModel, feeds: Mapping[str, np.ndarray]) -> Callable[[], Any]:
        """Return a call of ``forward`` with ``feeds`` as keyword arguments.

        Raises:
            InputsError: when ``forward`` does not take one of them.
        """
        import torch

        module = model.module
        _check_names(module, feeds)
        inputs = _tensors(feeds)
        if module.dtype == torch.float64:

            def run_in_float64() -> Any:
                with torch.no_grad(), float32_means_float64():
                    return module(**inputs)

            return run_in_float64

        def run() -> Any:
            # not inference_mode: what a model keeps of such a run cannot be exported
            with torch.no_grad():
                return module(**inputs)

        return run

    def outputs(self, model: LoadedModel, result: Any) -> Arrays:
        """The tensors of a model output, named by their path in it, as the exporter does.

        Raises:
            ReferenceRunError: when ``output_names`` does not name each of them.
        """
        from transformers.exporters.utils import get_leaf_tensors

        leaves = get_leaf_tensors(result)
        names = model.output_names or tuple(leaves)
        if len(names) != len(leaves):
            raise ReferenceRunError(
                f"'output_names' gives {len(names)} names, but the model has "
                f"{len(leaves)} outputs: {', '.join(leaves)}"
            )
        return {
            name: tensor.numpy(force=True)
            for name, tensor in zip(names, leaves.values(), strict=True)
        }

    @contextmanager
    def in_float64(self, model: LoadedModel) -> Iterator[LoadedModel]:
        """The model's own parameters, computing in float64 throughout.

        See :func:`float32_means_float64`.
        """
        with widened(model.module) as module:
            if module._can_set_experts_implementation():  # noqa: SLF001 - has no public name
                # the default, a grouped product, has no float64 kernel
                module.set_experts_implementation("eager")
            yield replace(model, module=module)

    def architecture(self, model: LoadedModel) -> str:
        """See :class:`~conformance.adapters.contract.KnowsArchitecture`."""
        return type(model.module).__name__

    def components(self, model: LoadedModel, job: Job, sets: list[Arrays]) -> Components | None:
        """See :class:`~conformance.adapters.contract.Generates`.

        Raises:
            ExportError: when the model does not generate, not in a way that can be taken apart, or
                another exporter than dynamo is asked for.
            InputsError: when there is only one batch of prompts.
        """
        generation = _conversion(job).generation
        if generation is None:
            return None
        if job.case.exporter != "dynamo":
            raise ExportError(
                f"components are exported by dynamo only: leave out '{job.case.exporter}', or "
                "'generation'"
            )
        if not model.module.can_generate():
            raise ExportError(f"{type(model.module).__name__} has no generate()")
        if generation.decoder_start_token_id is not None:
            start = generation.decoder_start_token_id
            model.module.generation_config.decoder_start_token_id = start
        return components_of(model.module, job, sets, generation.max_new_tokens)

    def activations(self, model: LoadedModel, feeds: Mapping[str, np.ndarray]) -> Arrays:
        """See :class:`~conformance.adapters.contract.KnowsModules`."""
        return module_activations(model.module, self.bind(model, feeds))

    def export(self, model: LoadedModel, job: Job, feeds: Arrays, path: Path) -> None:
        """Write ``path`` and, beside it, the weights as external data.

        Raises:
            ExportError: when the exporter fails, or ``conversion`` contradicts the entry.
        """
        import torch
        from transformers.exporters.exporter_onnx import OnnxConfig, OnnxExporter

        conversion = _conversion(job)
        if conversion.opset_version not in (None, job.case.opset):
            raise ExportError(
                f"'opset_version' is {conversion.opset_version}, the case has opset "
                f"{job.case.opset}: set the entry's 'opsets' instead"
            )
        axes = _merged(job.case.entry.dynamic_axes(), conversion.dynamic_axes)
        if unknown := sorted(axes.keys() - feeds.keys()):
            raise ExportError(f"'dynamic_axes' names '{unknown[0]}'; inputs are {list(feeds)}")
        if job.case.exporter == "torchscript":
            export_torchscript(
                model.module,
                _tensors(feeds),
                path,
                output_names=list(self.outputs(model, self.bind(model, feeds)())),
                axes=axes,
                opset=job.case.opset,
                fold_constants=conversion.do_constant_folding,
            )
            return
        config = OnnxConfig(
            opset_version=job.case.opset,
            optimize=conversion.do_constant_folding,
            # AUTO: an axis that the trace pins down is named by the check of the file
            dynamic_shapes={
                name: dict.fromkeys(axes.get(name, {}), torch.export.Dim.AUTO) for name in feeds
            },
        )
        try:
            program = OnnxExporter().export(model.module, _tensors(feeds), config).program
        except Exception as error:
            raise ExportError(f"OnnxExporter failed: {in_short(error)}") from error
        name_axes(program.graph, axes)
        for value, name in zip(program.graph.outputs, model.output_names or (), strict=False):
            value.name = name
        OnnxExporter.save_program(program, path)


def _conversion(job: Job) -> TransformersConversion:
    if not isinstance(job.conversion, TransformersConversion):
        raise TypeError(f"got {type(job.conversion).__name__}, not TransformersConversion")
    return job.conversion


def _from_factory(job: Job) -> Any:
    import transformers

    model = build(job.case.entry.source, job.zoo_dir)
    if not isinstance(model, transformers.PreTrainedModel):
        raise LoadError(
            f"factory '{job.case.entry.source.factory}' returned a {type(model).__name__}, not a "
            "PreTrainedModel: use framework 'pytorch' for other modules"
        )
    return model


def _without_cache(model: Any) -> None:
    # a decoder inside a model may hold a configuration of its own
    for module in model.modules():
        config: Any = getattr(module, "config", None)
        if getattr(config, "use_cache", False):
            config.use_cache = False


def _check_names(module: Any, feeds: Mapping[str, np.ndarray]) -> None:
    """Refuse names that ``forward`` would swallow with ``**kwargs`` and ignore."""
    known = inspect.signature(module.forward).parameters
    for name in feeds:
        if name not in known:
            raise InputsError(
                f"{type(module).__name__} takes no input '{name}'{did_you_mean(name, known)}"
            )


def _tensors(feeds: Mapping[str, np.ndarray]) -> dict[str, Any]:
    import torch

    return {name: torch.tensor(array) for name, array in feeds.items()}


def _merged(
    first: Mapping[str, Mapping[int, str]], second: Mapping[str, Mapping[int, str]]
) -> dict[str, dict[int, str]]:
    return {name: {**first.get(name, {}), **second.get(name, {})} for name in {**first, **second}}
