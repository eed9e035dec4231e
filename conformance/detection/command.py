"""Wishes, written as the switches of ``conformance convert``: how a conversion is repeated."""

from __future__ import annotations

import shlex
from decimal import Decimal

from conformance.detection.wishes import Wishes
from conformance.entry import TensorSpec

_NAMED = ("framework", "exporter", "opset", "variant", "provider", "revision", "task")
_FLAGS = ("allow_pickle", "trust_remote_code")


def convert_command(model: str, wishes: Wishes, seed: int) -> str:
    """The command that converts ``model`` in the same way again.

    What only the Python API can wish for, such as parameters of the exporter, has no switch.
    """
    words = ["conformance", "convert", model, "-o", "OUT"]
    for name in _NAMED:
        if (value := getattr(wishes, name)) is not None:
            words += [f"--{name}", str(value)]
    for name, spec in wishes.inputs.items():
        words += ["--input", f"{name}={input_text(spec)}"]
    for axis, sizes in wishes.sizes.items():
        words += ["--size", f"{axis}={','.join(map(str, sizes))}"]
    words += [f"--{name.replace('_', '-')}" for name in _FLAGS if getattr(wishes, name)]
    if seed:
        words += ["--seed", str(seed)]
    return shlex.join(words)


def input_text(spec: TensorSpec) -> str:
    """``float32[batch,3]:0..1``, as :func:`~conformance.detection.wishes.parse_input` reads it."""
    text = f"{spec.dtype}[{','.join(map(str, spec.shape))}]"
    if spec.low is not None and spec.high is not None:
        return f"{text}:{_number(spec.low)}..{_number(spec.high)}"
    return f"{text}:{spec.fill}" if spec.fill in ("mask", "ones", "zeros") else text


def _number(value: float) -> str:
    """All digits of a number, and no exponent."""
    return f"{Decimal(repr(value)):f}".removesuffix(".0")
