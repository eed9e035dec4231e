"""What a user asks for beside the model, and how it is written on a command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pydantic
from pydantic import JsonValue

from conformance.entry import TensorSpec

_INPUT = re.compile(
    r"(?P<name>[^=\s]+)=(?P<dtype>\w+)\[(?P<shape>[^\]]*)\]"
    r"(?::(?:(?P<fill>mask|ones|zeros)|(?P<low>-?[\d.]*\d)\.\.(?P<high>-?[\d.]*\d)))?"
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """Everything that decides over detection; ``None`` and empty leave it to the model."""

    framework: str | None = None
    exporter: str | None = None
    opset: int | None = None
    variant: str | None = None
    provider: str | None = None
    revision: str | None = None
    task: str | None = None
    allow_pickle: bool = False
    trust_remote_code: bool = False
    #: Input name to how it is drawn; replaces what the model tells.
    inputs: Mapping[str, TensorSpec] = field(default_factory=dict)
    #: Axis name to its size in each input set, the first of which is traced.
    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    #: Only these of the model's inputs, in this order.
    input_names: tuple[str, ...] = ()
    #: Input name to axis number to axis name: these axes are dynamic, and no others.
    dynamic: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    #: Parameters of the exporter.
    conversion: Mapping[str, JsonValue] = field(default_factory=dict)


def parse_input(text: str) -> tuple[str, TensorSpec]:
    """``images=float32[batch,3,32,32]``, with ``:0..255`` or ``:mask`` behind it.

    Raises:
        ValueError: when it is not of that form.
    """
    match = _INPUT.fullmatch(text)
    if match is None:
        raise ValueError(
            f"'{text}' is no input such as images=float32[batch,3,32,32], "
            "ids=int64[batch,tokens]:1..1000 or attention_mask=int64[batch,tokens]:mask"
        )
    shape = [part.strip() for part in match["shape"].split(",") if part.strip()]
    spec: dict[str, Any] = {
        "dtype": match["dtype"],
        "shape": [int(part) if part.isdecimal() else part for part in shape],
    }
    if match["fill"]:
        spec["fill"] = match["fill"]
    if match["low"]:
        spec |= {"low": float(match["low"]), "high": float(match["high"])}
        spec["fill"] = "uniform" if match["dtype"].startswith("float") else "integers"
    try:
        return match["name"], TensorSpec.model_validate(spec)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"'{text}': {first['msg']}") from error


def parse_size(text: str) -> tuple[str, tuple[int, ...]]:
    """``tokens=9,16,4``: the sizes of an axis in each input set.

    Raises:
        ValueError: when it is not of that form.
    """
    axis, _, sizes = text.partition("=")
    parts = sizes.split(",")
    if not axis or not all(part.isdecimal() for part in parts):
        raise ValueError(f"'{text}' is no AXIS=N,N,... such as tokens=9,16,4")
    return axis, tuple(map(int, parts))
