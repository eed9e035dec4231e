"""``conformance.convert``: one model in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pydantic
from pydantic import JsonValue

from conformance.api.errors import OnnxConversionError
from conformance.detection import Wishes
from conformance.entry import TensorSpec
from conformance.locations import default_cache_dir
from conformance.single import Conversion, ConversionFailed, Listener, Place
from conformance.single import convert as convert_one


def convert(  # noqa: PLR0913 - the switches of the command, each by its name
    model: str | Path,
    out: str | Path,
    *,
    framework: str | None = None,
    exporter: str | None = None,
    opset: int | None = None,
    variant: str | None = None,
    provider: str | None = None,
    revision: str | None = None,
    task: str | None = None,
    inputs: Mapping[str, Mapping[str, Any] | TensorSpec] | None = None,
    sizes: Mapping[str, Sequence[int]] | None = None,
    conversion: Mapping[str, JsonValue] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    cache_dir: str | Path | None = None,
    offline: bool = False,
    seed: int = 0,
    keep_failed: bool = False,
    progress: Listener | None = None,
) -> Conversion:
    """Convert a model, prove it, and write ``model.onnx`` and ``certificate.json`` into ``out``.

    Args:
        model: a manifest (``file.yaml#id``), a local file or folder, a hub id ``org/name``, or
            a model of another place: ``modelscope:org/name``,
            ``kaggle:owner/model/framework/variation/version``,
            ``torch_hub:owner/name@commit#entrypoint``, or the address of a SavedModel's archive.
        out: new, empty, or a former conversion, which is replaced.
        framework: decides where a folder could be several models.
        exporter: of the framework; its first unless given.
        opset: of the default ONNX domain; the framework's own unless given.
        variant: form of the converted model, ``fp32`` unless given.
        provider: execution provider that it is proven on, ``cpu`` unless given.
        revision: branch, tag or commit of a repository, as ``@revision`` behind ``model``.
        task: what the model is for; decides which decisions are compared beside tensors.
        inputs: name to ``{"dtype": ..., "shape": [...]}`` as in a zoo file, for models that do
            not tell what they take.
        sizes: axis name to its size in each input set; the first is traced.
        conversion: parameters of the exporter, by its own names.
        allow_pickle: read formats that run code when they are loaded.
        trust_remote_code: run Python code that the model brings.
        cache_dir: of downloads and converted models.
        offline: use only what is kept.
        seed: of the generated inputs.
        keep_failed: write what there is though it is not proven.
        progress: called with a :class:`~conformance.single.Progressed` at each step.

    Raises:
        OnnxConversionError: when there is no proven model; its text names the stage.
        OutputRefused: when ``out`` is not to be written.
    """
    try:
        specs = {name: TensorSpec.model_validate(spec) for name, spec in (inputs or {}).items()}
    except pydantic.ValidationError as error:
        raise OnnxConversionError(f"'inputs': {error.errors()[0]['msg']}") from error
    wishes = Wishes(
        framework=framework,
        exporter=exporter,
        opset=opset,
        variant=variant,
        provider=provider,
        revision=revision,
        task=task,
        allow_pickle=allow_pickle,
        trust_remote_code=trust_remote_code,
        inputs=specs,
        sizes={axis: tuple(given) for axis, given in (sizes or {}).items()},
        conversion=conversion or {},
    )
    place = Place(
        cache_dir=Path(cache_dir) if cache_dir is not None else default_cache_dir(),
        offline=offline,
        seed=seed,
        keep_failed=keep_failed,
    )
    return proven(str(model), Path(out), wishes, place, progress)


def proven(
    model: str, out: Path, wishes: Wishes, place: Place, listener: Listener | None
) -> Conversion:
    """The engine's conversion, with the API's error.

    Raises:
        OnnxConversionError, OutputRefused: see :func:`convert`.
    """
    try:
        return convert_one(model, out, wishes, place, listener)
    except ConversionFailed as error:
        raise OnnxConversionError(str(error), error.certificate) from error
