"""TensorFlow models of every form, brought into one: inputs and outputs by name.

A Keras model, a SavedModel, a ``tf.function`` and a ``tf.Module`` differ in how they are
called and in what they return. :class:`TensorFlowModel` hides that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.errors import LoadError
from conformance.redaction import hide_secrets

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_KERAS_FILES = (".keras", ".h5", ".hdf5")


@dataclass(frozen=True, slots=True)
class TensorFlowModel:
    """A model as a function of tensors by position, with names for what goes in and out."""

    #: ``tf.TensorSpec`` of each input, named; None stands for an axis of any size.
    inputs: tuple[Any, ...]
    outputs: tuple[str, ...]
    #: To be traced: takes one tensor per input, returns a list with one per output.
    call: Callable[..., list[Any]]
    #: ``call``, traced for :attr:`inputs`.
    run: Callable[..., list[Any]]
    #: What the source gave: it keeps the variables alive, which a function does not.
    loaded: Any


def packed(model: Any, specs: Sequence[Any], tensors: Sequence[Any]) -> Any:
    """``tensors`` in the structure in which a Keras model takes its inputs.

    That is the model's own where it tells it, else one tensor, or a mapping by name.
    """
    import keras

    if getattr(model, "inputs", None) is not None and not isinstance(model, keras.Sequential):
        return keras.tree.pack_sequence_as(model.input, tensors)
    by_name = {spec.name: tensor for spec, tensor in zip(specs, tensors, strict=True)}
    return by_name if len(by_name) > 1 else tensors[0]


def read(path: Path, *, run_code: bool) -> Any:
    """Read a Keras file or a SavedModel folder.

    Args:
        path: ``.keras``, ``.h5`` or ``.hdf5`` file, or a folder with ``saved_model.pb``.
        run_code: let a Keras file bring Python code, as Lambda layers do.

    Raises:
        LoadError: when there is no such thing, or it cannot be read.
    """
    import keras
    import tensorflow as tf

    if not path.exists():
        raise LoadError(f"there is no file or folder '{path}'")
    if path.is_dir() and not (path / "saved_model.pb").is_file():
        raise LoadError(f"folder '{path}' is no SavedModel: it holds no saved_model.pb")
    if path.is_file() and path.suffix not in _KERAS_FILES:
        raise LoadError(
            f"'{path.name}' is none of {', '.join(_KERAS_FILES)}, nor a SavedModel folder"
        )
    try:
        if path.is_dir():
            return tf.saved_model.load(str(path))
        return keras.models.load_model(path, compile=False, safe_mode=not run_code)
    except Exception as error:
        text = in_short(error)
        hint = ""
        if not run_code and "ambda" in text:
            hint = "; set 'allow_pickle: true' if you trust the author of its code"
        raise LoadError(f"'{path.name}' cannot be read: {text}{hint}") from error


def as_model(loaded: Any, signature: Sequence[Any] | None) -> TensorFlowModel:
    """Bring what a source gave into one form.

    Args:
        loaded: a Keras model, a loaded SavedModel, a ``tf.function``, a ``ConcreteFunction``
            or a ``tf.Module`` with a ``__call__`` that is a ``tf.function``.
        signature: ``tf.TensorSpec`` of each input, by position; replaces the model's own.

    Raises:
        LoadError: when it is something else, tells no signature, or cannot be traced.
    """
    import keras

    if isinstance(loaded, keras.Model):
        return _from_keras(loaded, signature)
    return _from_function(loaded, signature)


def _from_keras(model: Any, signature: Sequence[Any] | None) -> TensorFlowModel:
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        raise LoadError(
            f"Keras runs on '{keras.backend.backend()}' here: set KERAS_BACKEND=tensorflow"
        )
    structured = getattr(model, "inputs", None) is not None
    if not structured and signature is None:
        raise LoadError(
            f"{type(model).__name__} does not tell its inputs: build it from keras.Input, "
            "or give 'conversion: input_signature'"
        )
    specs = signature or [
        tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.name) for tensor in model.inputs
    ]
    if structured and len(specs) != len(model.inputs):
        raise LoadError(
            f"'input_signature' gives {len(specs)} inputs, the model has {len(model.inputs)}"
        )
    layers = getattr(model, "output_names", ())
    if isinstance(model, keras.Sequential):
        layers = (model.layers[-1].name,)
    return _traced(
        lambda *tensors: model(packed(model, specs, tensors), training=False), specs, layers, model
    )


def _function_of(loaded: Any) -> Any:
    """The function in a SavedModel or module, or the function that ``loaded`` is."""
    import tensorflow as tf

    signatures: Mapping[str, Any] | None = getattr(loaded, "signatures", None)
    if signatures:
        if "serving_default" in signatures:
            return signatures["serving_default"]
        if len(signatures) == 1:
            return next(iter(signatures.values()))
        raise LoadError(
            f"the SavedModel has signatures {', '.join(sorted(signatures))}, and none of them "
            "is 'serving_default': return the one to convert from a factory"
        )
    found = loaded
    if isinstance(loaded, tf.Module) and not isinstance(loaded, tf.types.experimental.Callable):
        found = getattr(loaded, "__call__", None)  # noqa: B004 - the tf.function itself is wanted
    if isinstance(found, tf.types.experimental.Callable):
        return found
    raise LoadError(
        f"the source gave a {type(loaded).__name__}: it must give a Keras model, a SavedModel "
        "with signatures, a tf.function, a tf.Module whose __call__ is a tf.function, or the "
        "path of a Keras file or SavedModel folder"
    )


def _from_function(loaded: Any, signature: Sequence[Any] | None) -> TensorFlowModel:
    import tensorflow as tf

    concrete = function = _function_of(loaded)
    if not isinstance(function, tf.types.experimental.ConcreteFunction):
        if function.input_signature is None and signature is None:
            raise LoadError(
                "the tf.function has no signature: give it one with "
                "@tf.function(input_signature=[...]), or give 'conversion: input_signature'"
            )
        try:
            given = signature if function.input_signature is None and signature else ()
            concrete = function.get_concrete_function(*given)
        except Exception as error:
            raise LoadError(_cannot_trace(error)) from error
    args, kwargs = concrete.structured_input_signature
    keywords = sorted(kwargs)
    own = [*tf.nest.flatten(args), *(kwargs[keyword] for keyword in keywords)]
    if not all(isinstance(spec, tf.TensorSpec) for spec in own):
        raise LoadError("the function takes inputs other than dense tensors")
    specs = signature or own
    if len(specs) != len(own):
        raise LoadError(f"'input_signature' gives {len(specs)} inputs, the model has {len(own)}")

    def call(*tensors: Any) -> Any:
        count = len(own) - len(keywords)
        positional = tf.nest.pack_sequence_as(args, tensors[:count])
        returned = function(*positional, **dict(zip(keywords, tensors[count:], strict=True)))
        if function is concrete and isinstance(returned, Mapping):
            # a signature that was loaded returns its outputs in another order every time
            return {key: returned[key] for key in sorted(returned)}
        return returned

    return _traced(call, specs, (), loaded)


def _traced(
    call: Callable[..., Any], specs: Sequence[Any], layers: Sequence[str], loaded: Any
) -> TensorFlowModel:
    """Trace ``call``, and learn the names of its outputs: keys, fields or layers."""
    import tensorflow as tf

    names: tuple[str, ...] = ()

    def flat(*tensors: Any) -> list[Any]:
        nonlocal names
        returned = call(*tensors)
        if isinstance(returned, Mapping):
            names = tuple(str(key) for key in returned)
            return list(returned.values())
        leaves = list(returned) if isinstance(returned, list | tuple) else [returned]
        names = getattr(returned, "_fields", tuple(layers))
        if len(set(names)) != len(leaves):
            names = tuple(f"output_{i}" for i in range(len(leaves)))
        return leaves

    try:
        run = tf.function(flat, input_signature=list(specs)).get_concrete_function()
    except Exception as error:
        raise LoadError(_cannot_trace(error)) from error
    if not all(tf.is_tensor(leaf) for leaf in run.structured_outputs):
        raise LoadError("the model returns more than a flat structure of tensors")
    return TensorFlowModel(tuple(specs), names, flat, run, loaded)


def constants_captured(concrete: Any) -> dict[str, Any]:
    """The eager tensors that a function reads from outside, by their names in its graph.

    TensorFlow treats them as further inputs; to us they are a part of the model.
    """
    import tensorflow as tf

    return {
        inner.name: outer
        for outer, inner in concrete.graph.captures
        if outer.dtype not in (tf.resource, tf.variant)
    }


def _cannot_trace(error: Exception) -> str:
    return f"TensorFlow cannot trace the model: {in_short(error)}"


def in_short(error: Exception) -> str:
    """Kind and text of an error without the traceback that TensorFlow puts into the text."""
    lines = [
        line.strip()
        for line in hide_secrets(_ANSI.sub("", str(error))).splitlines()
        if line.strip()
    ]
    frames = [i for i, line in enumerate(lines) if line.startswith('File "')]
    if frames and lines[frames[-1] + 2 :]:
        lines = lines[frames[-1] + 2 :]
    return f"{type(error).__name__}: {' '.join(lines)[:300]}"
