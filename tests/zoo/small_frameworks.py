"""A small catalogue of frameworks for tests of zoo files."""

from __future__ import annotations

from collections.abc import Mapping

from conformance.entry import Conversion
from conformance.model import FrameworkInfo


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
