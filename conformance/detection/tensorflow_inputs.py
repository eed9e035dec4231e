"""Inputs of a TensorFlow model, from the signature that it was saved with."""

from __future__ import annotations

from typing import Any, get_args

from conformance.detection.signature import Signature, default_sizes
from conformance.entry import Dtype, TensorSpec
from conformance.errors import InputsError

#: Sizes of a free height or width of an image.
_SPATIAL = ((40, 56, 33), (48, 64, 71))
_IMAGE_RANK = 4


def tensorflow_signature(model: Any) -> Signature:
    """What a :class:`~conformance.adapters.tensorflow_sources.TensorFlowModel` takes.

    Raises:
        InputsError: when an input's rank or dtype is not one that can be drawn.
    """
    inputs: dict[str, TensorSpec] = {}
    spatial: dict[str, tuple[int, ...]] = {}
    told = []
    highest = _vocabulary(model.loaded)
    for spec in model.inputs:
        dtype = spec.dtype.name
        if spec.shape.rank is None or dtype not in get_args(Dtype) or dtype == "string":
            raise InputsError(
                f"input '{spec.name}' of the model is {dtype} of rank {spec.shape.rank}: say what "
                f"to draw, as --input {spec.name}=float32[batch,8]"
            )
        shape = [_axis(spec.name, axis, size) for axis, size in enumerate(spec.shape)]
        drawn: dict[str, Any] = {}
        if spec.dtype.is_integer:
            drawn = {"low": 0, "high": highest or 2}
            why = "its embedding's rows" if highest else "nothing tells how many values there are"
            told.append(f"input '{spec.name}': integers below {drawn['high']} ({why})")
        inputs[spec.name] = TensorSpec.model_validate({"dtype": dtype, "shape": shape, **drawn})
        if len(shape) == _IMAGE_RANK:
            free = [size for size in shape[1:] if isinstance(size, str)]
            spatial |= dict(zip(free, _SPATIAL, strict=False))
    sizes = default_sizes(inputs) | spatial
    kind = type(model.loaded).__name__
    about = (f"{kind}: inputs as its signature says", *told)
    return Signature(inputs, sizes, told=about)


def _axis(name: str, axis: int, size: int | None) -> int | str:
    if size is not None:
        return int(size)
    return "batch" if axis == 0 else f"{_word(name)}_{axis}"


def _word(name: str) -> str:
    word = "".join(c if c.isalnum() and c.isascii() else "_" for c in name)
    return word if word[:1].isalpha() else f"input_{word}"


def _vocabulary(loaded: Any) -> int | None:
    """Rows of the smallest embedding of a Keras model; None where there is none to be seen."""
    import keras

    if not isinstance(loaded, keras.Model):
        return None
    rows = [
        int(layer.input_dim)
        for layer in loaded._flatten_layers()  # noqa: SLF001 - `layers` stops at nested models
        if isinstance(layer, keras.layers.Embedding)
    ]
    return min(rows, default=None)
