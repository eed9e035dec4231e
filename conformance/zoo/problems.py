"""What can be wrong with a zoo, and where: the reader's only kind of error."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from conformance.errors import ConformanceError
from conformance.redaction import hide_secrets

#: Line and column, counted from 1.
Position = tuple[int, int]

START: Position = (1, 1)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in one place; line and column count from 1."""

    file: Path
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        """One line, whatever names and values the zoo holds."""
        return _printable(hide_secrets(f"{self.file}:{self.line}:{self.column}: {self.message}"))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class ZooError(ConformanceError):
    """The zoo files cannot be used; :attr:`problems` says everything that is wrong."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Findings:
    """Collects problems; the same problem found twice counts once."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}
        self._files: dict[Path, int] = {}

    def begin(self, file: Path) -> None:
        """Note that ``file`` is looked at next: its problems stand after those of others."""
        self._files.setdefault(file, len(self._files))

    def add(self, file: Path, position: Position, message: str) -> None:
        """Note that ``message`` is true of ``position`` in ``file``."""
        self._found[Problem(file, *position, message)] = None

    def add_all(self, file: Path, flaws: Iterable[tuple[Position, str]]) -> None:
        """Note several problems of one file."""
        for position, message in flaws:
            self.add(file, position, message)

    def has_any(self) -> bool:
        """Whether anything was found."""
        return bool(self._found)

    def sorted(self) -> tuple[Problem, ...]:
        """Every problem: files in the order they were begun, then by position."""
        order = self._files
        return tuple(sorted(self._found, key=lambda p: (order[p.file], p.line, p.column)))
