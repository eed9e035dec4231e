"""Shows a failure again: runs model.onnx on the stored inputs and compares what it answers.

    python repro.py [FOLDER] [--provider NAME]

Needs onnxruntime and numpy, nothing else. FOLDER is where repro.json is, by default the
folder of this file. Exit code: 0 the failure is gone, 1 it shows, 2 this script cannot tell.
Any other code, or death by a signal, is ONNX Runtime's process ending by itself.
"""

# ruff: noqa: T201  printing is what a script is for

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

GONE, SHOWS, CANNOT_TELL = 0, 1, 2

#: ONNX's number of an element type to NumPy's name of it; strings are number 8.
_DTYPES = {
    1: "<f4",
    2: "u1",
    3: "i1",
    4: "<u2",
    5: "<i2",
    6: "<i4",
    7: "<i8",
    9: "?",
    10: "<f2",
    11: "<f8",
    12: "<u4",
    13: "<u8",
}
_STRING = 8
# fields of ONNX's TensorProto
_DIMS, _DATA_TYPE, _STRING_DATA, _NAME, _RAW_DATA = 1, 2, 6, 8, 9
# wire types of protobuf
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_MORE = 0x80


class CannotTell(Exception):
    """Something that this script needs is not there or not readable."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(description="Shows a failure again.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--provider", help="ONNX Runtime's name of it; default: as it failed")
    arguments = parser.parse_args(argv)
    try:
        return reproduce(arguments.folder, arguments.provider)
    except CannotTell as error:
        print(f"cannot tell: {error}")
        return CANNOT_TELL


def reproduce(folder: Path, provider: str | None) -> int:
    """Run the model of a folder on all its data, print what is found, return the exit code."""
    try:
        import onnxruntime

        told = json.loads((folder / "repro.json").read_text(encoding="utf-8"))
    except (ImportError, OSError, ValueError) as error:
        raise CannotTell(f"{type(error).__name__}: {error}") from error
    print(f"{told['case']}\nreported: {told['reason']}")
    print(f"onnxruntime {onnxruntime.__version__}, numpy {np.__version__}")
    data = [(name, read_tensors(folder / name, "input")) for name in told["data"]]
    try:
        same = provider in (None, told["provider"])
        session = create_session(
            folder / "model.onnx", provider or told["provider"], told if same else {}
        )
        names = [output.name for output in session.get_outputs()]
        answers = [(name, session.run(names, feeds)) for name, feeds in data]
    except CannotTell:
        raise
    except Exception as error:  # noqa: BLE001 - whatever ONNX Runtime raises is the failure
        print(f"the failure shows: {type(error).__name__}: {error}")
        return SHOWS
    if told["outputs"] is None:
        print("the model runs, which is all that is known of it: the failure is gone")
        return GONE
    wanted = [output["name"] for output in told["outputs"]]
    if names != wanted:
        print(f"the failure shows: the model's outputs are {names}, expected {wanted}")
        return SHOWS
    beyond = False
    for place, output in enumerate(told["outputs"]):
        given = [(name, np.asarray(values[place])) for name, values in answers]
        text, problem = judge(folder, output, place, given)
        print(f"  {output['name']}: {text}")
        beyond = beyond or problem
    if beyond:
        print("the failure shows")
        return SHOWS
    if not told["judged"]:
        raise CannotTell("the numbers are within their limits, but they are not what failed")
    print("the failure is gone")
    return GONE


def create_session(model: Path, provider: str, told: dict[str, Any]) -> Any:
    """A session as the failing run had it, but with default optimizations and one thread."""
    import onnxruntime

    available = onnxruntime.get_available_providers()
    if provider not in available:
        raise CannotTell(f"this onnxruntime has no {provider}, it has {', '.join(available)}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    for entry, value in told.get("session_entries", {}).items():
        options.add_session_config_entry(entry, value)
    own = told.get("provider_options", {})
    session = onnxruntime.InferenceSession(str(model), options, providers=[(provider, own)])
    if session.get_providers()[0] != provider:
        raise CannotTell(f"{provider} did not start")
    if any("bfloat16" in output.type for output in session.get_outputs()):
        raise CannotTell("NumPy knows no bfloat16; `conformance replay` reads such outputs")
    session.disable_fallback()
    return session


def judge(
    folder: Path, output: dict[str, Any], place: int, given: list[tuple[str, np.ndarray]]
) -> tuple[str, bool]:
    """One output on all data: what to print, and whether it is beyond its limit."""
    if output["rule"] == "budget":
        return judge_mean(folder, output, place, given)
    rule, worst, rows = output["rule"], (-1.0, ""), 0
    for name, got in given:
        home = folder / "reference_fp64" / name if rule == "fp64-referenced" else folder / name
        want = list(read_tensors(home, "output").values())[place]
        source = list(read_tensors(folder / name, "output").values())[place]
        if kind(got) != kind(source) or got.shape != source.shape:
            return (
                f"{kind(got)}{got.shape} on {name}, expected {kind(source)}{source.shape}  BEYOND",
                True,
            )
        if got.dtype.kind != "f":
            refused = np.asarray(want != got, dtype=bool)
            error, limit = refused.astype(np.float64), np.zeros(())
        else:
            with np.errstate(invalid="ignore"):
                error = np.abs(got.astype(np.float64) - want.astype(np.float64))
            limit = accepted(output, name, want)
            refused = ~(error <= limit)  # so that NaN, which equals nothing, is refused
        rows += int(np.count_nonzero(refused.reshape(len(got) if got.ndim else 1, -1).any(axis=1)))
        worst = max(worst, describe(name, want, got, error, limit))
    if not rows:
        return f"{worst[1]}", False
    if rows <= output["set_aside"]:
        return f"{worst[1]}; {rows} rows set aside as ties", False
    return f"{worst[1]}  BEYOND", True


def judge_mean(
    folder: Path, output: dict[str, Any], place: int, given: list[tuple[str, np.ndarray]]
) -> tuple[str, bool]:
    """As judge, of a lossy variant: by root mean square error, or by the share that differs."""
    errors, what = [], "root mean square error"
    for name, got in given:
        source = list(read_tensors(folder / name, "output").values())[place]
        exact = folder / "reference_fp64" / name
        if kind(got) != kind(source) or got.shape != source.shape:
            return (
                f"{kind(got)}{got.shape} on {name}, expected {kind(source)}{source.shape}  BEYOND",
                True,
            )
        if got.dtype.kind == "f":
            home = exact if exact.is_dir() else folder / name
            want = list(read_tensors(home, "output").values())[place].astype(np.float64)
            errors.append(np.square(got.astype(np.float64) - want).ravel())
        else:
            what = "share that differs"
            errors.append(np.asarray(source != got, dtype=np.float64).ravel())
    pooled = np.concatenate(errors)
    mean = float(np.mean(pooled)) if pooled.size else 0.0
    if what == "root mean square error":
        mean **= 0.5
    within = mean <= output["limit"]
    return (
        f"{what} {mean:.3g}, limit {output['limit']:.3g}{'' if within else '  BEYOND'}",
        not within,
    )


def accepted(output: dict[str, Any], name: str, want: np.ndarray) -> np.ndarray:
    """Largest accepted error of each element on the data of that name."""
    if output["rule"] == "declared":
        declared: np.ndarray = output["atol"] + output["rtol"] * np.abs(want.astype(np.float64))
        return declared
    return np.asarray(output["elsewhere"].get(name, output["limit"]), dtype=np.float64)


def describe(
    name: str, want: np.ndarray, got: np.ndarray, error: np.ndarray, limit: np.ndarray
) -> tuple[float, str]:
    """The worst element: its error in terms of its limit, and in words."""
    if not got.size:
        return -1.0, "no elements"
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(error == 0, 0.0, error / limit)
    ratios = np.where(np.isnan(ratios), np.inf, ratios)
    at = tuple(int(i) for i in np.unravel_index(int(np.argmax(ratios)), ratios.shape))
    where = f"at {list(at)} of {name}: expected {want[at]!s}, got {got[at]!s}"
    if got.dtype.kind != "f":
        count = int(np.count_nonzero(error))
        return float(count), f"{count} of {got.size} elements differ" + (
            f", the first {where}" if count else ""
        )
    largest = float(np.broadcast_to(limit, error.shape)[at])
    text = f"worst error {error[at]:.3g}, limit {largest:.3g} ({ratios[at]:.3g}x), {where}"
    return float(ratios[at]), text


def kind(array: np.ndarray) -> str:
    """NumPy's name of the dtype; strings have one name, however they are stored."""
    return "string" if array.dtype.kind in "OUS" else array.dtype.name


