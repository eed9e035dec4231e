"""``conversion_config`` dictionaries, turned into what the engine goes by.

A configuration has the keys ``model_type``, ``opset_version``, ``input_shapes``,
``input_names``, ``output_names`` and ``dynamic_axes``. What it leaves out comes from the model,
by its architecture: :data:`ARCHITECTURES` names the families and their usual axes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from conformance.api.errors import OnnxConversionError
from conformance.detection import Wishes
from conformance.zoo.suggest import choices

KEYS = (
    "model_type",
    "opset_version",
    "input_shapes",
    "input_names",
    "output_names",
    "dynamic_axes",
)


@dataclass(frozen=True, slots=True)
class Architecture:
    """A family of models: what it takes, and what its axes are called elsewhere."""

    #: As configurations name it.
    model_type: str
    inputs: tuple[str, ...]
    #: Usual name of a size to the axis that it is here; None for what the model fixes itself.
    axes: Mapping[str, str | None]


_TEXT: dict[str, str | None] = {"batch_size": "batch", "sequence_length": "tokens"}
_FIXED: dict[str, str | None] = {
    "channels": None,
    "num_channels": None,
    "height": None,
    "width": None,
    "image_size": None,
}
_MASKED = ("input_ids", "attention_mask")

#: By model type; others are found out from the model itself.
ARCHITECTURES: dict[str, Architecture] = {
    each.model_type: each
    for each in (
        Architecture("bert", (*_MASKED, "token_type_ids"), _TEXT),
        Architecture(
            "t5", (*_MASKED, "decoder_input_ids"), {**_TEXT, "decoder_sequence_length": "target"}
        ),
        Architecture("gpt2", _MASKED, _TEXT),
        Architecture("vit", ("pixel_values",), {"batch_size": "batch", **_FIXED}),
        Architecture(
            "clip",
            ("input_ids", "pixel_values", "attention_mask"),
            {"batch_size": "texts", "image_batch_size": "images", "sequence_length": "tokens"}
            | _FIXED,
        ),
        Architecture("clip_text_model", _MASKED, _TEXT),
        Architecture("clip_vision_model", ("pixel_values",), {"batch_size": "batch", **_FIXED}),
        Architecture(
            "whisper",
            ("input_features", "decoder_input_ids"),
            {
                "batch_size": "batch",
                "decoder_sequence_length": "target",
                "feature_size": None,
                "sequence_length": None,
            },
        ),
        Architecture(
            "wav2vec2", ("input_values",), {"batch_size": "batch", "sequence_length": "samples"}
        ),
    )
}
#: Names under which configurations know some of them.
_ALIASES = {"gpt-2": "gpt2", "clip_text": "clip_text_model", "clip_vision": "clip_vision_model"}


def wishes_of(config: Mapping[str, Any] | None, wishes: Wishes | None = None) -> Wishes:
    """What a ``conversion_config`` asks for.

    Args:
        config: see the module.
        wishes: what is asked for beside it.

    Raises:
        OnnxConversionError: for unknown keys, and for values that cannot be met.
    """
    from dataclasses import replace

    config, wishes = config or {}, wishes or Wishes()
    for key in config:
        if key not in KEYS:
            raise OnnxConversionError(f"'conversion_config' has no key '{key}'{choices(key, KEYS)}")
    try:
        dynamic = _dynamic(config.get("dynamic_axes") or {}, config.get("output_names") or ())
        conversion: dict[str, JsonValue] = dict(wishes.conversion)
        if config.get("output_names"):
            conversion["output_names"] = [str(name) for name in config["output_names"]]
        return replace(
            wishes,
            opset=config.get("opset_version") or wishes.opset,
            input_names=tuple(config.get("input_names") or ()),
            dynamic=dynamic,
            sizes=_sizes(config, dynamic),
            conversion=conversion,
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise OnnxConversionError(f"'conversion_config': {error}") from error


def _dynamic(axes: Mapping[str, Any], outputs: Any) -> dict[str, dict[int, str]]:
    """The dynamic axes of the inputs; those of outputs follow from them."""
    found = {}
    for name, given in axes.items():
        if name in outputs:
            continue
        numbered = given if isinstance(given, Mapping) else {i: f"{name}_{i}" for i in given}
        found[str(name)] = {int(axis): str(label) for axis, label in numbered.items()}
    return found


def _sizes(
    config: Mapping[str, Any], dynamic: Mapping[str, Mapping[int, str]]
) -> dict[str, tuple[int, ...]]:
    """Sizes of the axes that ``input_shapes`` names, by their names in the model."""
    model_type = str(config.get("model_type") or "")
    family = ARCHITECTURES.get(_ALIASES.get(model_type, model_type))
    usual = family.axes if family is not None else {**_TEXT, **_FIXED}
    renamed = {label for named in dynamic.values() for label in named.values()}
    sizes: dict[str, tuple[int, ...]] = {}
    for name, size in (config.get("input_shapes") or {}).items():
        axis = name if name in renamed else usual.get(name, name)
        if axis is not None and (not dynamic or axis in renamed):
            sizes[axis] = (int(size),)
    return sizes
