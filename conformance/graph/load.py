"""Read an ONNX model whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from conformance.errors import CorruptBundle
from conformance.redaction import hide_secrets


def load_model(path: Path) -> Any:
    """The ``ModelProto`` of a file, with its external data in memory.

    Raises:
        CorruptBundle: when the file or its external data cannot be read.
    """
    import onnx

    try:
        return onnx.load(str(path))
    except Exception as error:
        text = hide_secrets(" ".join(str(error).split()))
        raise CorruptBundle(f"{path} holds no ONNX model: {text[:200]}") from error
