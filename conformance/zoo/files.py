"""The files of a zoo: the document's shape, its includes, and its defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.entry import ZooEntry
from conformance.zoo.decoding import TextError, decode
from conformance.zoo.nodes import Branch, Node
from conformance.zoo.parsing import parse
from conformance.zoo.problems import START, Findings, Position
from conformance.zoo.suggest import choices, describe, did_you_mean, quote

#: Version of the document's shape.
VERSION = 1
KEYS = ("version", "include", "defaults", "gate", "models")
#: What ``defaults`` may give: all of an entry but what makes it that entry.
DEFAULT_KEYS = tuple(key for key in ZooEntry.model_fields if key not in {"id", "source"})


@dataclass(frozen=True, slots=True)
class ZooFile:
    """One file's own share of a zoo."""

    #: As it was named on the command line, or by way of the file that includes it.
    path: Path
    #: Resolved path of the named file that it is part of: of itself where it was named, else of
    #: the one by way of which it was reached first.
    zoo: Path
    #: A mapping without unknown keys.
    defaults: Node
    #: The entries as written, each a mapping.
    models: tuple[Node, ...]
    #: The gate's rules as written, and where their key stands; ``None`` where there are none.
    gate: tuple[Node, Position] | None = None


def load_files(
    paths: Sequence[Path], findings: Findings, contents: Mapping[Path, bytes]
) -> list[ZooFile]:
    """Read zoo files and what they include.

    A file's includes come before its own models. A file that is reached twice is read
    once, at its first place; a file that includes itself, directly or not, is a problem.

    Args:
        paths: the zoo files.
        findings: gets what is wrong with them.
        contents: resolved path to content, for files that are not read from disk.
    """
    loader = _Loader(findings, contents, frozenset(map(_resolve, paths)))
    for path in paths:
        loader.load(path, (path, START), ())
    return loader.files


class _Loader:
    def __init__(
        self, findings: Findings, contents: Mapping[Path, bytes], named: frozenset[Path]
    ) -> None:
        self.files: list[ZooFile] = []
        self._findings = findings
        self._contents = contents
        self._named = named
        self._seen: set[Path] = set()

    def load(self, path: Path, named_at: tuple[Path, Position], within: tuple[Path, ...]) -> None:
        """Load ``path`` and its includes.

        Args:
            path: the file.
            named_at: file and position to blame when it cannot be read.
            within: the files, resolved, on the way from the first one to this.
        """
        self._findings.begin(path)
        resolved = _resolve(path)
        if resolved in within:
            self._findings.add(*named_at, f"{path} includes itself")
            return
        if resolved in self._seen:
            return
        self._seen.add(resolved)
        text = self._read(path, named_at)
        if text is None:
            return
        root, flaws = parse(text)
        self._findings.add_all(path, flaws)
        if root is None or root.value is None:
            return
        if not isinstance(root.value, dict):
            keys = "'models' and other keys"
            message = f"the top level must be a mapping with {keys}, not {describe(root.value)}"
            self._findings.add(path, root.at, message)
            return
        self._check_keys(path, root)
        includes = self._includes(path, root.children.get("include"))
        for name in includes:
            self.load(path.parent / name.value, (path, name.at), (*within, resolved))
        models = self._models(path, root, included=bool(includes))
        defaults = self._defaults(path, root.children.get("defaults"))
        gate = root.children.get("gate")
        rules = None if gate is None else (gate, root.keys["gate"])
        zoo = next(file for file in (resolved, *reversed(within)) if file in self._named)
        self.files.append(ZooFile(path, zoo, defaults, models, rules))

    def _read(self, path: Path, named_at: tuple[Path, Position]) -> str | None:
        try:
            content = self._contents.get(_resolve(path))
            return decode(path.read_bytes() if content is None else content)
        except TextError as error:
            self._findings.add_all(path, error.flaws)
        except FileNotFoundError:
            self._findings.add(*named_at, f"there is no file {path}")
        except IsADirectoryError:
            self._findings.add(*named_at, f"{path} is a folder; name a zoo file in it")
        except OSError as error:
            self._findings.add(*named_at, f"{path} cannot be read: {error.strerror or error}")
        return None

    def _check_keys(self, path: Path, root: Node) -> None:
        for key, at in root.keys.items():
            if key not in KEYS:
                message = f"unknown key {quote(key)} at the top level{choices(key, KEYS)}"
                self._findings.add(path, at, message)
        version = root.children.get("version")
        if version is not None and (type(version.value) is not int or version.value != VERSION):
            message = f"version must be {VERSION}, not {describe(version.value)}"
            self._findings.add(path, version.at, message)

    def _includes(self, path: Path, include: Node | None) -> list[Node]:
        if include is None:
            return []
        if not isinstance(include.value, list):
            message = f"include must be a list of files, not {describe(include.value)}"
            self._findings.add(path, include.at, message)
        names = []
        for name in include.items():
            if isinstance(name.value, str) and name.value:
                names.append(name)
            else:
                message = f"an include must be a file's name, not {describe(name.value)}"
                self._findings.add(path, name.at, message)
        return names

    def _defaults(self, path: Path, defaults: Node | None) -> Node:
        if defaults is None:
            return Branch({}, START)
        if not isinstance(defaults.value, dict):
            message = f"defaults must be a mapping, not {describe(defaults.value)}"
            self._findings.add(path, defaults.at, message)
            return Branch({}, defaults.at)
        for key, at in defaults.keys.items():
            if key in {"id", "source"}:
                message = f"defaults cannot give '{key}': each model has its own"
                self._findings.add(path, at, message)
            elif key not in DEFAULT_KEYS:
                tail = did_you_mean(key, DEFAULT_KEYS)
                self._findings.add(path, at, f"unknown key {quote(key)} in defaults{tail}")
        return defaults.only(DEFAULT_KEYS)

    def _models(self, path: Path, root: Node, *, included: bool) -> tuple[Node, ...]:
        models = root.children.get("models")
        if models is None:
            if not included:
                message = "there are no models; list them under 'models', or 'include' files"
                self._findings.add(path, root.at, message)
            return ()
        if not isinstance(models.value, list):
            message = f"models must be a list, not {describe(models.value)}"
            self._findings.add(path, models.at, message)
        elif not models.value and not included:
            self._findings.add(path, models.at, "models is an empty list; give it an entry")
        entries = []
        for model in models.items():
            if isinstance(model.value, dict):
                entries.append(model)
            else:
                message = f"a model must be a mapping of keys, not {describe(model.value)}"
                self._findings.add(path, model.at, message)
        return tuple(entries)


def _resolve(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # a loop of symbolic links; reading it says so
        return path.absolute()
