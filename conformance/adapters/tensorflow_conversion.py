"""What a zoo entry may ask of the TensorFlow exporters, and how they are asked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field

from conformance.adapters.contract import Arrays, Job
from conformance.adapters.tensorflow_graph import (
    arrange,
    embed,
    fix_inputs,
    listed,
    refuse_leftovers,
    rename_outputs,
    save,
)
from conformance.adapters.tensorflow_lean import lean_tf2onnx
from conformance.adapters.tensorflow_sources import (
    TensorFlowModel,
    constants_captured,
    in_short,
    packed,
)
from conformance.entry import Conversion, Dtype, Strict, check_reference
from conformance.errors import ExportError
from conformance.sources.factory import load_reference

_Reference = Annotated[str, AfterValidator(check_reference)]
_Size = Annotated[int, Field(ge=0)] | None


class InputSpec(Strict):
    """One input of the traced graph."""

    name: str
    shape: tuple[_Size, ...]
    """Sizes; null stands for a dynamic axis."""
    dtype: Dtype = "float32"


class TensorFlowConversion(Conversion):
    """Parameters of ``tf2onnx``, by its own names."""

    input_signature: tuple[InputSpec, ...] | None = None
    """Names, shapes and dtypes of the inputs, by position, instead of the model's own."""
    opset: int | None = None
    """Must equal the case's opset, which ``opsets`` of the entry sets."""
    extra_opset: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Further operator domains that may be used, with their versions."""
    custom_ops: dict[str, str] = Field(default_factory=dict)
    """TensorFlow operator to the domain in which it is kept under its own name."""
    custom_op_handlers: dict[str, _Reference] = Field(default_factory=dict)
    """TensorFlow operator to the function ``(ctx, node, name, args)`` that converts it."""
    custom_rewriter: tuple[_Reference, ...] = ()
    """Functions ``(graph, nodes)`` that rewrite the graph and return its nodes."""
    shape_override: dict[str, tuple[_Size, ...]] = Field(default_factory=dict)
    """Tensor of the frozen graph, such as ``images:0``, to the shape that it has."""
    large_model: bool = False
    """Keep the weights in a file beside the model, as models above 2 GB must."""


def signature_of(conversion: Conversion) -> list[Any] | None:
    """``input_signature`` as TensorFlow takes it."""
    import tensorflow as tf

    given = conversion_of(conversion).input_signature
    if given is None:
        return None
    return [tf.TensorSpec(spec.shape, spec.dtype, name=spec.name) for spec in given]


def conversion_of(conversion: Conversion) -> TensorFlowConversion:
    """``conversion``, which must be this framework's.

    Raises:
        ExportError: when it is not.
    """
    if not isinstance(conversion, TensorFlowConversion):
        raise ExportError(f"{type(conversion).__name__} is not a TensorFlowConversion")
    return conversion


def convert(model: TensorFlowModel, job: Job, feeds: Arrays, path: Path) -> None:
    """Export with the case's exporter, and put names and order as the source has them.

    Raises:
        ExportError: when the exporter fails, leaves out a part of the model, or cannot do
            what the entry asks.
    """
    conversion = conversion_of(job.conversion)
    if conversion.opset not in (None, job.case.opset):
        raise ExportError(
            f"'conversion: opset' is {conversion.opset}, but this case is for opset "
            f"{job.case.opset}: set 'opsets' of the entry instead"
        )
    specs = _specs(model, job, feeds)
    by_keras = job.case.exporter == "keras"
    with _errors_logged() as errors, lean_tf2onnx():
        try:
            if by_keras:
                proto = _by_keras(model, conversion, specs, job.case.opset, path)
            else:
                proto = _by_tf2onnx(model, conversion, specs, job)
        except ExportError:
            raise
        except Exception as error:
            raise ExportError(
                f"{job.case.exporter} cannot convert the model: {in_short(error)}{listed(errors)}"
            ) from error
    refuse_leftovers(proto, errors)
    if by_keras:
        rename_outputs(proto, model.outputs)
    arrange(proto, list(feeds), list(model.outputs), job.case.entry.dynamic_axes())
    save(proto, path, external=conversion.large_model)


def _specs(model: TensorFlowModel, job: Job, feeds: Arrays) -> list[Any]:
    """The inputs to trace: of any size on the dynamic axes, elsewhere as in ``feeds``."""
    import tensorflow as tf

    if (given := signature_of(job.conversion)) is not None:
        return given
    dynamic = job.case.entry.dynamic_axes()
    return [
        tf.TensorSpec(
            [
                None if axis in dynamic.get(spec.name, {}) else size
                for axis, size in enumerate(feeds[spec.name].shape)
            ],
            spec.dtype,
            name=spec.name,
        )
        for spec in model.inputs
    ]


def _by_tf2onnx(
    model: TensorFlowModel, conversion: TensorFlowConversion, specs: list[Any], job: Job
) -> Any:
    import tensorflow as tf
    from onnx import helper
    from tf2onnx import convert as tf2onnx

    def by_name(*tensors: Any) -> dict[str, Any]:
        return dict(zip(model.outputs, model.call(*tensors), strict=True))

    def loaded(reference: str) -> Callable[..., Any]:
        function: Callable[..., Any] = load_reference(reference, job.zoo_dir)
        return function

    function = tf.function(by_name, input_signature=specs)
    with _numpy_product():
        proto, storage = tf2onnx.from_function(
            function,
            input_signature=specs,
            opset=job.case.opset,
            extra_opset=[helper.make_opsetid(*pair) for pair in conversion.extra_opset.items()],
            custom_ops=conversion.custom_ops or None,
            custom_op_handlers={
                op: (loaded(handler), []) for op, handler in conversion.custom_op_handlers.items()
            },
            custom_rewriter=[loaded(rewriter) for rewriter in conversion.custom_rewriter],
            shape_override={
                tensor: list(shape) for tensor, shape in conversion.shape_override.items()
            },
            large_model=conversion.large_model,
        )
    if storage is not None:
        embed(proto, storage.name_to_tensor_data)
    fix_inputs(proto, constants_captured(function.get_concrete_function()))
    return proto


def _by_keras(
    model: TensorFlowModel,
    conversion: TensorFlowConversion,
    specs: list[Any],
    opset: int,
    path: Path,
) -> Any:
    import keras
    import onnx

    if not isinstance(model.loaded, keras.Model):
        raise ExportError("exporter 'keras' converts Keras models only: use 'tf2onnx'")
    asked = conversion.model_dump(exclude_defaults=True, exclude={"input_signature", "opset"})
    if asked:
        raise ExportError(
            f"exporter 'keras' does not take {', '.join(asked)}: use 'tf2onnx', which does"
        )
    structure = packed(model.loaded, specs, specs)
    model.loaded.export(
        str(path),
        format="onnx",
        verbose=False,
        opset_version=opset,
        input_signature=[structure],
    )
    return onnx.load(path)


@contextmanager
def _errors_logged() -> Iterator[list[str]]:
    """Collect what tf2onnx reports as errors: it logs them and goes on."""
    found: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage().strip().partition("\n")[0]
            cause = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
            found.append(text if cause is None else f"{text} ({cause})")

    collector = Collector(level=logging.ERROR)
    logger = logging.getLogger("tf2onnx")
    logger.addHandler(collector)
    try:
        yield found
    finally:
        logger.removeHandler(collector)


@contextmanager
def _numpy_product() -> Iterator[None]:
    """Offer ``numpy.product``, which tf2onnx 1.17 calls for large models and numpy 2 lacks."""
    name = "product"
    if hasattr(np, name):
        yield
        return
    setattr(np, name, np.prod)
    try:
        yield
    finally:
        delattr(np, name)
