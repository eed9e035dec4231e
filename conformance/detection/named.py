"""What a name stands for: a manifest, a local file or folder, or a model of another place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import JsonValue

from conformance.detection.formats import SUFFIXES, Format, Refusal, format_of
from conformance.entry import SourceKind, ZooEntry
from conformance.errors import ConformanceError
from conformance.model import FrameworkInfo
from conformance.sources.spelling import FORMS, PLACES, Remote, parse_hub_id, parse_remote
from conformance.zoo import ZooError, read_zoo
from conformance.zoo.suggest import did_you_mean

#: How files end that hold entries of a zoo.
MANIFESTS = (".yaml", ".yml")
#: What reads the models of a place.
_FRAMEWORKS: Mapping[SourceKind, str] = {
    "hub": "transformers",
    "modelscope": "transformers",
    "kaggle": "tensorflow",
    "url": "tensorflow",
    "torch_hub": "pytorch",
}


class Undetected(ConformanceError):
    """It cannot be told what a name stands for, or what the model takes; says what to write."""


@dataclass(frozen=True, slots=True)
class Named:
    """A model as a user named it; exactly one of ``entry`` and ``framework`` is known."""

    #: Fields of the entry's ``source``, of a local model.
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
    #: Of a model that has to be fetched.
    remote: Remote | None = None


def find(name: str, frameworks: Mapping[str, FrameworkInfo], framework: str | None) -> Named:
    """Tell what ``name`` stands for; nothing of a model is read, and no network is asked.

    Args:
        name: ``file.yaml``, ``file.yaml#id``, a path, ``org/name``, or a model of another place
            as :data:`~conformance.sources.spelling.FORMS` has it.
        frameworks: the known ones, by name.
        framework: what the user says it is, where a folder could be several things.

    Raises:
        Undetected: when it is nothing that is known, or several things.
    """
    remote = remote_named(name)
    if remote is not None:
        return _of_remote(remote, name, framework)
    path_text, _, fragment = name.partition("#")
    path = Path(path_text)
    if path.suffix in MANIFESTS and (path.is_file() or fragment):
        return _of_manifest(path, fragment, frameworks)
    if not _is_there(path):
        raise Undetected(
            f"there is no file or folder '{path}': give a path that exists, a manifest "
            "(file.yaml or file.yaml#id), or a hub id such as 'org/name'"
        )
    found = _of_path(path, fragment, framework)
    if "/" in name and not name.startswith("."):
        try:
            hub = parse_hub_id(name)
        except ValueError:
            return found
        note = f"taken for the path; '{hub}' would be the hub's model of that name"
        return replace(found, told=(*found.told, note))
    return found


def remote_named(name: str) -> Remote | None:
    """The model of another place that a name stands for; None for what is, or should be, here.

    Raises:
        Undetected: when it is neither.
    """
    try:
        remote = parse_remote(name)
    except ValueError as error:
        raise Undetected(str(error)) from error
    if remote is not None:
        return remote
    path = Path(name.partition("#")[0])
    meant = name.startswith(("/", ".", "~")) or path.suffix in (*SUFFIXES, *MANIFESTS)
    if meant or _is_there(path):
        return None
    try:
        return parse_hub_id(name)
    except ValueError as error:
        forms = ", ".join(FORMS.values())
        raise Undetected(
            f"'{name}' is no file or folder here and no manifest; models of other places are "
            f"written {forms}, and org/name alone is the Hugging Face hub's"
        ) from error


def not_here(name: str) -> str:
    """Tail of a message about a model that could not be had: that nothing here has its name.

    Empty for a model that is here, and for a name that says which other place it is of.
    """
    path = Path(name.partition("#")[0])
    if ":" in name or _is_there(path):
        return ""
    try:
        close = did_you_mean(path.name, [entry.name for entry in path.parent.iterdir()])
    except OSError:
        close = ""  # no folder that could be looked into
    return f" (taken for a hub id, since there is no file or folder '{path}' here{close})"


def canonical_name(name: str, revision: str | None = None) -> str:
    """One text for all ways to name the same model, by which a registry knows it.

    The hub's models have their ids, those of other places the form that they are written in, and
    what is here its absolute path.

    Args:
        name: as for :func:`find`.
        revision: asked for beside the name.

    Raises:
        Undetected: when it is nothing that is known.
    """
    remote = remote_named(name)
    if remote is not None:
        return str(at_revision(remote, revision)).removeprefix("hf:")
    path, hash_sign, fragment = name.partition("#")
    return f"{Path(path).absolute()}{hash_sign}{fragment}"


def at_revision(remote: Remote, revision: str | None) -> Remote:
    """``remote`` at a revision that is said beside its name.

    Raises:
        Undetected: when it has none, or another one.
    """
    if revision is None or revision == remote.revision:
        return remote
    if remote.kind not in ("hub", "modelscope", "torch_hub"):
        raise Undetected(f"--revision goes with a repository; '{remote}' is {PLACES[remote.kind]}")
    if remote.revision is not None:
        raise Undetected(f"'{remote}' says its revision, and --revision says '{revision}'")
    return replace(remote, revision=revision)


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


def _of_remote(remote: Remote, name: str, framework: str | None) -> Named:
    reads, place = _FRAMEWORKS[remote.kind], PLACES[remote.kind]
    if framework not in (None, reads):
        raise Undetected(
            f"models of {place} are read as framework '{reads}', not '{framework}': download it, "
            "and name the file"
        )
    what = f"taken for a model of {place}"
    return Named(
        source={},
        zoo_dir=Path.cwd(),
        told=(f"'{name}' {what}" if ":" in name else f"'{name}' is nothing here: {what}",),
        label=remote.label,
        framework=reads,
        needs=("trust_remote_code",) if remote.kind == "torch_hub" else (),
        remote=remote,
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


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that no file can have
        return False
