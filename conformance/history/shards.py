"""Runs of parts of a zoo: where they are, and whether together they are one run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.errors import HistoryError
from conformance.history.folder import list_runs
from conformance.history.records import StoredRun, read_run

_RUN_ID = re.compile(r"(\d{8}T\d{6}Z)-[0-9a-f]+")
_SHARD = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,5})")
#: What has to be the same for parts to be of one run, in words.
_SAME = {
    "commit": "commit",
    "zoos": "zoo files",
    "seed": "seed",
    "zoo_cases": "cases in the zoo files",
    "division": "division of the zoo into parts: the history they divided it by is not the same",
}
_SHOWN = ("commit", "zoos", "seed")
#: Folder of failures in a report folder.
FAILURES = "failures"


class NotOneRun(HistoryError):
    """What was named are not the parts of one run."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A run of a part of a zoo, as its machine left it."""

    path: Path
    run: StoredRun
    #: Which part, counted from 1, of how many.
    number: int
    parts: int

    @property
    def name(self) -> str:
        """As the option takes it: ``2/3``."""
        return f"{self.number}/{self.parts}"

    @property
    def status(self) -> str:
        """As in a footer: "finished", "interrupted" or "crashed"."""
        return self.run.footer.status if self.run.footer else "crashed"

    @property
    def failures(self) -> Path:
        """Folder of failures of the report folder that the run is in."""
        return self.path.parent.parent / FAILURES


def read_shard(path: Path) -> Shard:
    """The run at a path: a run's JSON lines, or a report folder, whose newest run is meant.

    Raises:
        NotOneRun: when there is none, or it is not of a part of a zoo.
        HistoryError: when it cannot be read.
    """
    if path.is_dir():
        runs = list_runs(path)
        if not runs:
            raise NotOneRun(f"{path} holds no run: name a report folder or a run's .jsonl file")
        path = runs[-1]
    elif not path.is_file():
        raise NotOneRun(f"{path} is not there: name a report folder or a run's .jsonl file")
    run = read_run(path)
    named = _SHARD.fullmatch(run.header.shard or "")
    if named is None or int(named[1]) > int(named[2]):
        told = f"part {run.header.shard}" if run.header.shard else "the whole zoo"
        raise NotOneRun(
            f"{path} is of {told}: only runs made with --zoo-shard I/N can be merged; name the "
            ".jsonl file of one where the folder has other runs too"
        )
    if not _RUN_ID.fullmatch(run.header.id):
        raise NotOneRun(f"{path}: '{run.header.id}' is no id of a run")
    return Shard(path, run, int(named[1]), int(named[2]))


def missing_parts(shards: Sequence[Shard], *, partial: bool) -> tuple[int, ...]:
    """The parts of a run that are not there.

    Args:
        shards: in the order of their numbers, at least one.
        partial: parts may be missing.

    Raises:
        NotOneRun: when they are not of one run, one of them tells nothing, or a part is missing
            that may not.
    """
    first, *others = shards
    for other in others:
        if other.parts != first.parts:
            raise NotOneRun(f"{first.path} is part {first.name}, {other.path} is {other.name}")
        for field, words in _SAME.items():
            ours, theirs = getattr(first.run.header, field), getattr(other.run.header, field)
            if ours != theirs:
                shown = f" ({as_text(ours)}, {as_text(theirs)})" if field in _SHOWN else ""
                raise NotOneRun(f"{first.path} and {other.path} differ in their {words}{shown}")
    for shard in shards:
        if shard.run.plan is None:
            raise NotOneRun(
                f"{shard.path} died before its tests were selected: run part {shard.name} again"
                + ("; or leave it out" if partial else ", or leave it out and add --partial")
            )
    missing = tuple(sorted(set(range(1, first.parts + 1)) - {shard.number for shard in shards}))
    if missing and not partial:
        names = ", ".join(f"{number}/{first.parts}" for number in missing)
        raise NotOneRun(f"no run of part {names} was named: add it, or say --partial")
    return missing


def as_text(value: Any) -> str:
    """A fact of a run for people."""
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return "none" if value is None else str(value)
