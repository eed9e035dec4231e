"""Transformers models built from an architecture's name, or read from a saved folder."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from conformance.entry import Source
from conformance.errors import LoadError
from conformance.zoo.suggest import did_you_mean

#: Configuration keys that every model takes though no configuration stores them by that name.
_COMMON_KEYS = ("num_labels", "attn_implementation", "output_attentions")


def from_architecture(source: Source) -> Any:
    """Build ``source.architecture`` in fp32, its weights drawn as the architecture says.

    Args:
        source: names a model class, overrides of its default configuration (nested ones
            as mappings), and the seed of the weights.

    Raises:
        LoadError: when there is no such class or configuration key, or the values do not
            fit together.
    """
    import torch

    model_class = _model_class(source.architecture or "")
    config_class = model_class.config_class
    try:
        _check_keys(config_class, source.config, optional=_optional_keys(model_class))
        config = config_class(**source.config)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(source.seed)
            return model_class(config).to(torch.float32)
    except LoadError:
        raise
    except Exception as error:
        raise LoadError(
            f"'{source.architecture}' cannot be built with this 'config': "
            f"{type(error).__name__}: {' '.join(str(error).split())}"
        ) from error


def from_folder(folder: Path, *, allow_pickle: bool = False) -> Any:
    """Read a model that ``save_pretrained`` wrote, in fp32, as the class its config names.

    Args:
        folder: holds ``config.json`` and the weights.
        allow_pickle: accept ``.bin`` weights; only ``.safetensors`` otherwise.

    Raises:
        LoadError: when the folder holds no such model, or weights are missing from it.
    """
    import torch
    import transformers

    if not (folder / "config.json").is_file():
        raise LoadError(
            f"'{folder}' holds no config.json: name a folder that save_pretrained() wrote"
        )
    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        named = (config.architectures or [None])[0]
        model_class = transformers.AutoModel if named is None else _model_class(named)
        model, loading = model_class.from_pretrained(
            folder,
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=None if allow_pickle else True,
            output_loading_info=True,
        )
    except LoadError:
        raise
    except Exception as error:
        raise LoadError(
            f"the model in '{folder}' cannot be read: "
            f"{type(error).__name__}: {' '.join(str(error).split())}"
        ) from error
    if missing := sorted(loading["missing_keys"]):
        raise LoadError(
            f"'{folder}' holds no values for {len(missing)} weights of {type(model).__name__}, "
            f"such as '{missing[0]}': they would be random; save the whole model"
        )
    return model


def _model_class(name: str) -> Any:
    import transformers

    # dir() names what exists without importing it
    if name not in dir(transformers):
        classes = [
            known for known in dir(transformers) if known.endswith("Model") or "For" in known
        ]
        raise LoadError(
            f"transformers {transformers.__version__} has no architecture "
            f"'{name}'{did_you_mean(name, classes)}"
        )
    found: Any = getattr(transformers, name)
    is_model = inspect.isclass(found) and issubclass(found, transformers.PreTrainedModel)
    if not is_model:
        raise LoadError(
            f"'{name}' of transformers is not a model class: name one such as BertModel"
        )
    if found.config_class is None:
        raise LoadError(f"'{name}' has no configuration of its own: name one of its subclasses")
    return found


def _optional_keys(model_class: Any) -> frozenset[str]:
    """Keys that the model's code reads with a default, though no configuration declares them."""
    code = inspect.getsource(sys.modules[model_class.__module__])
    return frozenset(re.findall(r'(?:get|has)attr\((?:self\.)?config, "(\w+)"', code))


def _check_keys(
    config_class: Any,
    given: Mapping[str, JsonValue],
    *,
    optional: frozenset[str],
    prefix: str = "",
) -> None:
    """Refuse unknown configuration keys, which transformers would store and ignore."""
    default = config_class()
    known: Iterable[str] = {
        *(name for name in vars(default) if not name.startswith("_")),
        *config_class.attribute_map,
        *_COMMON_KEYS,
        *optional,
    }
    for key, value in given.items():
        if key not in known:
            raise LoadError(
                f"{config_class.__name__} has no key '{prefix}{key}'{did_you_mean(key, known)}"
            )
        nested = getattr(default, key, None)
        if isinstance(value, dict) and hasattr(type(nested), "attribute_map"):
            _check_keys(type(nested), value, optional=optional, prefix=f"{prefix}{key}.")
