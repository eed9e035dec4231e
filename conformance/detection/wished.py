"""A model's signature, changed to what the user wishes: inputs, dynamic axes, sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from conformance.detection.signature import Signature, axes_of
from conformance.detection.wishes import Wishes
from conformance.entry import TensorSpec
from conformance.zoo.suggest import choices


def apply_wishes(signature: Signature, wishes: Wishes) -> Signature:
    """Select the inputs, make the named axes dynamic and no others, and set sizes.

    Raises:
        ValueError: when a wish names an input or an axis that is not there.
    """
    inputs, sizes = dict(signature.inputs), dict(signature.sizes)
    if wishes.input_names:
        for name in wishes.input_names:
            _require("input", name, inputs)
        inputs = {name: inputs[name] for name in wishes.input_names}
    if wishes.dynamic:
        inputs, sizes = _with_axes(inputs, sizes, wishes.dynamic)
    axes = axes_of(inputs)
    for axis, given in wishes.sizes.items():
        _require("axis", axis, axes)
        sizes[axis] = given if len(given) > 1 else _including(given[0], sizes[axis])
    task = wishes.task or signature.task
    return replace(signature, inputs=inputs, sizes={a: sizes[a] for a in axes}, task=task)


def _with_axes(
    inputs: Mapping[str, TensorSpec],
    sizes: Mapping[str, tuple[int, ...]],
    dynamic: Mapping[str, Mapping[int, str]],
) -> tuple[dict[str, TensorSpec], dict[str, tuple[int, ...]]]:
    changed: dict[str, TensorSpec] = {}
    found: dict[str, tuple[int, ...]] = {}
    for name in dynamic:
        _require("input", name, inputs)
    for name, spec in inputs.items():
        shape: list[int | str] = []
        wanted = dynamic.get(name, {})
        for axis in wanted:
            if not 0 <= axis < len(spec.shape):
                raise ValueError(f"input '{name}' has {len(spec.shape)} axes, and no axis {axis}")
        for axis, size in enumerate(spec.shape):
            if axis not in wanted:
                shape.append(sizes[size][0] if isinstance(size, str) else size)
                continue
            label = wanted[axis]
            known = sizes[size] if isinstance(size, str) else (size, 2 * size)
            found.setdefault(label, known)
            shape.append(label)
        changed[name] = spec.model_copy(update={"shape": tuple(shape)})
    return changed, found


def _including(size: int, usual: tuple[int, ...]) -> tuple[int, ...]:
    """Sizes of the input sets with ``size`` among them.

    It is the traced one, unless it is 1, which torch.export would take for a constant.
    """
    others = [other for other in usual if other not in (1, size)]
    if size == 1:
        return (others[0], 1, *others[1:])
    return (size, *(others or [size + 1]))


def _require(what: str, name: str, known: Mapping[str, object] | list[str]) -> None:
    if name not in known:
        raise ValueError(f"the model has no {what} '{name}'{choices(name, list(known))}")
