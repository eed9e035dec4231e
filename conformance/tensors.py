"""Tensors on disk, in the layout of ONNX's own test data (``TensorProto`` files)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from conformance.errors import CorruptBundle

Arrays = dict[str, np.ndarray]
_BFLOAT16 = "bfloat16"


def is_float(dtype: np.dtype) -> bool:
    """Whether elements are floating-point numbers: NumPy's own, or bfloat16 of ``ml_dtypes``."""
    return dtype.kind == "f" or is_bfloat16(dtype)


def is_bfloat16(dtype: np.dtype) -> bool:
    """Whether elements are bfloat16, which NumPy itself does not know."""
    return dtype.name == _BFLOAT16


def float_info(dtype: np.dtype) -> Any:
    """``numpy.finfo`` of a float dtype, of bfloat16, too."""
    if not is_bfloat16(dtype):
        return np.finfo(dtype)
    import ml_dtypes

    return ml_dtypes.finfo(dtype)


def write_tensors(folder: Path, prefix: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write ``<prefix>_0.pb``, ``<prefix>_1.pb``, ... in the mapping's order.

    Strings are written from arrays of ``str`` (dtype object or ``<U``).
    """
    from onnx import numpy_helper

    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, array) in enumerate(arrays.items()):
        plain = array.astype(object) if array.dtype.kind == "U" else np.ascontiguousarray(array)
        # ascontiguousarray turns a scalar into a vector: keep the shape that was given
        proto = numpy_helper.from_array(plain.reshape(array.shape), name=name)
        (folder / f"{prefix}_{number}.pb").write_bytes(proto.SerializeToString())


def read_tensors(folder: Path, prefix: str) -> Arrays:
    """Read what :func:`write_tensors` wrote, in order, by the names in the files.

    Raises:
        CorruptBundle: when a file is missing from the sequence or cannot be parsed.
    """
    from google.protobuf.message import DecodeError
    from onnx import TensorProto

    arrays: Arrays = {}
    count = sum(1 for _ in folder.glob(f"{prefix}_*.pb"))
    for number in range(count):
        file = folder / f"{prefix}_{number}.pb"
        proto = TensorProto()
        try:
            proto.ParseFromString(file.read_bytes())
            arrays[proto.name] = _array(proto)
        except FileNotFoundError as error:
            raise CorruptBundle(f"{file} is missing") from error
        except OSError as error:
            raise CorruptBundle(f"{file} cannot be read: {error.strerror}") from error
        except (DecodeError, ValueError, TypeError, KeyError) as error:
            raise CorruptBundle(f"{file} holds no ONNX tensor: {error}") from error
    return arrays


def _array(proto: Any) -> np.ndarray:
    from onnx import TensorProto, numpy_helper

    if proto.data_location == TensorProto.EXTERNAL:
        # by a path that would be taken from wherever this process happens to stand
        raise ValueError("its elements are in another file")
    array: np.ndarray = numpy_helper.to_array(proto)
    return array
