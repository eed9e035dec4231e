"""A small catalogue of frameworks, and reading of zoo text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from conformance.entry import Conversion
from conformance.model import FrameworkInfo
from conformance.zoo import ZooError, read_zoo


class Precision(Conversion):
    """A mapping inside the conversion parameters."""

    bits: int


class TorchConversion(Conversion):
    """As an adapter would declare it: plain, nested and limited values."""

    optimize: bool = True
    input_names: tuple[str, ...] | None = None
    dynamic_axes: dict[str, dict[int, str] | tuple[int, ...]] | None = None
    precision: Precision | bool = False


class SklearnConversion(Conversion):
    """Another set of keys than the other framework's."""

    zipmap: bool = False


def framework(name: str, exporters: tuple[str, ...], conversion: type[Conversion]) -> FrameworkInfo:
    """A framework of which only the facts that zoos depend on matter."""
    return FrameworkInfo(
        name=name,
        exporters=exporters,
        default_opset=18,
        opset_range=(9, 25),
        distributions=(name,),
        extra=name,
        preload=(),
        conversion=conversion,
    )


FRAMEWORKS: Mapping[str, FrameworkInfo] = {
    "pytorch": framework("pytorch", ("dynamo", "torchscript"), TorchConversion),
    "sklearn": framework("sklearn", ("skl2onnx",), SklearnConversion),
}


@pytest.fixture
def frameworks() -> Mapping[str, FrameworkInfo]:
    """Two frameworks, by name."""
    return FRAMEWORKS


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a zoo file, from text or bytes, and return its path."""

    def write(content: str | bytes, name: str = "zoo.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return write


@pytest.fixture
def problems_of(write, tmp_path: Path) -> Callable[..., list[str]]:
    """Read a zoo and return its problems, paths relative to the folder of the zoo."""

    def problems_of(content: str | bytes) -> list[str]:
        with pytest.raises(ZooError) as caught:
            read_zoo([write(content)], FRAMEWORKS)
        return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]

    return problems_of
