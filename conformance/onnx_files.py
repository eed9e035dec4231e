"""Open an ONNX model only after every file that it names has proved to be its own.

A model names further files, its external data, and says where in them its weights lie. What
opens those must not be led out of the model's folder, wait for a pipe, or read elsewhere than
the weights are: a model may come from anybody.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

from conformance.errors import CorruptBundle
from conformance.paths import file_problem, name_problem

#: What tells a file's kind stands at its beginning.
_HEAD_BYTES = 512
_LFS = b"version https://git-lfs.github.com/spec/"
_HTML = re.compile(rb"\s*<(?:!doctype\s+html|html|head|\?xml)", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,19}")
#: Messages that hold tensors, by way of others or themselves.
_HOLDERS = frozenset(
    {
        "AttributeProto",
        "FunctionProto",
        "GraphProto",
        "ModelProto",
        "NodeProto",
        "SparseTensorProto",
        "TrainingInfoProto",
    }
)
_BYTE_BITS = 8


def read_model(path: Path) -> Any:
    """The ``ModelProto`` of a file; its external data is checked, and stays where it is.

    Raises:
        CorruptBundle: naming the file, the tensor where it is one's data, and the reason.
    """
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    try:
        if (mistake := mistaken(path)) is not None:
            raise CorruptBundle(f"{path.name} {mistake}")
        model = ModelProto()
        data = path.read_bytes()
    except OSError as error:
        raise CorruptBundle(f"{path.name} cannot be read: {error.strerror}") from error
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        how = "is cut off" if _is_cut_off(data) else "is damaged, or nests too deeply"
        raise CorruptBundle(
            f"{path.name} {how}: its {len(data)} bytes are no whole ONNX model; "
            "download or export it again"
        ) from error
    for tensor in _external_tensors(model):
        if (problem := _external_problem(path.parent, tensor)) is not None:
            raise CorruptBundle(f"{path.name}: the data of tensor {tensor.name!r} {problem}")
    return model


def mistaken(file: Path) -> str | None:
    """What a file is that was taken for a model; None when it may be one.

    Raises:
        OSError: when it cannot be read.
    """
    if not stat.S_ISREG(file.stat().st_mode):
        return "is no regular file: nothing is read from folders, pipes and devices"
    with file.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    return "is empty" if not head else mistaken_head(head)


def mistaken_head(head: bytes) -> str | None:
    """As :func:`mistaken`, by the first bytes of a file that may be empty."""
    if head.startswith(_LFS):
        return "is a Git LFS pointer, not the file: run `git lfs pull`"
    if _HTML.match(head):
        return "is a web page, not the file: download it again, by its own address"
    return None


def _external_tensors(model: Any) -> Iterator[Any]:
    """Every tensor, in whichever graph, function or attribute, whose data is in a file."""
    from onnx import TensorProto

    waiting = [model]
    while waiting:  # not by recursion: the depth of the nesting is the file's choice
        for field, value in waiting.pop().ListFields():
            kind = None if field.message_type is None else field.message_type.name
            held = value if hasattr(value, "append") else [value]
            if kind in _HOLDERS:
                waiting += held
            elif kind == "TensorProto":
                for tensor in held:
                    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
                        yield tensor


def _external_problem(folder: Path, tensor: Any) -> str | None:
    """Why the file of a tensor must not be opened, or not there."""
    keys = [entry.key for entry in tensor.external_data]
    told = {entry.key: entry.value for entry in tensor.external_data}
    if len(told) < len(keys):
        return "is described twice, so that readers may differ on where it is"
    location = told.get("location", "")
    if not location:
        return "is said to be in another file, which is not named"
    if (reason := name_problem(location)) is not None:
        return f"is in {location!r}, which {reason}"
    if (reason := file_problem(folder, location)) is not None:
        return f"is in {location!r}, which {reason}"
    size = (folder / location).stat().st_size
    return _range_problem(tensor, told, location, size)


def _range_problem(tensor: Any, told: dict[str, str], location: str, size: int) -> str | None:
    """What is wrong with the range of bytes that a tensor claims of a file."""
    for key in ("offset", "length"):
        if key in told and not _NUMBER.fullmatch(told[key]):
            return f"has the {key} {told[key][:40]!r}, which is no number of bytes"
    needed = _bytes_needed(tensor)
    if needed is None:
        return "is of a type that is not kept in other files"
    offset = int(told.get("offset", "0"))
    length = int(told.get("length", str(needed)))
    if length != needed:
        return (
            f"is said to be {length} bytes of {location!r}; its shape "
            f"{list(tensor.dims)} needs {needed}"
        )
    if offset + length > size:
        return (
            f"is said to be bytes {offset} to {offset + length} of {location!r}, "
            f"which has {size}: it is cut off, or the model belongs to another file"
        )
    return None


def _bytes_needed(tensor: Any) -> int | None:
    """Bytes of a tensor's elements; None where its type has no fixed size, or no sense."""
    from onnx import TensorProto, helper

    if tensor.data_type == TensorProto.STRING or any(size < 0 for size in tensor.dims):
        return None
    try:
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except KeyError:
        return None
    # several to the byte: int4, uint2, float4e2m1
    packed = re.search(r"int(2|4)$|float(4)", dtype.name)
    bits: int = int(packed[1] or packed[2]) if packed else dtype.itemsize * _BYTE_BITS
    return -(-prod(int(size) for size in tensor.dims) * bits // _BYTE_BITS)


def _is_cut_off(data: bytes) -> bool:
    """Whether a field of the message claims more bytes than are left."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        wire = key & 7
        if wire == 0:
            _, place = _varint(data, place)
        elif wire == 2:  # noqa: PLR2004 - protobuf's number for bytes
            length, place = _varint(data, place)
            place += length
        else:
            return False  # a model's own fields are numbers and bytes
    return place > len(data)


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A number and the place behind it, which is beyond the end where that cuts it."""
    value = shift = 0
    while place < len(data):
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - protobuf's mark of a number's last byte
            return value, place
    return value, len(data) + 1
