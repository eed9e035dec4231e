"""Files and folders that a zoo names: the one way from an entry's path to what is opened."""

from __future__ import annotations

from pathlib import Path

from conformance.entry import ZooEntry
from conformance.errors import InputsError, LoadError, StageError
from conformance.onnx_files import mistaken
from conformance.paths import stray

#: How files end that hold a model's weights; others may be empty, or pages.
_WEIGHTS = frozenset(
    {
        *(".bin", ".h5", ".joblib", ".keras", ".pb", ".pickle", ".pkl", ".pt", ".pt2", ".pth"),
        *(".safetensors", ".skops"),
    }
)


def model_path(path: str, zoo_dir: Path) -> Path:
    """Where a source's model lies; whether it is there is for its reader to say.

    Args:
        path: as the entry gives it.
        zoo_dir: folder of the zoo file, which neither the path nor a link may leave.

    Raises:
        LoadError: when it is not the folder's own, or when it, or a file of weights in it, is
            empty, a web page or a Git LFS pointer.
    """
    found = _own(path, zoo_dir, "the model", LoadError)
    for file in sorted(found.rglob("*")) if found.is_dir() else [found]:
        if file.suffix in _WEIGHTS and file.is_file() and (what := mistaken(file)) is not None:
            raise LoadError(f"'{file.relative_to(zoo_dir)}' {what}")
    return found


def input_path(path: str, zoo_dir: Path) -> Path:
    """Where a file of inputs lies; see :func:`model_path`.

    Raises:
        InputsError: when it is not the folder's own.
    """
    return _own(path, zoo_dir, "the input file", InputsError)


def local_files(entry: ZooEntry, zoo_dir: Path) -> list[Path]:
    """Every file and folder that an entry names.

    Raises:
        LoadError, InputsError: for the first that is not the folder's own.
    """
    path = entry.source.local_path
    found = [] if path is None else [model_path(path, zoo_dir)]
    return found + [input_path(name, zoo_dir) for name in entry.inputs.files or ()]


def model_size_bytes(entry: ZooEntry, zoo_dir: Path) -> int:
    """Size of the file or folder that an entry's model is read from; 0 for models of other places.

    It is for planning: what cannot be looked at counts nothing, and nothing is opened.
    """
    path = entry.source.local_path
    if path is None or stray(zoo_dir, path) is not None:
        return 0
    found = zoo_dir / path
    try:
        files = found.rglob("*") if found.is_dir() else [found]
        return sum(file.stat().st_size for file in files if file.is_file())
    except OSError:
        return 0


def _own(path: str, zoo_dir: Path, what: str, error: type[StageError]) -> Path:
    if (reason := stray(zoo_dir, path)) is not None:
        raise error(
            f"{what} {path!r} {reason}; nothing of it was opened. For files elsewhere, put a zoo "
            "file beside them and include it"
        )
    return zoo_dir / path
