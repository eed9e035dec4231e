"""The key of a bundle: a digest of everything that decides what a conversion produces."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

from packaging.requirements import Requirement
from pydantic import JsonValue

import conformance
from conformance.entry import ZooEntry
from conformance.machine import hardware_class
from conformance.model import Case, FrameworkInfo
from conformance.requirements import installed_version
from conformance.sources.local import input_path, local_files
from conformance.variants import Variant

#: Entry fields that change what a conversion produces; the others only judge it.
_CONVERSION_FIELDS = {"framework", "source", "inputs", "dynamic", "conversion", "task"}
#: The code of this package that decides what a bundle holds.
ENGINE = (
    *("adapters", "sources"),
    *("bundle", "converting.py", "generation.py", "inputs.py", "latency", "measuring"),
    *("onnx_check.py", "parity/noise.py", "pipeline.py", "reference.py", "shapes"),
    *("tensors.py", "texts.py"),
)
#: The code that makes a variant of a bundle; what the bundle holds is in its own key.
_VARYING = (
    *("bundle", "calibration.py", "derived.py", "inputs.py", "onnx_check.py", "variants"),
    "varying.py",
)
#: The code that brings the model of a bundle to another opset.
_OPSET = ("bundle", "derived.py", "onnx_check.py", "onnx_files.py", "opset_conversion.py")


def bundle_key(case: Case, info: FrameworkInfo, zoo_dir: Path, seed: int) -> str:
    """SHA-256 over everything that decides what a conversion produces.

    That is the entry's conversion fields, exporter, opset and seed; the digests of
    local files and of the packages that its factories come from; the conversion code of
    this package; and the versions of the packages that take part.

    Raises:
        LoadError, InputsError: when the entry names files that are not its folder's own.
        OSError: when a file cannot be read.
    """
    entry = case.entry
    parts = {
        "entry": entry.model_dump(mode="json", include=_CONVERSION_FIELDS),
        "exporter": case.exporter,
        "opset": case.opset,
        "variant": case.variant,
        "seed": seed,
        # by name, not by path: the same sources in another checkout are the same sources
        "code": [[path.name, _tree_digest(path)] for path in _code_files(entry, zoo_dir)],
        # everything in them: a model's folder may hold a package as well as weights
        "files": [
            [path.name, _tree_digest(path, everything=True)] for path in local_files(entry, zoo_dir)
        ],
        "versions": versions_of(_distributions(entry, info)),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def variant_key(
    base: str, base_digest: str, variant: Variant, entry: ZooEntry, zoo_dir: Path
) -> str:
    """SHA-256 over everything that decides what becomes of a bundle as a variant.

    That is the base's key and the digest of its model, the variant with its parameters, the
    code that makes it, the versions of the packages that take part and, where they matter,
    the calibration data and the class of the hardware.

    Raises:
        InputsError: when the calibration names files that are not the zoo folder's own.
        OSError: when a file cannot be read.
    """
    package = Path(conformance.__file__).parent
    parts = {
        "base": [base, base_digest],
        "variant": [variant.name, dict(variant.parameters)],
        "code": [[name, _tree_digest(package / name)] for name in _VARYING],
        "versions": versions_of((*variant.distributions, "numpy", "onnx", "onnxruntime")),
        "hardware": hardware_class() if variant.by_hardware else None,
        "calibration": _calibration(entry, zoo_dir) if variant.calibrated else None,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def opset_key(base: str, base_digest: str, opset: int) -> str:
    """SHA-256 over everything that decides what becomes of a bundle at another opset.

    That is the base's key and the digest of its model, the opset, the code that asks for it and
    the version of onnx, whose converter does it.

    Raises:
        OSError: when a file cannot be read.
    """
    package = Path(conformance.__file__).parent
    parts = {
        "base": [base, base_digest],
        "opset": opset,
        "code": [[name, _tree_digest(package / name)] for name in _OPSET],
        "versions": versions_of(("numpy", "onnx")),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _calibration(entry: ZooEntry, zoo_dir: Path) -> list[JsonValue]:
    """What decides which data ranges are measured on, beyond what is in the base's key."""
    asked = entry.calibration
    files = [input_path(name, zoo_dir) for name in asked.files or ()]
    files += _imported(asked.factory, zoo_dir) if asked.factory else []
    digests: list[JsonValue] = [[path.name, _tree_digest(path)] for path in files]
    return [asked.model_dump(mode="json"), digests]


def forget_digests() -> None:
    """Look at files anew: a process that lives on may have seen them change."""
    _tree_digest.cache_clear()


def versions_of(distributions: tuple[str, ...]) -> dict[str, str | None]:
    """Installed version by distribution name, None where it is not installed."""
    return {name: installed_version(name) for name in distributions}


def _distributions(entry: ZooEntry, info: FrameworkInfo) -> tuple[str, ...]:
    required = tuple(Requirement(text).name for text in entry.requires)
    # scipy and pandas feed scikit-learn's numbers; onnx-ir is what the torch exporter builds with
    return (*info.distributions, *required, "numpy", "onnx", "onnx-ir", "onnxscript", "scipy")


def _code_files(entry: ZooEntry, zoo_dir: Path) -> list[Path]:
    package = Path(conformance.__file__).parent
    files = [package / name for name in ENGINE]
    for reference in _references(entry):
        files += _imported(reference, zoo_dir)
    return files


def _imported(reference: str, zoo_dir: Path) -> list[Path]:
    """The files of the top-level package that ``pkg.module:name`` is imported from."""
    top_level = reference.partition(":")[0].partition(".")[0]
    spec = PathFinder.find_spec(top_level, [str(zoo_dir)]) or PathFinder.find_spec(top_level)
    if spec is None:
        return []
    if spec.origin is None:
        return [Path(location) for location in spec.submodule_search_locations or ()]
    origin = Path(spec.origin)
    return [origin.parent if origin.name == "__init__.py" else origin]


def _references(entry: ZooEntry) -> Iterator[str]:
    """Every ``pkg.module:name`` of the entry, conversion parameters included."""
    pending: list[object] = [entry.framework, entry.source.factory, entry.inputs.factory]
    pending.append(dict(entry.conversion))
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list | tuple):
            pending.extend(value)
        elif isinstance(value, str) and ":" in value:
            yield value


@cache
def _tree_digest(path: Path, *, everything: bool = False) -> str | None:
    """Digest of a file, or of a folder's files.

    Args:
        path: of the file or folder.
        everything: all files, also where the folder is a Python package; only ``.py`` ones of a
            package otherwise.
    """
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    if not path.is_dir():
        return None
    package = (path / "__init__.py").is_file() and not everything
    pattern = "*.py" if package else "*"
    digest = hashlib.sha256()
    for file in sorted(f for f in path.rglob(pattern) if f.is_file()):
        digest.update(file.relative_to(path).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
