"""Values on disk and in ONNX Runtime: tensors of every type, sequences and optionals.

A test data file does not say whether it holds a ``TensorProto``, a ``SequenceProto`` or an
``OptionalProto``: their bytes are alike, and the type of the model's value decides.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from conformance.errors import InputsError, SessionError
from conformance.execution.contract import shorten
from conformance.onnx_files import mistaken_head

#: An array, a list of values (a sequence), or None (an optional that is empty).
Value: TypeAlias = Any

#: Tensors that ONNX Runtime's Python interface does not exchange as arrays, by its names.
_WITHOUT_NUMPY = (
    "tensor(bfloat16)",
    "tensor(float8",
    "tensor(float4",
    "tensor(int4)",
    "tensor(uint4)",
    "tensor(int2)",
    "tensor(uint2)",
)

#: A place in ONNX Runtime's own sources, with the C++ signature of the function.
_SOURCE_PLACE = re.compile(r"/\S+\.(?:cc|h):[0-9]+ .*?\)\S*(?: const)? (?=\S)")
_LOADING = re.compile(r"Load model from .*? failed: ?")


@dataclass(frozen=True, slots=True)
class Declared:
    """An input or output as the model declares it."""

    name: str
    #: In ONNX Runtime's words: ``tensor(float)``, ``optional(seq(tensor(int64)))``.
    type: str


def declared(values: Sequence[Any]) -> list[Declared]:
    """The inputs or outputs of an ``onnxruntime.InferenceSession``."""
    return [Declared(value.name, value.type) for value in values]


def read_values(
    folder: Path, prefix: str, wanted: Sequence[Declared], extra: Sequence[Declared] = ()
) -> dict[str, Value]:
    """Read ``<prefix>_0.pb``, ``<prefix>_1.pb``, ... of one data set.

    The names in the files decide which value is whose when they all are names of the
    model; otherwise the order of the files does.

    Args:
        folder: the data set.
        prefix: ``input`` or ``output``.
        wanted: the model's values, in its order.
        extra: values that a file may give by name only (inputs with a default).

    Returns:
        Name in the model to value.

    Raises:
        InputsError: naming the file that is missing, unreadable or one too many.
    """
    files = _numbered(folder, prefix)
    known = {value.name: value for value in (*wanted, *extra)}
    by_place = [*wanted, *extra]
    if len(files) > len(by_place):
        raise InputsError(
            f"{folder.name} holds {len(files)} {prefix}s, the model has {len(by_place)}"
        )
    names = [
        _name(file, [value.type, *(other.type for other in by_place)], known)
        for file, value in zip(files, by_place, strict=False)
    ]
    if len(set(names)) == len(names) and set(names) <= set(known):
        owners = [known[name] for name in names]
    elif len(files) > len(wanted):
        raise InputsError(
            f"{folder.name} holds {len(files)} {prefix}s, the model has {len(wanted)}"
        )
    else:
        owners = list(wanted[: len(files)])
    return {
        owner.name: _value(file, _parse(file, owner.type))
        for file, owner in zip(files, owners, strict=True)
    }


def run_model(session: Any, feeds: Mapping[str, Value]) -> dict[str, Value]:
    """Run a session on values of any type.

    Returns:
        Output name to value, in the model's order.

    Raises:
        SessionError: when ONNX Runtime cannot run the model on these inputs.
    """
    outputs = declared(session.get_outputs())
    involved = [*declared(session.get_inputs()), *outputs]
    try:
        if any(value.type.startswith(_WITHOUT_NUMPY) for value in involved):
            results = _run_in_memory(session, feeds)
        else:
            results = session.run([value.name for value in outputs], dict(feeds))
    except Exception as error:
        text = shorten(concise(str(error)))
        raise SessionError(f"ONNX Runtime cannot run the model: {text}") from error
    return {value.name: result for value, result in zip(outputs, results, strict=True)}


def concise(text: str) -> str:
    """An error of ONNX Runtime without the C++ that would push its point out of the line."""
    return _SOURCE_PLACE.sub("", _LOADING.sub("", text))


def _numbered(folder: Path, prefix: str) -> list[Path]:
    numbers: set[int] = set()
    for file in folder.glob(f"{prefix}_*.pb"):
        digits = file.stem.removeprefix(f"{prefix}_")
        if not digits.isdecimal():
            raise InputsError(f"{folder.name}/{file.name} has no number in its name")
        numbers.add(int(digits))
    for number in range(len(numbers)):
        if number not in numbers:
            raise InputsError(f"{folder.name}/{prefix}_{number}.pb is missing")
    return [folder / f"{prefix}_{number}.pb" for number in range(len(numbers))]


def _name(file: Path, kinds: Sequence[str], known: Container[str]) -> str:
    """The name in a file if it is one of the model's, read as the first kind that fits."""
    for kind in dict.fromkeys(kinds):
        try:
            name: str = _parse(file, kind).name
        except InputsError:
            continue  # another kind may fit; if none does, reading the value says why
        if name in known:
            return name
    return ""


