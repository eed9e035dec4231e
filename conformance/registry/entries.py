"""One conversion as the registry keeps it, and as older registries wrote it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from pydantic import JsonValue

SOURCE = "pytorch_conversion"


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """A conversion, or an attempt at one."""

    model_id: str
    #: The file that was asked for, as a path in the model's repository.
    onnx_path: str
    #: The converted file; empty where the conversion failed.
    local_path: str
    #: UTC, ISO 8601.
    conversion_time: str
    conversion_config: Mapping[str, JsonValue] = field(default_factory=dict)
    source: str = SOURCE
    model_type: str | None = None
    conversion_success: bool = True
    #: Why it failed.
    error_message: str | None = None
    opset_version: int | None = None
    #: Of the model with its external data.
    file_size_bytes: int | None = None
    #: Verdict of the certificate; ``None`` of conversions that nobody has proven.
    verification_status: str | None = None
    #: UTC, ISO 8601.
    last_used: str | None = None
    use_count: int = 1
    #: What another program wrote into the entry, kept as it is.
    extra: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """See :func:`entry_key`."""
        return entry_key(self.model_id, self.onnx_path, self.conversion_config)


_OWN = tuple(f.name for f in fields(RegistryEntry) if f.name != "extra")
_NEEDED = ("model_id", "onnx_path", "local_path")


def entry_key(model_id: str, onnx_path: str, config: Mapping[str, JsonValue] | None) -> str:
    """``model:path``, and a digest of the configuration where there is one.

    The same model converted in two ways is two conversions.
    """
    key = f"{model_id}:{onnx_path}"
    if not config:
        return key
    return f"{key}#{hashlib.sha256(canonical(config).encode()).hexdigest()[:12]}"


def canonical(config: Mapping[str, JsonValue] | None) -> str:
    """One text for equal configurations, whatever the order of their keys."""
    return json.dumps(plain(config or {}), sort_keys=True)


def plain(value: Any) -> Any:
    """As JSON gives it back: axis numbers, which are keys of ``dynamic_axes``, become text."""
    return json.loads(json.dumps(value, default=list))


def entry_from(data: Mapping[str, Any], key: str | None = None) -> RegistryEntry:
    """Read an entry of this or of an older registry.

    Args:
        data: fields by name; unknown ones are kept as :attr:`RegistryEntry.extra`.
        key: that it had in the file; tells model and path where older entries do not.

    Raises:
        ValueError: naming the field that is missing or of another type.
    """
    own = {name: data[name] for name in _OWN if data.get(name) is not None}
    if key is not None and ":" in key:
        model_id, _, onnx_path = key.partition("#")[0].rpartition(":")
        own = {"model_id": model_id, "onnx_path": onnx_path, **own}
    if own.get("conversion_success") is False:
        own.setdefault("local_path", "")
    for name in _NEEDED:
        if not isinstance(own.get(name), str):
            raise ValueError(f"'{name}' is no text")  # noqa: TRY004 - a file's content, no argument
    own.setdefault("conversion_time", "")
    for name, kind in (("conversion_config", Mapping), ("use_count", int)):
        if name in own and not isinstance(own[name], kind):
            raise ValueError(f"'{name}' is a {type(own[name]).__name__}")
    own["conversion_time"] = str(own["conversion_time"])
    extra = {k: v for k, v in data.items() if k not in _OWN and k != "extra"}
    return RegistryEntry(**own, extra={**data.get("extra", {}), **extra})


def entry_data(entry: RegistryEntry) -> dict[str, JsonValue]:
    """The entry as the file has it: its own fields, and those of others beside them."""
    own = {name: plain(getattr(entry, name)) for name in _OWN}
    return {**plain(entry.extra), **own}
