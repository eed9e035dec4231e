"""What differs between the places where two runs were made."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue

from conformance.model import RunHeader
from conformance.trend import PackageChange, package_changes

#: Memory is told to this many bytes: what the kernel keeps for itself differs at each boot.
_MEMORY_UNIT = 100_000_000
_MEMORY = "memory_bytes"


@dataclass(frozen=True, slots=True)
class FactChange:
    """A fact that was not the same in two runs; None where one of them does not state it."""

    name: str
    before: JsonValue
    after: JsonValue


@dataclass(frozen=True, slots=True)
class EnvironmentDiff:
    """What was not the same around two runs."""

    #: By name; added, removed and other versions.
    packages: tuple[PackageChange, ...]
    #: ``commit``, ``seed``, and the facts of the machine, among them ``hardware_class``,
    #: ``python`` and ``system``.
    facts: tuple[FactChange, ...]
    #: Whether both were made on one hardware class, so that durations may be compared.
    same_hardware: bool

    @property
    def differs(self) -> bool:
        """Whether anything was not the same."""
        return bool(self.packages or self.facts)


def environment_diff(before: RunHeader, now: RunHeader) -> EnvironmentDiff:
    """Compare where and with what two runs were made."""
    then, present = _facts(before), _facts(now)
    facts = tuple(
        FactChange(name, then.get(name), present.get(name))
        for name in dict.fromkeys((*then, *present))
        if then.get(name) != present.get(name)
    )
    hardware = before.machine.get("hardware_class")
    return EnvironmentDiff(
        packages=package_changes(before.versions, now.versions),
        facts=facts,
        same_hardware=hardware is not None and hardware == now.machine.get("hardware_class"),
    )


def _facts(header: RunHeader) -> dict[str, JsonValue]:
    facts = {"commit": header.commit, "seed": header.seed, **header.machine}
    memory = facts.get(_MEMORY)
    if isinstance(memory, int | float):
        facts[_MEMORY] = round(memory / _MEMORY_UNIT) * _MEMORY_UNIT
    return facts
