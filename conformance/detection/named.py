"""What a name stands for: a manifest, a local file or folder, or the id of a hub model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from conformance.detection.formats import Format, Refusal, format_of
from conformance.entry import ZooEntry
from conformance.errors import ConformanceError
from conformance.model import FrameworkInfo
from conformance.paths import check_hub_id
from conformance.zoo import ZooError, read_zoo
from conformance.zoo.suggest import did_you_mean

_MANIFESTS = (".yaml", ".yml")
_HUB = "hf://"


class Undetected(ConformanceError):
    """It cannot be told what a name stands for, or what the model takes; says what to write."""


@dataclass(frozen=True, slots=True)
class Named:
    """A model as a user named it; exactly one of ``entry`` and ``framework`` is known."""

    #: Fields of the entry's ``source``.
    source: Mapping[str, JsonValue]
    #: Folder that the source's path is relative to.
    zoo_dir: Path
    #: What was seen and what was made of it, one sentence each.
    told: tuple[str, ...]
    #: From which an entry's id can be made.
    label: str
    framework: str | None = None
    #: Of a manifest, which says everything itself.
    entry: ZooEntry | None = None
    #: File and line of the manifest's entry.
    place: str | None = None
    #: ``source`` fields that must be allowed by the user before anything is read.
    needs: tuple[str, ...] = field(default=())


def find(name: str, frameworks: Mapping[str, FrameworkInfo], framework: str | None) -> Named:
    """Tell what ``name`` stands for; nothing of a model is read, and no network is asked.

    Args:
        name: ``file.yaml``, ``file.yaml#id``, a path, ``org/name`` or ``hf://org/name``.
        frameworks: the known ones, by name.
        framework: what the user says it is, where a folder could be several things.

    Raises:
        Undetected: when it is nothing that is known, or several things.
    """
    path_text, _, fragment = name.partition("#")
    path = Path(path_text)
    if path.suffix in _MANIFESTS and (path.is_file() or fragment):
        return _of_manifest(path, fragment, frameworks)
    if name.startswith(_HUB):
        return _of_hub(name.removeprefix(_HUB), framework)
    if path.exists():
        found = _of_path(path, fragment, framework)
        if _is_hub_id(name) and "/" in name and not name.startswith("."):
            note = f"taken for the path; '{_HUB}{name}' would be the hub's model of that name"
            return _with(found, note)
        return found
    if _is_path(name):
        raise Undetected(
            f"there is no file or folder '{path}': give a path that exists, a manifest "
            "(file.yaml or file.yaml#id), or a hub id such as 'org/name'"
        )
    return _of_hub(name, framework)


def _of_manifest(path: Path, wanted: str, frameworks: Mapping[str, FrameworkInfo]) -> Named:
    try:
        entries = read_zoo([path], frameworks).entries
    except ZooError as error:
        raise Undetected(str(error)) from error
    ids = [located.entry.id for located in entries]
    if not wanted and len(entries) > 1:
        listed = ", ".join(ids[:8]) + (", ..." if len(ids) > 8 else "")  # noqa: PLR2004 - a line
        raise Undetected(
            f"'{path}' holds {len(ids)} models: name one, as '{path}#{ids[0]}' (there are {listed})"
        )
    for located in entries:
        if wanted in ("", located.entry.id):
            place = f"{located.file}:{located.line}"
            return Named(
                source={},
                zoo_dir=located.zoo_dir,
                told=(f"the entry '{located.entry.id}' at {place}",),
                label=located.entry.id,
                entry=located.entry,
                place=place,
            )
    raise Undetected(f"'{path}' has no model '{wanted}'{did_you_mean(wanted, ids)}")


def _of_hub(name: str, framework: str | None) -> Named:
    try:
        check_hub_id(name)
    except ValueError as error:
        raise Undetected(
            f"'{name}' is no file or folder here, no manifest, and no hub id: {error}"
        ) from error
    if framework not in (None, "transformers"):
        raise Undetected(
            f"models of the hub are read as framework 'transformers', not '{framework}': "
            "download it, and name the file"
        )
    return Named(
        source={"hub": name},
        zoo_dir=Path.cwd(),
        told=(f"'{name}' is nothing here: taken for a model of the Hugging Face hub",),
        label=name.rpartition("/")[2],
        framework="transformers",
    )


def _of_path(path: Path, fragment: str, framework: str | None) -> Named:
    try:
        found: Format = format_of(path, fragment, framework)
    except Refusal as error:
        raise Undetected(str(error)) from error
    return Named(
        source=found.source,
        zoo_dir=found.zoo_dir,
        told=found.told,
        label=found.label,
        framework=found.framework,
        needs=found.needs,
    )


def _with(named: Named, note: str) -> Named:
    return Named(
        named.source,
        named.zoo_dir,
        (*named.told, note),
        named.label,
        named.framework,
        needs=named.needs,
    )


def _is_hub_id(name: str) -> bool:
    try:
        check_hub_id(name)
    except ValueError:
        return False
    return True


def _is_path(name: str) -> bool:
    """Whether a name that does not exist was meant as a path, and as nothing else."""
    from conformance.detection.formats import SUFFIXES

    suffix = Path(name.partition("#")[0]).suffix
    return name.startswith(("/", ".", "~")) or suffix in (*SUFFIXES, *_MANIFESTS)
