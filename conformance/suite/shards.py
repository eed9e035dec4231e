"""Which part of a zoo each of several machines takes, found by every machine for itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from conformance.suite.order import expected_seconds
from conformance.zoo import LocatedCase

_Cases = Mapping[Path, tuple[LocatedCase, ...]]


@dataclass(frozen=True, slots=True)
class Division:
    """A zoo in parts; a case is in exactly one of them."""

    #: Keys of each part's cases, in the order of the zoo.
    parts: tuple[tuple[str, ...], ...]

    @property
    def digest(self) -> str:
        """The same on machines that divided alike: their parts are whole and don't overlap."""
        return hashlib.sha256(json.dumps(self.parts).encode()).hexdigest()[:16]

    def part(self, number: int, cases: _Cases) -> dict[Path, tuple[LocatedCase, ...]]:
        """The cases of a part, counted from 1, by their zoo file."""
        taken = frozenset(self.parts[number - 1])
        return {
            path: tuple(located for located in found if located.case.key in taken)
            for path, found in cases.items()
        }


def divide(cases: _Cases, parts: int, known: Mapping[str, float]) -> Division:
    """Divide a zoo so that its parts take about as long as each other.

    Longest processing time first: each case, the longest first, goes to the part that has the
    least to do yet. No part is then longer than 4/3 of the best division (Graham 1969). Without
    durations every N-th case of a file is of the same part, so that neighbours, which are often
    alike, are spread.

    Args:
        cases: of the whole zoo, by file.
        parts: how many, from 1.
        known: seconds that cases took, by key: the same on all machines.
    """
    everything = [located.case for found in cases.values() for located in found]
    # no sizes: a machine may have fetched models that another has not
    seconds = expected_seconds(everything, known, {})
    home: dict[str, int] = {}
    if seconds:
        load = [(0.0, 0, part) for part in range(parts)]
        for case in sorted(everything, key=lambda case: -seconds[case.key]):
            # the number of cases counts too: those that take no time are spread as well
            total, count, part = min(load)
            load[part] = (total + seconds[case.key], count + 1, part)
            home[case.key] = part
    else:
        for found in cases.values():
            home |= {located.case.key: place % parts for place, located in enumerate(found)}
    keys = [case.key for case in everything]
    return Division(tuple(tuple(key for key in keys if home[key] == part) for part in range(parts)))
