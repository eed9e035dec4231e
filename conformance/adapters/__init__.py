"""One file per framework, named after it; this one finds them.

The adapter modules are light: they import their framework inside their functions, so the
catalogue of what exists costs nothing. Further adapters come from a zoo entry
(``framework: "pkg.module:Adapter"``) or from the entry point group
``conformance.adapters``.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

from conformance.adapters.contract import Adapter
from conformance.errors import LoadError
from conformance.model import FrameworkInfo
from conformance.sources.factory import load_reference

_BUILT_IN = {
    "sklearn": "conformance.adapters.sklearn:SklearnAdapter",
    "pytorch": "conformance.adapters.pytorch:PyTorchAdapter",
    "transformers": "conformance.adapters.transformers:TransformersAdapter",
    "tensorflow": "conformance.adapters.tensorflow:TensorFlowAdapter",
}


@cache
def _references() -> dict[str, str]:
    installed = {point.name: point.value for point in entry_points(group="conformance.adapters")}
    return _BUILT_IN | installed


def catalog() -> dict[str, FrameworkInfo]:
    """Every known framework by name, without importing any of them.

    Raises:
        LoadError: when an installed package registers an adapter that cannot be imported.
    """
    return {name: _load(reference).info for name, reference in _references().items()}


def adapter_for(framework: str, zoo_dir: Path) -> Adapter:
    """The adapter of a zoo entry's ``framework``.

    Args:
        framework: a name of :func:`catalog`, or ``pkg.module:Adapter``.
        zoo_dir: folder from which ``pkg.module`` may be imported.

    Raises:
        LoadError: when ``pkg.module:Adapter`` cannot be imported.
    """
    reference = _references().get(framework)
    adapter = load_reference(framework, zoo_dir) if reference is None else _load(reference)
    return cast("type[Adapter]", adapter)()


def _load(reference: str) -> type[Adapter]:
    module, _, name = reference.partition(":")
    try:
        return cast("type[Adapter]", getattr(import_module(module), name))
    except (ImportError, AttributeError) as error:
        raise LoadError(
            f"adapter '{reference}' cannot be imported ({error}); "
            "repair or uninstall the package that registers it"
        ) from error
