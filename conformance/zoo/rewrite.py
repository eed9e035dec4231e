"""Changed zoo files: made in memory, read again before they count, and written in one step."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.entry import Expectation
from conformance.errors import ConformanceError
from conformance.model import FrameworkInfo
from conformance.zoo.decoding import decode
from conformance.zoo.edit import CannotChange, Change, change_expect
from conformance.zoo.problems import ZooError
from conformance.zoo.reader import LocatedEntry, Zoo, read_zoo

_MARK = b"\xef\xbb\xbf"


class FileChanged(ConformanceError):
    """A file is no longer what it was when it was read."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One file as it is and as it is to be."""

    #: As the zoo names it.
    path: Path
    before: bytes
    after: bytes

    def diff(self) -> list[str]:
        """A unified diff, one line per item, each with its line break."""
        old, new = (decode(part).split("\n") for part in (self.before, self.after))
        name = str(self.path)
        return [
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for line in difflib.unified_diff(_with_breaks(old), _with_breaks(new), name, name)
        ]

    def write(self) -> None:
        """Put the new text in the place of the old, completely or not at all.

        Raises:
            FileChanged: when the file is not what it was when the change was made.
            OSError: when it cannot be written; the old text is still there.
        """
        target = self.path.resolve()  # a link stays a link
        if target.read_bytes() != self.before:
            raise FileChanged(
                f"{self.path} has changed since it was read; it is left as it is: run again"
            )
        handle, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
        beside = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.after)
                file.flush()
                os.fsync(file.fileno())
            beside.chmod(target.stat().st_mode & 0o7777)
            beside.replace(target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What became of some changes."""

    files: tuple[Rewrite, ...]
    #: Model id to why its change has to be made by a person.
    refused: Mapping[str, str]


def rewrite(
    paths: Sequence[Path], frameworks: Mapping[str, FrameworkInfo], changes: Mapping[str, Change]
) -> Rewritten:
    """Make changes to the entries of a zoo, each in the file that holds the entry.

    A change that cannot be made, or whose text would not read back as just that change, is
    refused; the others are made all the same.

    Args:
        paths: the zoo files.
        frameworks: the known frameworks by name.
        changes: model id to what is to become of its known failures.

    Raises:
        ZooError: when the zoo is not valid to begin with.
    """
    zoo = read_zoo(paths, frameworks)
    before = {path: path.read_bytes() for path in {e.file.resolve() for e in zoo.entries}}
    after = dict(before)
    refused = {}
    for located, model in _numbered(zoo):
        change = changes.get(located.entry.id)
        if not change:
            continue
        path = located.file.resolve()
        try:
            new = _changed(after[path], located, model, change)
            zoo = _read_back(zoo, paths, {**after, path: new}, located.entry.id, change)
        except CannotChange as error:
            refused[located.entry.id] = str(error)
        else:
            after[path] = new
    files = {e.file.resolve(): e.file for e in zoo.entries}
    return Rewritten(
        tuple(
            Rewrite(named, before[path], after[path])
            for path, named in files.items()
            if after[path] != before[path]
        ),
        refused,
    )


def _numbered(zoo: Zoo) -> list[tuple[LocatedEntry, int]]:
    """Every entry with its position in its file: a valid zoo leaves none out."""
    seen: dict[Path, int] = {}
    numbered = []
    for located in zoo.entries:
        number = seen.get(located.file, 0)
        seen[located.file] = number + 1
        numbered.append((located, number))
    return numbered


def _changed(content: bytes, located: LocatedEntry, model: int, change: Change) -> bytes:
    mark = _MARK if content.startswith(_MARK) else b""
    known = len(located.entry.expect)
    return mark + change_expect(decode(content), model, known, change).encode()


def _read_back(
    zoo: Zoo, paths: Sequence[Path], contents: Mapping[Path, bytes], model: str, change: Change
) -> Zoo:
    """Read the changed text: it must differ in the ``expect`` of one model, as was meant."""
    try:
        new = read_zoo(paths, zoo.frameworks, contents)
    except ZooError as error:
        raise CannotChange(f"the changed file would not be valid: {error.problems[0]}") from error
    if len(new.entries) != len(zoo.entries):
        raise CannotChange("the way it is written does not allow it")
    for was, now in zip(zoo.entries, new.entries, strict=True):
        meant: tuple[Expectation, ...] = was.entry.expect
        if was.entry.id == model:
            meant = change.applied_to(meant)
        if now.entry != was.entry.model_copy(update={"expect": meant}):
            whose = "" if was.entry.id == model else f": the entry '{was.entry.id}' shares its text"
            raise CannotChange(f"the way it is written does not allow it{whose}")
    return new


def _with_breaks(lines: list[str]) -> list[str]:
    """Lines of a text that was split at line feeds, with their line feeds again."""
    broken = [f"{line}\n" for line in lines[:-1]]
    return [*broken, lines[-1]] if lines[-1] else broken
