"""Transformers models built from an architecture's name, or read from a saved folder."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from conformance.entry import Source
from conformance.errors import LoadError
from conformance.paths import name_problem
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


def from_folder(folder: Path, *, allow_pickle: bool = False, run_code: bool = False) -> Any:
    """Read a model that ``save_pretrained`` wrote, in fp32, as the class its config names.

    Args:
        folder: holds ``config.json`` and the weights.
        allow_pickle: accept ``.bin`` weights; only ``.safetensors`` otherwise.
        run_code: let the model bring Python code of its own.

    Raises:
        LoadError: when the folder holds no such model, weights are missing from it, or it needs
            what is not allowed.
    """
    import torch
    import transformers

    if not (folder / "config.json").is_file():
        raise LoadError(
            f"'{folder}' holds no config.json: name a folder that save_pretrained() wrote"
        )
    _check_what_it_names(folder, allow_pickle=allow_pickle, run_code=run_code)
    try:
        config = transformers.AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=run_code
        )
        named = (config.architectures or [None])[0]
        own_class = _own_class(folder, config, named) if run_code else None
        if own_class is not None:
            model_class = own_class
        else:
            model_class = transformers.AutoModel if named is None else _model_class(named)
        model, loading = model_class.from_pretrained(
            folder,
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=None if allow_pickle else True,
            trust_remote_code=run_code,
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


def _check_what_it_names(folder: Path, *, allow_pickle: bool, run_code: bool) -> None:
    """Refuse code and pickles without leave, and files of other folders, before anything is read.

    Raises:
        LoadError: naming what has to be allowed, or is not there.
    """
    config = _read_json(folder / "config.json")
    reference = _code_of(config)
    if reference is not None and not run_code:
        raise LoadError(
            f"'{folder}' brings Python code of its own ('{reference}'), which would run when it "
            "is loaded: set 'trust_remote_code: true' if you trust its author"
        )
    if reference is not None and "--" in reference:
        raise LoadError(
            f"'{folder}' takes its code from another repository, '{reference}', which is not "
            "there to be read: put the code into the folder"
        )
    safe = any(folder.glob("*.safetensors"))
    pickled = sorted(file.name for file in folder.glob("pytorch_model*.bin"))
    if pickled and not safe and not allow_pickle:
        raise LoadError(
            f"'{folder}' holds its weights in '{pickled[0]}' only, a pickle, which can run any "
            "code when it is loaded: save them as .safetensors, or set 'allow_pickle: true' "
            "if you trust its author"
        )
    for index in folder.glob("*.index.json"):
        shards = _read_json(index).get("weight_map")
        for shard in set(shards.values() if isinstance(shards, dict) else ()):
            if (reason := name_problem(str(shard))) is not None:
                raise LoadError(f"'{index.name}' names the file {shard!r}, which {reason}")


def _code_of(config: Mapping[str, Any]) -> str | None:
    """``module.Class`` of the code that a configuration needs; None where transformers has it."""
    import transformers

    named = config.get("auto_map")
    if not isinstance(named, dict):
        return None
    architectures = config.get("architectures") or [None]
    known = config.get("model_type") in transformers.CONFIG_MAPPING
    if known and architectures[0] in (None, *dir(transformers)):
        return None
    return next((text for value in named.values() for text in _texts(value)), None)


def _texts(value: Any) -> list[str]:
    return [text for text in (value if isinstance(value, list) else [value]) if text]


def _read_json(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise LoadError(f"'{file}' cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise LoadError(f"'{file}' cannot be read: it holds no mapping")
    return data


def _own_class(folder: Path, config: Any, named: str | None) -> Any:
    """The class of the folder's own code that is named; None where it is one of transformers."""
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    for value in (getattr(config, "auto_map", None) or {}).values():
        for reference in _texts(value):
            if reference.rpartition(".")[2] == named:
                return get_class_from_dynamic_module(reference, folder, local_files_only=True)
    return None


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
