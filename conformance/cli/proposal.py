"""What a run says about the known failures of a zoo, as changes to the zoo."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from conformance.entry import Expectation, ZooEntry
from conformance.judging import (
    Standing,
    bare_reason,
    has_expired,
    lacks_something,
    standing,
)
from conformance.model import Case, CaseResult, Stage, Verdict
from conformance.zoo.decoding import HOSTILE
from conformance.zoo.edit import Change, Selectors
from conformance.zoo.expectations import BEFORE_PROVIDERS, Place, concerns

_SELECTORS = ("exporter", "opset", "variant", "provider")
#: What differs from run to run: paths, addresses, and numbers that are no part of a name.
_VARYING = re.compile(
    r"(?:\w:|~|\.{1,2})?[\\/][\w.+-]+(?:[\\/][\w.+-]*)*"  # /tmp/x, ./x, C:\x
    r"|\b0x[0-9a-fA-F]+\b"
    r"|\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b"  # a digest
    r"|(?<![A-Za-z_\d])[-+]?\d[\w.+-]*%?"
    r"|…"
)
#: In letters, in characters, and in characters.
_SHORTEST, _LONGEST, _REASON_CHARS = 8, 70, 120


@dataclass(frozen=True, slots=True)
class Proposal:
    """Changes to a zoo that would make it agree with a run."""

    #: Model id to what is to become of its known failures.
    changes: Mapping[str, Change]
    #: Model or case id, and what is left for a person to decide.
    left: tuple[tuple[str, str], ...]


def propose(cases: Iterable[Case], rows: Sequence[CaseResult], run: str) -> Proposal:
    """Hold the rows of a run against what a zoo expects.

    Args:
        cases: of the whole zoo.
        rows: of the run.
        run: its id, which new expectations name as where the failure was seen.
    """
    by_id = {row.id: row for row in rows}
    entries: dict[str, _Entry] = {}
    for case in cases:
        entry = entries.setdefault(case.entry.id, _Entry(case.entry, {}))
        for provider in case.entry.providers:
            place = Place(case.exporter, case.opset, case.variant, provider)
            entry.rows[place] = by_id.pop(case.id_on(provider), None)
    changes, left = {}, []
    for model, entry in entries.items():
        left += [
            (row.id, note) for row in entry.rows.values() if row and (note := _undecidable(row))
        ]
        remove, narrow, notes = _outdated(entry)
        new, more = _new(entry, run)
        left += [(model, note) for note in (*notes, *more)]
        if change := Change(frozenset(remove), narrow, tuple(new)):
            changes[model] = change
    left += [
        (row.id, f"{row.verdict}, but these zoo files have no such case")
        for row in by_id.values()
        if row.verdict.fails_gate
    ]
    return Proposal(changes, tuple(left))


def signature(reason: str) -> str | None:
    """The part of a failure's reason that the same failure has again; None if there is none.

    The first stretch of at least two words without numbers and paths, else the longest.
    """
    stretches = [
        stretch.strip(" ,;:([{=")
        for part in HOSTILE.split(reason)
        for stretch in _VARYING.split(part)
    ]
    found = [s for s in stretches if len(re.findall(r"[^\W\d_]", s)) >= _SHORTEST]
    phrases = [stretch for stretch in found if " " in stretch]
    if not found:
        return None
    best = phrases[0] if phrases else max(found, key=len)
    if len(best) > _LONGEST:
        best = best[:_LONGEST].rpartition(" ")[0] or best[:_LONGEST]
    return best


@dataclass(frozen=True, slots=True)
class _Entry:
    entry: ZooEntry
    #: Every case of the entry on every provider; ``None`` where the run has no row.
    rows: dict[Place, CaseResult | None]

    def judged(self) -> Iterator[tuple[Place, CaseResult]]:
        """The rows that came to a judgement."""
        for place, row in self.rows.items():
            if row is not None and row.verdict.checked and not lacks_something(row):
                yield place, row


def _undecidable(row: CaseResult) -> str | None:
    """Why a row that fails the gate is neither a known failure nor the end of one."""
    if row.verdict in (Verdict.VACUOUS, Verdict.INFRA_ERROR):
        return f"{row.verdict} at {row.stage}, which is never expected: {row.reason}"
    if lacks_something(row):
        return f"did not run: {row.reason}"
    if has_expired(row):
        return f"still fails at {row.stage}: {row.reason}"
    return None


def _outdated(entry: _Entry) -> tuple[set[int], dict[int, Selectors], list[str]]:
    """Expectations to remove, those to narrow and how, and those that a person has to see."""
    remove: set[int] = set()
    narrow: dict[int, Selectors] = {}
    notes = []
    for number, known in enumerate(entry.entry.expect):
        found = {
            place: standing(known, row) if row is not None else Standing.UNKNOWN
            for place, row in entry.rows.items()
            if concerns(known, *place)
        }
        gone = [place for place, state in found.items() if state is Standing.GONE]
        kept = [place for place, state in found.items() if state is not Standing.GONE]
        if not gone:
            continue
        if not kept:
            remove.add(number)
            continue
        free = [name for name in _names(known.stage) if getattr(known, name) is None]
        selected = _select(kept, gone, free)
        if selected is not None and len(selected) == 1:
            narrow[number] = selected[0]
        else:
            gone_from = ", ".join(dict.fromkeys(map(str, gone)))
            notes.append(
                f"expect[{number}] ({known.reason}) no longer holds for {gone_from}, and no one "
                "exporter, opset, variant or provider tells those cases from the others"
            )
    return remove, narrow, notes


def _new(entry: _Entry, run: str) -> tuple[list[Expectation], list[str]]:
    """Expectations of the failures that the zoo does not know, and what cannot be one."""
    groups: dict[tuple[Stage, str], dict[Place, CaseResult]] = {}
    notes = []
    for place, row in entry.judged():
        if (
            row.verdict is not Verdict.FAIL
            or has_expired(row)
            or _is_known(entry.entry, place, row)
        ):
            continue
        text = signature(bare_reason(row))
        if text is None:
            notes.append(f"{row.id} fails at {row.stage} without words to know it by: {row.reason}")
        else:
            groups.setdefault((row.stage, text), {})[place] = row
    expectations = []
    for (stage, text), failing in groups.items():
        others = {place: row for place, row in entry.judged() if place not in failing}
        passing = [p for p, row in others.items() if row.verdict is not Verdict.FAIL]
        names = _names(stage)
        # apart from all other cases, or, where a variant fails in its own way, from those that pass
        selected = _select(failing, others, names) or _select(failing, passing, names)
        if selected is None:
            notes.append(
                f"fails at {stage} ({text}) for {', '.join(map(str, failing))}, and no exporter, "
                "opset, variant or provider tells those cases from the others"
            )
            continue
        reason = _one_line(bare_reason(next(iter(failing.values()))))
        expectations += [
            Expectation(
                stage=stage.value,
                match=re.sub(r"([\\.^$*+?{}\[\]|()])", r"\\\1", text),
                reason=f"seen in run {run}: {reason}",
                **selectors,
            )
            for selectors in selected
        ]
    return expectations, notes


def _is_known(entry: ZooEntry, place: Place, row: CaseResult) -> bool:
    """Whether the zoo has learned of a failure since the run."""
    return any(
        concerns(known, *place) and standing(known, row) is Standing.MET for known in entry.expect
    )


def _names(stage: str) -> tuple[str, ...]:
    """What tells cases apart that fail at ``stage``."""
    return _SELECTORS[:-1] if stage in BEFORE_PROVIDERS else _SELECTORS


def _select(
    wanted: Collection[Place], others: Collection[Place], names: Sequence[str]
) -> list[dict[str, str | int]] | None:
    """The least selectors that take in all of ``wanted`` and none of ``others``."""
    for size in range(len(names) + 1):
        options = []
        for chosen in combinations(names, size):
            cells = {tuple(getattr(place, name) for name in chosen): None for place in wanted}
            if not any(tuple(getattr(p, name) for name in chosen) in cells for p in others):
                options.append([dict(zip(chosen, cell, strict=True)) for cell in cells])
        if options:
            return min(options, key=len)
    return None


def _one_line(reason: str) -> str:
    line = " ".join(HOSTILE.sub("?", reason).split())
    return line if len(line) <= _REASON_CHARS else f"{line[: _REASON_CHARS - 1]}…"
