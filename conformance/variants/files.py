"""Models in and out of the tools, whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

#: A message of protobuf holds no more than 2 GiB; from half of that on, weights go beside it.
_LARGE_BYTES = 1 << 30


def load(path: Path) -> Any:
    """The ``ModelProto`` of a file, its weights in memory."""
    import onnx

    return onnx.load(str(path))


def save(model: Any, out: Path) -> None:
    """Write a ``ModelProto``, the weights of a large one beside it."""
    import onnx

    large = model.ByteSize() > _LARGE_BYTES
    options = {"save_as_external_data": True, "location": f"{out.name}.data"} if large else {}
    onnx.save(model, str(out), **options)