def _parse(file: Path, kind: str) -> Any:
    """The file's protobuf message, of the class that the model's type calls for."""
    import onnx
    from google.protobuf.message import DecodeError

    classes = {
        "tensor": onnx.TensorProto,
        "seq": onnx.SequenceProto,
        "optional": onnx.OptionalProto,
    }
    outer = kind.partition("(")[0]
    where = f"{file.parent.name}/{file.name}"
    if outer not in classes:
        raise InputsError(f"{where} is a {kind}, which is not replayed")
    message = classes[outer]()
    try:
        data = file.read_bytes()
        if (mistake := mistaken_head(data)) is not None:
            raise InputsError(f"{where} {mistake}")
        message.ParseFromString(data)
    except DecodeError as error:
        raise InputsError(f"{where} holds no {kind}: {error}") from error
    except OSError as error:
        raise InputsError(f"{where} cannot be read: {error.strerror}") from error
    return message


def _value(file: Path, message: Any) -> Value:
    try:
        return _decoded(message)
    except (ValueError, TypeError, KeyError) as error:
        where = f"{file.parent.name}/{file.name}"
        raise InputsError(f"{where} holds no ONNX value: {shorten(str(error))}") from error


def _decoded(message: Any) -> Value:
    from onnx import OptionalProto, SequenceProto, TensorProto, numpy_helper

    if isinstance(message, TensorProto):
        if message.data_location == TensorProto.EXTERNAL:
            # test data is one file per value; nobody's file names others to be opened
            raise ValueError("its elements are in another file")
        return numpy_helper.to_array(message)
    elements = {
        SequenceProto.TENSOR: "tensor",
        SequenceProto.SEQUENCE: "sequence",
        SequenceProto.OPTIONAL: "optional",
    }
    if message.elem_type and message.elem_type not in elements:
        raise ValueError(f"elements of type {message.elem_type} are not replayed")
    field = f"{elements.get(message.elem_type, 'tensor')}_value"
    if isinstance(message, OptionalProto):
        return _decoded(getattr(message, field)) if message.HasField(field) else None
    return [_decoded(element) for element in getattr(message, f"{field}s")]


def _run_in_memory(session: Any, feeds: Mapping[str, Value]) -> list[Value]:
    """Run on values that lie in ONNX Runtime's own memory, as their types are no NumPy's."""
    given = {name: _to_runtime(name, array) for name, array in feeds.items()}
    return [_from_runtime(value) for value in session.run_with_ort_values(None, given)]


def _to_runtime(name: str, array: Value) -> Any:
    from onnx import TensorProto, numpy_helper
    from onnxruntime import OrtValue

    if not isinstance(array, np.ndarray) or array.dtype.kind == "O":
        raise TypeError(
            f"input '{name}' is no tensor of numbers, and cannot be fed to a model that also "
            "has tensors without a NumPy type"
        )
    proto: TensorProto = numpy_helper.from_array(array)
    value = OrtValue.ortvalue_from_shape_and_type(array.shape, proto.data_type)
    ctypes.memmove(value.data_ptr(), proto.raw_data, len(proto.raw_data))
    return value


def _from_runtime(value: Any) -> np.ndarray:
    from onnx import TensorProto, helper, numpy_helper

    if not value.data_type().startswith(_WITHOUT_NUMPY):
        array: np.ndarray = value.numpy()
        return array
    dtype = helper.tensor_dtype_to_np_dtype(value.element_type())
    # packed like in the file, several elements per byte, for types of less than a byte
    packed = numpy_helper.from_array(np.zeros(value.shape(), dtype)).raw_data
    raw = ctypes.string_at(value.data_ptr(), len(packed))
    decoded: np.ndarray = numpy_helper.to_array(
        TensorProto(data_type=value.element_type(), dims=value.shape(), raw_data=raw)
    )
    return decoded
