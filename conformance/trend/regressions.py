"""What changed when a figure of a case changed its level: between which runs, commits, packages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from conformance.trend.steps import detect_steps


@dataclass(frozen=True, slots=True)
class Origin:
    """The run that a figure is from."""

    run: str
    #: UTC, ISO 8601.
    started: str
    #: As the run's header has it: with ``-dirty`` for uncommitted changes; None if unknown.
    commit: str | None


@dataclass(frozen=True, slots=True)
class Point:
    """One run's figure of one case on one provider."""

    origin: Origin
    #: The figure, such as a latency in nanoseconds; None where the run has none.
    value: float | None
    #: What machine it was taken on; figures of different classes can't be compared.
    hardware: str
    #: Version of every package that was installed, by name.
    versions: Mapping[str, str]
    #: How far it is to be trusted, see :func:`conformance.trend.steps.detect_steps`.
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class PackageChange:
    """A package that was not the same in two runs."""

    name: str
    #: None where it was not installed.
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.name} {self.after} added"
        if self.after is None:
            return f"{self.name} {self.before} removed"
        return f"{self.name} {self.before} → {self.after}"


@dataclass(frozen=True, slots=True)
class Change:
    """A step of a series from one level to another."""

    #: The last run at the old level, and the first at the new one.
    before: Origin
    after: Origin
    #: The levels, in the unit of the series.
    old: float
    new: float
    #: What was not the same in the two runs, by name; runs on other commits may differ in more.
    packages: tuple[PackageChange, ...] = field(default=())

    @property
    def ratio(self) -> float | None:
        """New level over old: 1.2 is 20% more; None where the old level is zero."""
        return self.new / self.old if self.old else None

    @property
    def commits(self) -> str | None:
        """The commits in between as git writes a range; None where they are the same or unknown.

        Runs of a working copy with changes, ``-dirty``, are named by the commit under them: the
        range may not hold all that changed.
        """
        first = (self.before.commit or "").removesuffix("-dirty")
        last = (self.after.commit or "").removesuffix("-dirty")
        return f"{first}..{last}" if first and last and first != last else None


def by_hardware(points: Iterable[Point]) -> dict[str, tuple[Point, ...]]:
    """Divide figures into series that can be compared: one per hardware class, oldest first."""
    series: dict[str, list[Point]] = {}
    for point in sorted(points, key=lambda point: (point.origin.started, point.origin.run)):
        series.setdefault(point.hardware, []).append(point)
    return {hardware: tuple(found) for hardware, found in series.items()}


def changes(series: Sequence[Point]) -> tuple[Change, ...]:
    """Every step of a series, with what changed between its two runs.

    Args:
        series: figures of one case on one provider and one hardware class, oldest first.

    Raises:
        ValueError: when the series holds figures of different hardware classes.
    """
    classes = sorted({point.hardware for point in series})
    if len(classes) > 1:
        raise ValueError(
            f"figures of different hardware can't be compared: {', '.join(classes)}; "
            "divide them with by_hardware"
        )
    steps = detect_steps([p.value for p in series], [p.weight for p in series])
    return tuple(
        Change(
            before=series[old.last].origin,
            after=series[new.first].origin,
            old=old.value,
            new=new.value,
            packages=package_changes(series[old.last].versions, series[new.first].versions),
        )
        for old, new in pairwise(steps)
    )


def package_changes(
    before: Mapping[str, str], after: Mapping[str, str]
) -> tuple[PackageChange, ...]:
    """The packages that are not the same in two environments, each version by name; sorted."""
    return tuple(
        PackageChange(name, before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )
