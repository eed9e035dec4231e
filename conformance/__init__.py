"""Prove that machine-learning models survive conversion to ONNX."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conformance.api import convert as convert

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """``convert``, imported when it is first asked for: importing the package stays light."""
    if name == "convert":
        from conformance.api import convert

        return convert
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
