"""Python objects that a zoo names as ``pkg.module:name``, and models built by them."""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import ModuleType
from typing import Any

from conformance.entry import Source
from conformance.errors import LoadError
from conformance.zoo.suggest import did_you_mean


def load_reference(reference: str, zoo_dir: Path) -> Any:
    """The object that ``pkg.module:name`` names.

    Args:
        reference: module and attribute; the attribute may be dotted.
        zoo_dir: folder from which the module may be imported, besides the installed ones.

    Raises:
        LoadError: when the module or the attribute does not exist or the import fails.
    """
    module_name, _, attribute = reference.partition(":")
    found: Any = _import(module_name, reference, zoo_dir)
    for name in attribute.split("."):
        if not hasattr(found, name):
            public = [known for known in dir(found) if not known.startswith("_")]
            raise LoadError(
                f"'{reference}': {_named(found)} has no '{name}'{did_you_mean(name, public)}"
            )
        found = getattr(found, name)
    return found


def build(source: Source, zoo_dir: Path) -> Any:
    """Call the source's factory with its arguments and return the model.

    Raises:
        LoadError: when the factory cannot be found, cannot be called, raises, or returns
            nothing; what it raised is the error's cause.
    """
    reference = source.factory
    if reference is None:
        raise LoadError(f"the source is a {source.kind}, not a factory")
    factory = load_reference(reference, zoo_dir)
    if not callable(factory):
        raise LoadError(
            f"'{reference}' is a {type(factory).__name__}, not a function that returns a model"
        )
    try:
        model = factory(**source.args)
    except Exception as error:
        raise LoadError(
            f"model factory '{reference}' raised {type(error).__name__}: {error}"
        ) from error
    if model is None:
        raise LoadError(f"model factory '{reference}' returned None: it must return the model")
    return model


def _import(module_name: str, reference: str, zoo_dir: Path) -> ModuleType:
    folder = str(zoo_dir.resolve())
    if folder not in sys.path:
        # it stays there: factories import their neighbours when they are called
        sys.path.insert(0, folder)
        invalidate_caches()
    try:
        return import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise LoadError(
                f"'{reference}': importing '{module_name}' failed: {error}; install it, "
                "and name its distribution under 'requires'"
            ) from error
        raise LoadError(
            f"'{reference}': there is no module '{error.name}', neither installed nor below "
            f"{folder}{did_you_mean(error.name, _siblings(error.name, folder))}"
        ) from error
    except Exception as error:
        raise LoadError(
            f"'{reference}': importing '{module_name}' raised {type(error).__name__}: {error}"
        ) from error


def _siblings(module_name: str, folder: str) -> list[str]:
    """Modules that stand where ``module_name`` was looked for."""
    package, _, _ = module_name.rpartition(".")
    parent = sys.modules.get(package)
    paths = list(getattr(parent, "__path__", [])) if package else [folder]
    prefix = f"{package}." if package else ""
    return [prefix + found.name for found in pkgutil.iter_modules(paths)]


def _named(found: Any) -> str:
    if isinstance(found, ModuleType):
        return f"module '{found.__name__}'"
    return f"'{getattr(found, '__qualname__', type(found).__qualname__)}'"
