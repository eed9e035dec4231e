"""Find model folders in a tree, one at a time."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conformance.bundle import COMPONENTS, MANIFEST
from conformance.paths import strange_file

#: What ONNX calls the folders that hold the inputs and outputs of one run.
DATA_SET_PREFIX = "test_data_set_"
#: Further folders of tensors, of which none is a model folder.
_FP64 = "reference_fp64"
_PARTS_OF_BUNDLES = frozenset({"margins", "probes", COMPONENTS})


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder that claims to hold a model with its test data."""

    path: Path
    #: Whether it is a bundle of this package.
    ours: bool
    #: The one model of a foreign folder; None for bundles and where ``problem`` is set.
    model: Path | None = None
    #: Why the folder cannot be replayed.
    problem: str | None = None


def find_model_folders(root: Path) -> Iterator[ModelFolder]:
    """Every model folder in ``root`` and below, by name, as the tree is walked.

    A folder counts when it has a ``test_data_set_*`` or a ``bundle.json`` in it; what is
    wrong with it stands in :attr:`ModelFolder.problem`, so that nothing is skipped in
    silence. Links to folders are not followed: the walk ends on every tree.
    """
    waiting = [root]
    while waiting:
        path = waiting.pop()
        try:
            with os.scandir(path) as entries:
                children = sorted(entries, key=lambda entry: _natural(entry.name))
        except OSError as error:
            problem = f"the folder cannot be read: {error.strerror}"
            yield ModelFolder(path, ours=False, problem=problem)
            continue
        names = {child.name for child in children}
        has_data = any(c.name.startswith(DATA_SET_PREFIX) and c.is_dir() for c in children)
        found = has_data or MANIFEST in names
        if MANIFEST in names:
            yield ModelFolder(path, ours=True)
        elif has_data:
            yield _foreign(path, [c.name for c in children if _is_model(c)])
        waiting += [
            path / child.name
            for child in reversed(children)
            if child.is_dir(follow_symlinks=False)
            and not (found and _holds_tensors(child.name, ours=MANIFEST in names))
        ]


def data_set_folders(folder: Path) -> list[Path]:
    """The data sets of a model folder, ``test_data_set_10`` after ``test_data_set_9``."""
    found = (path for path in folder.glob(f"{DATA_SET_PREFIX}*") if path.is_dir())
    return sorted(found, key=lambda path: _natural(path.name))


def data_problem(folder: Path) -> str | None:
    """Why the data sets of a model folder must not be opened; None when all of it is theirs.

    Links lead elsewhere and a pipe is waited for without end. Hard links are accepted: package
    managers make them, of ONNX's own test data too.
    """
    for data_set in sorted(folder.glob(f"{DATA_SET_PREFIX}*")):
        if data_set.is_symlink():
            return f"{data_set.name} is a symbolic link: put the folder itself there"
        if (strange := strange_file(data_set, hard_links=True)) is not None:
            file, reason = strange
            return f"{file.relative_to(folder).as_posix()} {reason}"
    return None


def _foreign(path: Path, models: list[str]) -> ModelFolder:
    if len(models) == 1:
        return ModelFolder(path, ours=False, model=path / models[0])
    listed = f"{len(models)} .onnx files ({', '.join(models)})" if models else "no .onnx file"
    problem = f"the folder holds {listed}; one belongs beside its {DATA_SET_PREFIX}N"
    return ModelFolder(path, ours=False, problem=problem)


def _holds_tensors(name: str, *, ours: bool) -> bool:
    """Whether a folder in a model folder belongs to it."""
    beside_data = name.startswith(DATA_SET_PREFIX) or name == _FP64
    return beside_data or (ours and name in _PARTS_OF_BUNDLES)


def _is_model(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(".onnx") and entry.is_file()


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Order in which numbers within names count as numbers."""
    parts = re.split(r"([0-9]+)", name)
    return tuple((0, int(p), "") if i % 2 else (1, 0, p) for i, p in enumerate(parts))
