"""Framework by file: told by names and listings.

Nothing of a model is opened but the small JSON files that say what a folder is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from conformance.detection.entrypoints import HUBCONF, entrypoints

_BY_SUFFIX = {
    ".keras": "tensorflow",
    ".h5": "tensorflow",
    ".hdf5": "tensorflow",
    ".pt": "pytorch",
    ".pth": "pytorch",
    ".pt2": "pytorch",
    ".skops": "sklearn",
    ".joblib": "sklearn",
    ".pkl": "sklearn",
    ".pickle": "sklearn",
}
#: Files that are a model or a part of one.
SUFFIXES = (*_BY_SUFFIX, ".safetensors", ".bin", ".pb", ".onnx")
#: What Transformers calls its weights beside config.json, of whichever framework.
_WEIGHTS = ("pytorch_model", "tf_model", "flax_model", "rust_model", "model")
#: Formats that run code when they are read.
_PICKLED = (".pt2", ".joblib", ".pkl", ".pickle")
_CONFIG, _SAVED_MODEL = "config.json", "saved_model.pb"
_MODELSCOPE = "configuration.json"
#: As many names as fit on a line or two.
_LISTED = 20


class Refusal(Exception):
    """A file or folder is no model, or several; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Format:
    """A local model."""

    framework: str
    source: dict[str, JsonValue]
    zoo_dir: Path
    label: str
    told: tuple[str, ...]
    #: Fields of ``source`` without which the model is not read.
    needs: tuple[str, ...] = ()


def format_of(path: Path, fragment: str, framework: str | None) -> Format:
    """The model that a file or folder is.

    Args:
        path: exists.
        fragment: what was written behind ``#``: the entry point of a ``hubconf.py``.
        framework: the user's word for it, which decides between several.

    Raises:
        Refusal: when it is none, or several.
    """
    whole = path.expanduser().resolve()
    found = _of_folder(whole, fragment) if whole.is_dir() else [_of_file(whole, fragment)]
    if fragment and not any("entrypoint" in each.source for each in found):
        raise Refusal(f"'#{fragment}' means nothing for '{path}', which has no {HUBCONF}")
    fitting = [each for each in found if framework in (None, each.framework)]
    if len(fitting) == 1:
        return fitting[0]
    if found and not fitting:
        kinds = " or ".join(sorted({each.framework for each in found}))
        raise Refusal(f"'{path}' is a model of {kinds}, not of '{framework}'")
    if not found:
        raise Refusal(_nothing_in(whole))
    listed = "; ".join(
        f"{each.framework}: '{each.source.get('path', HUBCONF)}'" for each in fitting
    )
    same = len({each.framework for each in fitting}) == 1
    step = "name one of the files" if same else "name the file, or say which with --framework"
    raise Refusal(f"'{path}' could be several models ({listed}): {step}")


def _of_file(file: Path, fragment: str) -> Format:
    name, suffix = file.name, file.suffix.lower()
    if name == HUBCONF:
        return _hubconf(file.parent, fragment)
    if name == _SAVED_MODEL:
        return _local("tensorflow", file.parent, f"'{name}': a SavedModel of TensorFlow")
    if name in (_CONFIG, _MODELSCOPE) or suffix in (".safetensors", ".bin"):
        model_type = _model_type(file.parent)
        if model_type is not None:
            return _transformers(file.parent, model_type)
        if name in (_CONFIG, _MODELSCOPE):
            raise Refusal(f"'{file}' names no 'model_type': it describes no Transformers model")
        raise Refusal(
            f"'{name}' holds weights and no model: name a folder whose {_CONFIG} has a "
            "'model_type', or write a manifest whose factory builds the model and loads them"
        )
    if suffix == ".onnx":
        raise Refusal(f"'{name}' is ONNX already: `conformance replay` runs its test data")
    framework = _BY_SUFFIX.get(suffix)
    if framework is None:
        raise Refusal(
            f"'{name}' is no model file that is known: {', '.join(SUFFIXES[:-1])}, a folder, or "
            "a manifest (.yaml) that says how the model is built"
        )
    needs = ("allow_pickle",) if suffix in _PICKLED else ()
    return _local(framework, file, f"'{name}': a model file of {framework}", needs)