def read_tensors(folder: Path, prefix: str) -> dict[str, np.ndarray]:
    """The arrays of ``<prefix>_0.pb``, ``<prefix>_1.pb``, ... by the names in the files."""
    arrays = {}
    for number in range(len(list(folder.glob(f"{prefix}_*.pb")))):
        file = folder / f"{prefix}_{number}.pb"
        try:
            name, array = parse_tensor(file.read_bytes())
        except (OSError, ValueError, IndexError) as error:
            raise CannotTell(f"{file}: {type(error).__name__}: {error}") from error
        arrays[name] = array
    return arrays


def parse_tensor(data: bytes) -> tuple[str, np.ndarray]:
    """Name and elements of a serialized TensorProto, as onnx.numpy_helper writes them."""
    dims: list[int] = []
    code, name, raw = 0, "", b""
    strings: list[bytes] = []
    for field, value in fields(data):
        if field == _DIMS and isinstance(value, int):
            dims.append(value)
        elif field == _DIMS and isinstance(value, bytes):
            dims += packed(value)
        elif field == _DATA_TYPE and isinstance(value, int):
            code = value
        elif field == _NAME and isinstance(value, bytes):
            name = value.decode()
        elif field == _RAW_DATA and isinstance(value, bytes):
            raw = value
        elif field == _STRING_DATA and isinstance(value, bytes):
            strings.append(value)
        else:
            raise ValueError(f"field {field} of a tensor is not read here")
    if code == _STRING:
        texts = np.array([text.decode() for text in strings], dtype=object)
        return name, texts.reshape(dims)
    if code not in _DTYPES:
        raise ValueError(f"element type {code} is not NumPy's")
    return name, np.frombuffer(raw, _DTYPES[code]).reshape(dims)


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a serialized protobuf message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        wire = key & 7
        if wire == _VARINT:
            value, at = varint(data, at)
            yield key >> 3, value
            continue
        if wire == _BYTES:
            size, at = varint(data, at)
        elif wire in (_EIGHT_BYTES, _FOUR_BYTES):
            size = 8 if wire == _EIGHT_BYTES else 4
        else:
            raise ValueError("no protobuf message")
        if at + size > len(data):
            raise ValueError("the file ends too early")
        yield key >> 3, data[at : at + size]
        at += size


def packed(data: bytes) -> list[int]:
    """Integers that lie one after another."""
    found, at = [], 0
    while at < len(data):
        value, at = varint(data, at)
        found.append(value)
    return found


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The integer at a place, and the place after it."""
    value, shift = 0, 0
    while True:
        byte = data[at]
        value |= (byte & (_MORE - 1)) << shift
        at, shift = at + 1, shift + 7
        if byte < _MORE:
            return value, at


if __name__ == "__main__":
    sys.exit(main())
