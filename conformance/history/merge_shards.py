"""One run from the parts of a zoo that several machines have run, with nothing lost or doubled."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from conformance.errors import HistoryError
from conformance.failures import carry_failure, remove_failure
from conformance.history.environment import EnvironmentDiff, environment_diff
from conformance.history.folder import open_report_folder, run_path
from conformance.history.merge import unrecorded
from conformance.history.records import RunWriter
from conformance.history.shards import FAILURES, NotOneRun, Shard, as_text, missing_parts
from conformance.model import Record, RunFooter, RunHeader, RunPlan, TestKind, TestRef
from conformance.providers import PROVIDERS

#: pytest's exit code of a run that was interrupted.
_INTERRUPTED = 2
_Key = tuple[TestKind, str]


@dataclass(frozen=True, slots=True)
class Merged:
    """A run that was made of shards, and what people should know of it."""

    header: RunHeader
    footer: RunFooter
    tests: int
    #: Parts that are not in it.
    missing: tuple[int, ...]
    notes: tuple[str, ...]


def merge_shards(shards: Sequence[Shard], out: Path, command: str, *, partial: bool) -> Merged:
    """Write the run that the shards are parts of into a report folder's history.

    Every planned test of every shard is in it once: with its last record, or, where its process
    died, with an infra-error. Failure folders are copied. The run is written whole or not at all.

    Args:
        shards: at least one.
        out: the report folder.
        command: how the run came to be, for its header.
        partial: parts may be missing.

    Raises:
        NotOneRun: when the shards differ in what they must not, do not make up the whole, or
            have a test in common of which they tell different things.
        HistoryError: when ``out`` cannot be written, or the run is in it already.
        OSError: when a failure folder cannot be copied.
    """
    shards = sorted(shards, key=lambda shard: (shard.number, shard.run.header.id))
    missing = missing_parts(shards, partial=partial)
    records = _records(shards)
    tests = _in_order_of_zoo(records, shards[0].run.header.zoo_cases)
    header = _header(shards, missing, command)
    footer = _footer(shards)
    open_report_folder(out)
    if run_path(out, header.id).exists():
        raise HistoryError(
            f"{out} has this merged run already: `conformance report --run {header.id}` writes "
            "its report again"
        )
    carried, lost = _carry(records.values(), out / FAILURES)
    _write(out, header, _plan(shards, tests), carried, footer)
    notes = (*_told(shards), *_unselected(header, tests), *lost)
    return Merged(header, footer, len(tests), missing, notes)


@dataclass(frozen=True, slots=True)
class _Told:
    """What one shard says of a test."""

    shard: Shard
    ref: TestRef
    #: None where an interruption kept the test from running.
    record: Record | None


def _records(shards: Sequence[Shard]) -> dict[_Key, _Told]:
    """What is told of each test, once."""
    found: dict[_Key, _Told] = {}
    for shard in shards:
        for told in _of_shard(shard):
            key = (told.ref.test, told.ref.id)
            known = found.setdefault(key, told)
            if (known.ref, known.record) != (told.ref, told.record):
                raise NotOneRun(
                    f"test_{told.ref.test}[{told.ref.id}] is in {known.shard.path} and in "
                    f"{told.shard.path}, with different outcomes: leave one of them out"
                )
    return found


def _of_shard(shard: Shard) -> Iterable[_Told]:
    last = {(record.ref.test, record.ref.id): record for record in shard.run.records}
    planned = shard.run.plan.tests if shard.run.plan else ()
    refs = {(ref.test, ref.id): ref for ref in (*planned, *(r.ref for r in last.values()))}
    for key, ref in refs.items():
        yield _Told(shard, ref, last.get(key) or _of_dead_process(ref, shard))


def _of_dead_process(ref: TestRef, shard: Shard) -> Record | None:
    """The record that a test could not leave; an interruption of the merged run is not to blame."""
    if shard.status == "interrupted":
        return None
    said = unrecorded(ref, interrupted=False)
    started = shard.run.header.started
    return Record(ref, said.verdict, said.stage, said.reason, started, duration_s=0.0)


def _in_order_of_zoo(records: Mapping[_Key, _Told], zoo_cases: Sequence[str]) -> tuple[_Told, ...]:
    places = {case: place for place, case in enumerate(zoo_cases)}

    def place(told: _Told) -> int:
        rows = (f"{told.ref.case}-{provider}" for provider in PROVIDERS)
        return min(places.get(row, len(places)) for row in rows)

    return tuple(sorted(records.values(), key=place))


def _plan(shards: Sequence[Shard], tests: Sequence[_Told]) -> RunPlan:
    """The tests of all shards; what is in none of them was selected by none."""
    planned = [(shard.number, plan) for shard in shards if (plan := shard.run.plan)]
    # two runs may have done the same part
    sizes = {part: len(plan.tests) + plan.deselected for part, plan in planned}
    words = dict.fromkeys(plan.selected_by for _, plan in planned if plan.selected_by)
    return RunPlan(
        tuple(told.ref for told in tests),
        deselected=max(sum(sizes.values()) - len(tests), 0),
        selected_by=" | ".join(words) or None,
    )


def _header(shards: Sequence[Shard], missing: tuple[int, ...], command: str) -> RunHeader:
    headers = [shard.run.header for shard in shards]
    ids = sorted({header.id for header in headers})
    # the same shards make the same id: merged twice, they must not be in a history twice
    digest = hashlib.sha256(" ".join(ids).encode()).hexdigest()[:4]
    there = ",".join(str(number) for number in sorted({shard.number for shard in shards}))
    hardware = {header.machine.get("hardware_class") for header in headers}
    machine = _together([header.machine for header in headers])
    if len(hardware) > 1:
        # durations of such a run are those of no class
        machine.pop("hardware_class", None)
    return replace(
        headers[0],
        id=f"{ids[0].partition('-')[0]}-{digest}",
        started=min(header.started for header in headers),
        machine=machine,
        versions={k: str(v) for k, v in _together([h.versions for h in headers]).items()},
        command=command,
        shard=f"{there}/{shards[0].parts}" if missing else None,
        division=headers[0].division if missing else None,
    )


def _together(facts: Sequence[Mapping[str, Any]]) -> dict[str, JsonValue]:
    """Facts of several machines: the one value, the least number, or all values as text."""
    found: dict[str, JsonValue] = {}
    for name in dict.fromkeys(name for one in facts for name in one):
        values = [one.get(name) for one in facts]
        distinct = [value for place, value in enumerate(values) if value not in values[:place]]
        if len(distinct) == 1:
            found[name] = distinct[0]
        elif sizes := _sizes(name, distinct):
            found[name] = min(sizes)
        else:
            found[name] = " | ".join(as_text(value) for value in distinct)
    return found


def _sizes(name: str, values: Sequence[JsonValue]) -> list[int]:
    """The values if they are all sizes in bytes, else nothing."""
    sizes = [value for value in values if isinstance(value, int)]
    return sizes if name.endswith("_bytes") and len(sizes) == len(values) else []


def _footer(shards: Sequence[Shard]) -> RunFooter:
    footers = [shard.run.footer for shard in shards if shard.run.footer]
    ended = [footer.finished for footer in footers]
    ended += [record.started for shard in shards for record in shard.run.records]
    whole = all(shard.status == "finished" for shard in shards)
    codes = [footer.exit_code for footer in footers]
    return RunFooter(
        finished=max([*ended, *(shard.run.header.started for shard in shards)]),
        status="finished" if whole else "interrupted",
        exit_code=max(codes) if whole else max([_INTERRUPTED, *codes]),
    )


def _carry(tests: Iterable[_Told], failures: Path) -> tuple[dict[_Key, Record], list[str]]:
    """Records with their failure folders in place, and which folders there are none of."""
    marked: list[tuple[Shard, Record]] = []
    for told in tests:
        if told.record is not None:
            worker = ":".join(filter(None, (told.shard.name, told.record.worker)))
            marked.append((told.shard, replace(told.record, worker=worker)))
    # first: a case's parity and latency have one folder, which the one that failed leaves
    for _, record in marked:
        if record.failure_folder is None and record.verdict.checked:
            remove_failure(failures, record.ref.id)
    carried, lost = {}, []
    for shard, record in marked:
        kept = record
        if record.failure_folder is not None:
            problem = carry_failure(shard.failures, failures, record.ref.id)
            if problem is not None:
                lost.append(f"the failure folder of {record.ref.id} is left out: {problem}")
                kept = replace(record, failure_folder=None)
        carried[record.ref.test, record.ref.id] = kept
    return carried, lost


def _write(
    out: Path,
    header: RunHeader,
    plan: RunPlan,
    records: Mapping[_Key, Record],
    footer: RunFooter,
) -> None:
    try:
        with tempfile.TemporaryDirectory(prefix=".merging-", dir=out) as scratch:
            writer = RunWriter(Path(scratch), header)
            writer.plan(plan)
            for ref in plan.tests:
                record = records.get((ref.test, ref.id))
                if record is not None:
                    writer.append(record)
            writer.close(footer)
            run_path(Path(scratch), header.id).rename(run_path(out, header.id))
    except OSError as error:
        raise HistoryError(f"{out} cannot be written ({error.strerror}): make room") from error


def _told(shards: Sequence[Shard]) -> Iterable[str]:
    """What differs between the shards without hindering, and how they ended."""
    first = shards[0]
    for other in shards[1:]:
        if other.run.header.id == first.run.header.id:
            continue
        if differences := _differences(environment_diff(first.run.header, other.run.header)):
            yield f"part {other.name} is not like {first.name}: {differences}"
    if (first.run.header.commit or "").endswith("-dirty"):
        yield "the commit has local changes: whether all parts had the same ones is not known"
    for shard in shards:
        if shard.status != "finished":
            yield f"part {shard.name} is {shard.status}: {shard.path}"
        if shard.run.damaged_lines:
            yield f"{shard.path}: {shard.run.damaged_lines} damaged lines were left out"


def _differences(diff: EnvironmentDiff) -> str:
    changes = [(p.name, p.before, p.after) for p in diff.packages]
    changes += [(f.name, as_text(f.before), as_text(f.after)) for f in diff.facts]
    return ", ".join(
        f"{name} {before or 'none'} / {after or 'none'}" for name, before, after in changes
    )


def _unselected(header: RunHeader, tests: Iterable[_Told]) -> Iterable[str]:
    selected = {told.ref.case for told in tests}
    rows = {f"{case}-{provider}" for case in selected for provider in PROVIDERS}
    count = sum(case not in rows for case in header.zoo_cases)
    if count:
        yield f"{count} of {len(header.zoo_cases)} rows of the zoo were selected by no part"
