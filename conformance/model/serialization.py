"""Values as plain JSON, and back with their types checked."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import TypeAdapter

#: Version of every on-disk format this package writes (records, bundles, reports).
SCHEMA_VERSION = 1

#: Building an adapter takes milliseconds; using one, microseconds.
_adapters: dict[type[Any], TypeAdapter[Any]] = {}

T = TypeVar("T")


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def prepare(*kinds: type[Any]) -> None:
    """Do now what the first :func:`to_json` or :func:`from_json` of each kind would do."""
    for kind in kinds:
        _adapter(kind)


def to_json(value: Any) -> dict[str, Any]:
    """Plain JSON form of one of the pipeline's values; non-finite floats become null."""
    # by way of JSON text: only there does pydantic turn non-finite floats into null
    plain: dict[str, Any] = json.loads(_adapter(type(value)).dump_json(value))
    return plain


def from_json(kind: type[T], data: Any) -> T:
    """Read a value written by :func:`to_json`.

    Raises:
        pydantic.ValidationError: when the data does not have the shape of ``kind``.
    """
    value: T = _adapter(kind).validate_python(data)
    return value
