"""What a model file says of itself, read without loading its graph.

A model may be gigabytes, or no model at all: only the few fields around the graph are read,
by their place in the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

# fields of ONNX's ModelProto and OperatorSetIdProto
_PRODUCER_NAME, _OPSET_IMPORT = 2, 8
_DOMAIN, _VERSION = 1, 2
# wire types of protobuf
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_FIXED = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}
#: Names and opset imports are short; whatever is longer is none.
_SHORT_BYTES = 4096
_MORE = 0x80
_LONGEST_VARINT = 10
#: Who wrote a model to the framework whose models it writes.
_FRAMEWORKS = {
    "pytorch": "pytorch",
    "tf2onnx": "tensorflow",
    "keras": "tensorflow",
    "skl2onnx": "sklearn",
}


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a model file; None where it does not say."""

    producer: str | None
    #: Version of the default ONNX domain, or of the first one where that is not imported.
    opset: int | None

    @property
    def framework(self) -> str | None:
        """Our name of the framework that the producer converts from."""
        return _FRAMEWORKS.get((self.producer or "").lower())


def read_header(model: Path) -> Header:
    """Read what a file says; a file that is no model says nothing.

    Raises:
        OSError: when it cannot be read.
    """
    producer, opsets = None, dict[str, int]()
    try:
        with model.open("rb") as stream:
            for field, value in _fields(stream, model.stat().st_size):
                if field == _PRODUCER_NAME and isinstance(value, bytes):
                    producer = value.decode() or None
                elif field == _OPSET_IMPORT and isinstance(value, bytes):
                    domain, version = _opset(value)
                    opsets[domain] = version
    except (ValueError, EOFError):
        return Header(None, None)
    default = opsets.get("", opsets.get("ai.onnx"))
    return Header(producer, next(iter(opsets.values()), None) if default is None else default)


def _opset(data: bytes) -> tuple[str, int]:
    from io import BytesIO

    domain, version = "", 0
    for field, value in _fields(BytesIO(data), len(data)):
        if field == _DOMAIN and isinstance(value, bytes):
            domain = value.decode()
        elif field == _VERSION and isinstance(value, int):
            version = value
    return domain, version


def _fields(stream: BinaryIO, size: int) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each short field; long ones are passed over."""
    while stream.tell() < size:
        key = _varint(stream)
        wire = key & 7
        if wire == _VARINT:
            yield key >> 3, _varint(stream)
            continue
        length = _varint(stream) if wire == _BYTES else _FIXED.get(wire)
        if length is None or stream.tell() + length > size:
            raise ValueError("no protobuf message")
        if wire == _BYTES and length <= _SHORT_BYTES:
            yield key >> 3, stream.read(length)
        else:
            stream.seek(length, os.SEEK_CUR)


def _varint(stream: BinaryIO) -> int:
    value = 0
    for place in range(_LONGEST_VARINT):
        byte = stream.read(1)
        if not byte:
            raise EOFError
        value |= (byte[0] & (_MORE - 1)) << (7 * place)
        if byte[0] < _MORE:
            return value
    raise ValueError("no protobuf message")