def _of_folder(folder: Path, fragment: str) -> list[Format]:
    builds = (folder / HUBCONF).is_file()
    if builds and fragment:
        return [_hubconf(folder, fragment)]
    found = []
    model_type = _model_type(folder)
    if model_type is not None:
        found.append(_transformers(folder, model_type))
    if (folder / _SAVED_MODEL).is_file():
        found.append(_local("tensorflow", folder, f"holds {_SAVED_MODEL}: a SavedModel"))
    if builds and not found:
        found.append(_hubconf(folder, ""))
    for file in sorted(folder.iterdir()):
        weights = model_type is not None and file.stem.startswith(_WEIGHTS)
        if file.suffix.lower() in _BY_SUFFIX and file.is_file() and not weights:
            found.append(_of_file(file, ""))
    return found


def _nothing_in(folder: Path) -> str:
    tried = f"{_CONFIG} with 'model_type', {_SAVED_MODEL}, {HUBCONF}, or a file that ends in "
    more = ""
    if (folder / _MODELSCOPE).is_file():
        told = _read_json(folder / _MODELSCOPE)
        more = (
            f"; its {_MODELSCOPE} says framework {told.get('framework')!r}, task "
            f"{told.get('task')!r}, but no file of such a model is there"
        )
    elif (folder / _CONFIG).is_file():
        more = f"; its {_CONFIG} names no 'model_type'"
    return f"'{folder}' holds no model: {tried}{', '.join(_BY_SUFFIX)}{more}"


def _transformers(folder: Path, model_type: str) -> Format:
    told = [f"{_CONFIG} with model_type '{model_type}': a Transformers model"]
    if (folder / "modules.json").is_file():
        told.append(
            "modules.json: Sentence Transformers pools what this model answers; the pooling is no "
            "part of the conversion"
        )
    if (folder / _MODELSCOPE).is_file():
        told.append(f"{_MODELSCOPE}: as ModelScope delivers it")
    return Format("transformers", {"path": folder.name}, folder.parent, folder.name, tuple(told))


def _local(framework: str, path: Path, told: str, needs: tuple[str, ...] = ()) -> Format:
    label = path.stem if path.is_file() else path.name
    return Format(framework, {"path": path.name}, path.parent, label, (told,), needs)


def _hubconf(folder: Path, wanted: str) -> Format:
    entrypoint, told = chosen_entrypoint(folder, wanted, f"{folder}#")
    return Format(
        "pytorch",
        {"torch_hub": f"./{folder.name}", "entrypoint": entrypoint},
        folder.parent,
        entrypoint,
        (f"{HUBCONF}: a torch.hub repository, {told}",),
        ("trust_remote_code",),
    )


def chosen_entrypoint(folder: Path, wanted: str, spelled: str) -> tuple[str, str]:
    """The function of a ``hubconf.py`` that is meant, and how that is told.

    Args:
        folder: holds the file.
        wanted: its name; empty for the only one that there is. Whether there is one of that name
            is known when the code is run: names can be made in ways that its text does not show.
        spelled: how the model was named, up to the function's name.

    Raises:
        Refusal: when no name is wanted and it is not one function that there is.
    """
    if wanted:
        return wanted, f"of which '{wanted}' is built"
    try:
        names = entrypoints(folder)
    except ValueError as error:
        raise Refusal(f"{error}: name the function that builds it, as {spelled}NAME") from error
    if len(names) == 1:
        return names[0], f"whose only function, '{names[0]}', builds the model"
    if not names:
        raise Refusal(f"'{folder / HUBCONF}' has no function that builds a model")
    listed = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
    raise Refusal(
        f"'{folder / HUBCONF}' builds several models: name one, as {spelled}{names[0]} (there are "
        f"{listed})"
    )


def _model_type(folder: Path) -> str | None:
    file = folder / _CONFIG
    found = _read_json(file).get("model_type") if file.is_file() else None
    return found if isinstance(found, str) and found else None


def _read_json(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise Refusal(f"'{file}' cannot be read: {error}") from error
    return data if isinstance(data, dict) else {}
