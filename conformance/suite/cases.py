"""The cases that a session is about: read from the zoos, and what they are expected to take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.gate import GateRules, with_rules
from conformance.history import former_seconds, shared_seconds
from conformance.model import Case, FrameworkInfo, TestRef
from conformance.sources.local import model_size_bytes
from conformance.suite.items import item_name, test_refs
from conformance.suite.lasting import for_good
from conformance.suite.options import ZooOptions
from conformance.suite.order import expected_seconds
from conformance.suite.shards import Division, divide
from conformance.zoo import LocatedCase, ZooError, read_zoo

#: By the zoo file that was named, in the order in which they were.
CasesByZoo = Mapping[Path, tuple[LocatedCase, ...]]


def read_cases(
    options: ZooOptions, frameworks: Mapping[str, FrameworkInfo]
) -> tuple[CasesByZoo, GateRules | None]:
    """Every case of the zoos, and the rules that the run is held against; None for no rules.

    Raises:
        pytest.UsageError: naming every problem of the zoos, or of the rules.
    """
    try:
        with for_good():
            zoo = read_zoo(options.zoos, frameworks)
            found = zoo.cases_by_zoo()
        rules = with_rules(zoo.gate, options.gate_rules) if options.gate else None
    except ZooError as error:
        problems = (replace(p, file=Path(shown(p.file))) for p in error.problems)
        raise pytest.UsageError("\n".join(map(str, problems))) from error
    return {path: found.get(path, ()) for path in options.zoos}, rules


def cases_of(cases: CasesByZoo) -> list[Case]:
    """The cases of all zoos, in their order."""
    return [located.case for found in cases.values() for located in found]


def seconds_on_all_machines(options: ZooOptions, cases: CasesByZoo) -> dict[str, float]:
    """What cases took, by key, as far as every machine that takes a part of the zoo knows it."""
    if options.shard is None:
        return {}
    return shared_seconds(options.report_dir, {case.key for case in cases_of(cases)})


def part_of(
    cases: CasesByZoo, options: ZooOptions, seconds: Mapping[str, float]
) -> tuple[CasesByZoo, Division | None]:
    """The cases that this machine takes, and how the zoo was divided if it was.

    Args:
        cases: of the whole zoo.
        options: of the run.
        seconds: what cases took, by key: the same on all machines.
    """
    if options.shard is None:
        return cases, None
    number, parts = options.shard
    division = divide(cases, parts, seconds)
    return division.part(number, cases), division


def seconds_to_expect(
    config: pytest.Config, options: ZooOptions, cases: CasesByZoo
) -> dict[str, float]:
    """What each case will take, by key, as far as this machine's past or a model's size tells."""
    if getattr(config.option, "stepwise", False):
        return {}  # it goes on where it stopped, in the order that it then had
    chosen = cases_of(cases)
    known = former_seconds(options.report_dir, {case.key for case in chosen})
    sizes = {
        located.case.key: model_size_bytes(located.case.entry, located.zoo_dir)
        for found in cases.values()
        for located in found
        if located.case.key not in known
    }
    return expected_seconds(chosen, known, sizes)


def refs_by_node_id(config: pytest.Config, cases: CasesByZoo) -> dict[str, TestRef]:
    """Every test of the cases, by the node id that pytest will give it, in the zoo's order."""
    here = config.invocation_params.dir
    return {
        f"{_node_path(path, config.rootpath)}::{item_name(ref)}": ref
        for path, found in cases.items()
        for located in found
        for ref in test_refs(located, path, here)
    }


def shown(path: Path) -> str:
    """A path as people at this folder would write it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _node_path(path: Path, root: Path) -> str:
    """How pytest spells a file in node ids."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
