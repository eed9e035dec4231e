"""Zoo files to validated, located entries and their cases.

A zoo file is one YAML mapping:

- ``version``: optional, 1;
- ``include``: a list of further zoo files, relative to this one, whose models come first;
- ``defaults``: any keys of an entry but ``id`` and ``source``, for every entry of *this
  file* that does not give the key itself. An included file has defaults of its own or
  none, so what an entry means never depends on who includes its file;
- ``gate``: what ``--zoo-gate`` holds a run against (:class:`conformance.gate.GateRules`); at
  most one of the files that are read together gives it, so that nobody has to guess which
  rules hold;
- ``models``: the list of entries (:class:`conformance.entry.ZooEntry`).

Reading collects everything that is wrong in all files before it gives up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from conformance.entry import Expectation, ZooEntry
from conformance.gate import GateRules
from conformance.model import Case, FrameworkInfo
from conformance.zoo.checks import check_names
from conformance.zoo.expand import expand
from conformance.zoo.expectations import check_expectations
from conformance.zoo.files import ZooFile, load_files
from conformance.zoo.messages import check_model
from conformance.zoo.nodes import Branch, Node
from conformance.zoo.problems import Findings, Position, ZooError
from conformance.zoo.suggest import describe, quote

#: What every entry needs, so that defaults can be read as an entry.
_STAND_IN: dict[str, JsonValue] = {
    "id": "x",
    "framework": "x",
    "source": {"factory": "x:x"},
    "inputs": {"factory": "x:x"},
}


@dataclass(frozen=True, slots=True)
class LocatedEntry:
    """A model of the zoo and where it is written."""

    entry: ZooEntry
    file: Path
    #: Counted from 1.
    line: int
    #: Absolute folder of ``file``: the entry's paths are relative to it.
    zoo_dir: Path
    #: Resolved path of the file that was asked for and that ``file`` is, or is included by.
    zoo: Path


@dataclass(frozen=True, slots=True)
class LocatedCase:
    """A case and where its entry is written."""

    case: Case
    file: Path
    #: Counted from 1.
    line: int
    #: Absolute folder of ``file``: the entry's paths are relative to it.
    zoo_dir: Path


@dataclass(frozen=True, slots=True)
class Zoo:
    """Every entry of some zoo files, in the order of the files."""

    entries: tuple[LocatedEntry, ...]
    frameworks: Mapping[str, FrameworkInfo] = field(repr=False)
    gate: GateRules = field(default_factory=GateRules)

    def cases(self) -> tuple[LocatedCase, ...]:
        """Every entry under each of its exporters, opsets and variants, in file order."""
        return tuple(case for located in self.entries for case in self._cases_of(located))

    def cases_by_zoo(self) -> dict[Path, tuple[LocatedCase, ...]]:
        """The same, each case once, under the resolved path of its :attr:`LocatedEntry.zoo`."""
        found: dict[Path, list[LocatedCase]] = {}
        for located in self.entries:
            found.setdefault(located.zoo, []).extend(self._cases_of(located))
        return {path: tuple(cases) for path, cases in found.items()}

    def _cases_of(self, located: LocatedEntry) -> Iterator[LocatedCase]:
        for case in expand(located.entry, self.frameworks.get(located.entry.framework)):
            yield LocatedCase(case, located.file, located.line, located.zoo_dir)


def read_zoo(
    paths: Sequence[Path],
    frameworks: Mapping[str, FrameworkInfo],
    contents: Mapping[Path, bytes] | None = None,
) -> Zoo:
    """Read and validate zoo files and everything they include.

    Args:
        paths: the zoo files.
        frameworks: the known frameworks by name.
        contents: resolved path to content, to read a file as it would be after a change.

    Raises:
        ZooError: with all that is wrong, in all files.
    """
    findings = Findings()
    reader = _Reader(frameworks, findings)
    for file in load_files(paths, findings, contents or {}):
        reader.read(file)
    if findings.has_any():
        raise ZooError(findings.sorted())
    return Zoo(tuple(reader.entries), frameworks, reader.gate)


class _Reader:
    def __init__(self, frameworks: Mapping[str, FrameworkInfo], findings: Findings) -> None:
        self.entries: list[LocatedEntry] = []
        self.gate = GateRules()
        self._gate_at: str | None = None
        self._frameworks = frameworks
        self._findings = findings
        #: Lower-cased id to the id as written and where.
        self._ids: dict[str, tuple[str, Path, Position]] = {}

    def read(self, file: ZooFile) -> None:
        """Take the entries of one file."""
        zoo_dir = file.path.absolute().parent
        self._findings.add_all(file.path, self._check_defaults(file.defaults))
        if file.gate is not None:
            self._read_gate(file.path, *file.gate)
        for model in file.models:
            node = model.filled_from(file.defaults)
            self._check_id(file.path, node)
            entry = self._entry(file.path, node)
            if entry is not None:
                located = LocatedEntry(entry, file.path, node.at[0], zoo_dir, file.zoo)
                self.entries.append(located)

    def _read_gate(self, path: Path, gate: Node, key_at: Position) -> None:
        if self._gate_at is not None:
            message = f"the gate is already given at {self._gate_at}; one zoo has one gate"
            self._findings.add(path, key_at, message)
            return
        self._gate_at = f"{path}:{key_at[0]}:{key_at[1]}"
        if not isinstance(gate.value, dict):
            message = f"gate must be a mapping of rules, not {describe(gate.value)}"
            self._findings.add(path, gate.at, message)
            return
        rules, flaws = check_model(GateRules, gate, ("gate",))
        self._findings.add_all(path, flaws)
        self.gate = rules or self.gate

    def _entry(self, path: Path, node: Node) -> ZooEntry | None:
        entry, flaws = _read_entry(node)
        names = list(check_names(node, self._frameworks, whole=True))
        self._findings.add_all(path, [*flaws, *names])
        if entry is None or names:
            return None
        if entry.expect:
            cases = expand(entry, self._frameworks.get(entry.framework))
            self._findings.add_all(path, check_expectations(node, entry, cases))
        return entry

    def _check_id(self, path: Path, node: Node) -> None:
        written = node.children.get("id")
        if written is None or not isinstance(written.value, str):
            return
        here = (written.value, path, written.at)
        other = self._ids.setdefault(written.value.lower(), here)
        if other is here:
            return
        there = f"{other[1]}:{other[2][0]}:{other[2][1]}"
        name = quote(written.value)
        if other[0] == written.value:
            message = f"the id {name} is already given to the model at {there}"
        else:
            message = f"the id {name} differs only in case from {quote(other[0])} at {there}"
        self._findings.add(path, written.at, message)

    def _check_defaults(self, defaults: Node) -> list[tuple[Position, str]]:
        """What is wrong with the defaults, seen as an entry that has what they lack."""
        stand_in = Branch({}, defaults.at)
        for key, value in _STAND_IN.items():
            stand_in.add(key, defaults.at, Node(value, defaults.at))
        return [
            *_read_entry(defaults.filled_from(stand_in))[1],
            *check_names(defaults, self._frameworks, whole=False),
        ]


def _read_entry(node: Node) -> tuple[ZooEntry | None, list[tuple[Position, str]]]:
    """Read one entry, defaults merged; returns it or what is wrong with it."""
    if "expect" not in node.children:
        return check_model(ZooEntry, node)
    # read apart: ZooEntry accepts a single mapping by way of a validator, behind which
    # pydantic's strict mode refuses every list
    entry, flaws = check_model(ZooEntry, node.only(node.children.keys() - {"expect"}))
    expectations, more = _read_expectations(node.children["expect"])
    flaws = [*flaws, *more]
    if entry is None or flaws:
        return None, flaws
    return entry.model_copy(update={"expect": expectations}), []


def _read_expectations(
    expect: Node,
) -> tuple[tuple[Expectation, ...], list[tuple[Position, str]]]:
    if isinstance(expect.value, dict):
        parts = [check_model(Expectation, expect, ("expect",))]
    elif isinstance(expect.value, list):
        parts = [
            check_model(Expectation, item, ("expect", number))
            for number, item in enumerate(expect.items())
        ]
    else:
        what = describe(expect.value)
        return (), [(expect.at, f"expect must be a mapping or a list of them, not {what}")]
    return tuple(part[0] for part in parts), [flaw for part in parts for flaw in part[1]]
