"""Known failures that could never be seen: each has to have a case in which it can come true."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from conformance.entry import Expectation, ZooEntry
from conformance.model import BASE, Case, Stage
from conformance.zoo.nodes import Node
from conformance.zoo.problems import Position
from conformance.zoo.suggest import quote

#: The stages of a conversion, which takes place once for all execution providers.
BEFORE_PROVIDERS = (
    *(Stage.LOAD, Stage.INPUTS, Stage.REFERENCE, Stage.EXPORT, Stage.CHECK),
    Stage.OPTIMIZE,
)

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class Place(NamedTuple):
    """Where a failure can happen: a case on a provider."""

    exporter: str
    opset: int
    variant: str
    provider: str

    @property
    def conversion(self) -> tuple[str, int, str]:
        """The case, whatever the provider."""
        return self.exporter, self.opset, self.variant

    def __str__(self) -> str:
        variant = None if self.variant == BASE else self.variant
        return _label(self.exporter, self.opset, variant, self.provider)


def places_of(cases: Iterable[Case]) -> tuple[Place, ...]:
    """Every case on every provider of its entry."""
    return tuple(
        Place(case.exporter, case.opset, case.variant, provider)
        for case in cases
        for provider in case.entry.providers
    )


def concerns(
    expectation: Expectation, exporter: str, opset: int, variant: str, provider: str | None
) -> bool:
    """Whether a known failure is one of this case; without a provider, of its conversion."""
    return (
        expectation.exporter in (None, exporter)
        and expectation.opset in (None, opset)
        and expectation.variant in (None, variant)
        and (provider is None or expectation.provider in (None, provider))
    )


def check_expectations(
    node: Node, entry: ZooEntry, cases: Iterable[Case]
) -> Iterator[tuple[Position, str]]:
    """Find the known failures that no run can show.

    Args:
        node: the mapping of keys as written, defaults merged.
        entry: the same, read.
        cases: of the entry.
    """
    written = node.children.get("expect")
    items = [] if written is None else written.items() or [written]
    places = places_of(cases)
    covered = [{p for p in places if concerns(known, *p)} for known in entry.expect]
    sound = True
    for number, known in enumerate(entry.expect):
        flaw = (
            _own_flaw(entry, known, covered[number], places)
            or _bad_date(items[number])
            or _shadow(entry.expect, covered, number)
        )
        if flaw is not None:
            sound = False
            yield items[number].at, flaw
    if sound:
        for number, flaw in _contradictions(entry.expect, covered):
            yield items[number].at, flaw


def _own_flaw(
    entry: ZooEntry, known: Expectation, covered: set[Place], places: Sequence[Place]
) -> str | None:
    if not covered:
        wanted = _label(known.exporter, known.opset, known.variant, known.provider)
        has = ", ".join(dict.fromkeys(map(str, places)))
        return f"no case of {quote(entry.id)} is {wanted}; it has {has}"
    if known.provider is not None and known.stage in BEFORE_PROVIDERS:
        return (
            f"a failure at {known.stage} concerns no provider: remove 'provider', "
            "or give the stage session, parity or latency"
        )
    if known.match is not None and re.search(known.match, ""):
        return f"match {quote(known.match)} fits every text: name what the failure says"
    return None


def _bad_date(item: Node) -> str | None:
    """The text of some whole numbers is a date for pydantic: seconds since 1970."""
    expires = item.children.get("expires")
    if expires is None or expires.value is None or _DATE.fullmatch(expires.value):
        return None
    return f"expires must be a date such as 2027-01-31, not {quote(expires.value)}"


def _shadow(
    expectations: Sequence[Expectation], covered: Sequence[set[Place]], number: int
) -> str | None:
    """An earlier one that takes every failure this one is there for."""
    known = expectations[number]
    for earlier, other in enumerate(expectations[:number]):
        same_failures = other.stage == known.stage and other.match in (None, known.match)
        if same_failures and covered[number] <= covered[earlier]:
            return (
                f"can never be met: expect[{earlier}] comes first, and accepts every failure "
                "that this one accepts"
            )
    return None


def _contradictions(
    expectations: Sequence[Expectation], covered: Sequence[set[Place]]
) -> Iterator[tuple[int, str]]:
    """Expectations that cannot all come true, as a case fails only once.

    A failure of the conversion takes the case on all providers, a later one on its own.
    """
    early = [n for n, known in enumerate(expectations) if known.stage in BEFORE_PROVIDERS]
    late = [n for n in range(len(expectations)) if n not in early]
    by_conversion = [{place.conversion for place in places} for places in covered]
    groups: list[tuple[list[int], Sequence[set[Any]]]] = [(late, covered)]
    groups += [([*early, number], by_conversion) for number in late]
    groups.append((early, by_conversion))
    found: set[int] = set()
    for group, wanted in groups:
        number = _left_out(group, wanted)
        if number is None or number in found:
            continue
        found.add(number)
        rivals = sorted(n for n in group if n != number and wanted[n] & wanted[number])
        others = ", ".join(f"expect[{n}]" for n in rivals)
        flaw = f"cannot come true beside {others}: a case fails only once; "
        yield number, f"{flaw}tell them apart by exporter, opset, variant or provider"


def _left_out(group: Sequence[int], wanted: Sequence[set[Any]]) -> int | None:
    """The first of a group that gets no member of its own of what it wants.

    Bipartite matching by augmenting paths, breadth first.
    """
    owner: dict[Any, int] = {}
    held: dict[int, Any] = {}
    for number in group:
        reached_by: dict[Any, int] = {}
        free = None
        queue = [number]
        for current in queue:
            for option in wanted[current] - reached_by.keys():
                reached_by[option] = current
                if option in owner:
                    queue.append(owner[option])
                else:
                    free = option
                    break
            if free is not None:
                break
        else:
            return number
        while free is not None:
            current = reached_by[free]
            owner[free] = current
            free, held[current] = held.get(current), free
    return None


def _label(
    exporter: str | None, opset: int | None, variant: str | None, provider: str | None
) -> str:
    return "-".join(filter(None, (exporter, f"op{opset}" if opset else None, variant, provider)))
