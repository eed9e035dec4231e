"""A history of a million rows: what a run adds to its index, and what a trend costs to read.

Seeded runs of 200 cases are written as the JSON lines that real runs leave, each with its own
figures, and indexed. Then, in alternation: the index is brought up to date where nothing is new;
with a run in hand, as the process that has written a run does it, in a process that has used the
index before and in one that has not; and with a run that has to be read from its JSON lines.
The trend of a case over all runs is asked of the index and read from the JSON lines, of which only
those that hold the case's name are parsed. Goals: at most 10 ms for the 200 rows in hand, and at
most 0.02 of reading the JSON for the trend. Beside each time stands that of the CPU, which says
more where the machine has other work.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.report_page import seeded_report
from conformance.history import (
    JudgedRun,
    ask,
    list_runs,
    read_run,
    rebuild_index,
    run_path,
    update_index,
)
from conformance.model import SCHEMA_VERSION, CaseResult, Record, to_json
from conformance.model import TestKind as Kind
from conformance.model import TestRef as Ref

CASES = 200
ROUNDS = 15
#: Rounds that read all the JSON: it takes a minute or so.
READ_ROUNDS = 2
#: Stands in a record where each run has a figure of its own.
_FIGURE = "@figure@"
#: A process that has run a zoo and not used the index yet: what it takes to start DuckDB.
_FIRST_USE = """
import sys, time
from pathlib import Path
from conformance.history import JudgedRun, read_run, update_index
folder, path = map(Path, sys.argv[1:])
run = JudgedRun.of(read_run(path))
import duckdb
wall, cpu = time.perf_counter(), time.process_time()
update_index(folder, run)
print(time.perf_counter() - wall, time.process_time() - cpu)
"""
#: Seconds by the clock, and of the CPU.
_Times = tuple[float, float]


def main() -> None:
    """Print the times of appending and asking, and the ratio to reading JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        _measure(_Runs(Path(name)), max(1, options.rows // CASES))


class _Runs:
    """Writes runs that differ in their figures alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        report = seeded_report(CASES, 1)
        self.case = report.cases[0].id
        self._header = report.header
        self._number = 0
        self._random = random.Random(0)  # noqa: S311 - seeded figures
        text, self._figures = _template(report.cases)
        self._parts = text.split(f'"{_FIGURE}"')

    def write(self) -> Path:
        """The same records but for their figures: a million made one by one would take an hour."""
        day, rest = divmod(self._number, 50)
        self._number += 1
        run = f"{2020 + day // 336}{1 + day % 336 // 28:02}{1 + day % 28:02}T{rest:06}Z-0000"
        path = run_path(self.folder, run)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            file.write(
                self._line(
                    "header", {"schema_version": SCHEMA_VERSION, **to_json(self._header), "id": run}
                )
            )
            for part, figure in zip(self._parts, (*self._figures, None), strict=True):
                file.write(part)
                if figure is not None:
                    moved = figure * self._random.uniform(0.9, 1.1)
                    file.write(str(type(figure)(moved)))
            end = {"finished": self._header.started, "status": "finished", "exit_code": 0}
            file.write(self._line("footer", end))
        return path

    def _line(self, kind: str, stated: dict[str, Any]) -> str:
        return json.dumps({"kind": kind, **stated}, separators=(",", ":")) + "\n"


def _measure(runs: _Runs, number: int) -> None:
    folder, case = runs.folder, runs.case
    for _ in range(number):
        runs.write()
    written = sum(path.stat().st_size for path in list_runs(folder))
    print(f"{number * CASES:,} rows in {number:,} runs, {written / 1e6:,.0f} MB of JSON lines")
    built = _times(lambda: rebuild_index(folder))
    print(f"  index built anew            {built[0]:8.1f} s ({built[1]:.1f} s CPU)", flush=True)
    names = ("idle", "in hand", "first use", "catching up", "ask", "read")
    times: dict[str, list[_Times]] = {name: [] for name in names}
    for _ in range(ROUNDS):
        times["idle"].append(_times(lambda: update_index(folder)))
        run = JudgedRun.of(read_run(runs.write()))
        times["in hand"].append(_times(lambda run=run: update_index(folder, run)))
        times["first use"].append(_first_use(folder, runs.write()))
        runs.write()
        times["catching up"].append(_times(lambda: update_index(folder)))
        times["ask"].append(_times(lambda: _asked(folder, case)))
        if len(times["read"]) < READ_ROUNDS:
            times["read"].append(_times(lambda: _read(folder, case)))
    if len(_asked(folder, case)) != len(_read(folder, case)):
        raise SystemExit("the index and the JSON lines tell of different runs")
    _print({name: _median_ms(taken) for name, taken in times.items()})


def _median_ms(taken: list[_Times]) -> _Times:
    clock, cpu = (statistics.median(seconds) * 1e3 for seconds in zip(*taken, strict=True))
    return clock, cpu


def _print(ms: dict[str, _Times]) -> None:
    idle = ms["idle"]
    told = {
        "update, nothing new": "idle",
        f"update, {CASES} rows in hand": "in hand",
        "  first use in a process": "first use",
        "  read from JSON lines": "catching up",
        "trend from the index": "ask",
        "trend from JSON": "read",
    }
    for text, name in told.items():
        clock, cpu = ms[name]
        rows = ""
        if name in ("in hand", "first use", "catching up"):
            rows = f"; for the rows {clock - idle[0]:.1f} ms ({cpu - idle[1]:.1f} ms CPU)"
        print(f"  {text:27} {clock:8.1f} ms ({cpu:.1f} ms CPU){rows}")
    clock, cpu = (ask / read for ask, read in zip(ms["ask"], ms["read"], strict=True))
    print(f"  ratio of the trends         {clock:8.4f} ({cpu:.4f} in CPU)")


def _times(work: Callable[[], object]) -> _Times:
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - cpu


def _first_use(folder: Path, path: Path) -> _Times:
    """As :func:`_times`, of the update of a process that has imported DuckDB and not used it."""
    command = [sys.executable, "-c", _FIRST_USE, str(folder), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    clock, cpu = map(float, done.stdout.split())
    return clock, cpu


def _asked(folder: Path, case: str) -> tuple[tuple[Any, ...], ...]:
    return ask(
        folder,
        "SELECT run_id, verdict, parity_ratio, median_ns, size_bytes, yardsticks "  # noqa: S608
        f"FROM results WHERE id = '{case}' ORDER BY run_id",
    ).rows


def _read(folder: Path, case: str) -> list[dict[str, Any]]:
    name = case.encode()
    lines = (line for path in list_runs(folder) for line in path.read_bytes().split(b"\n"))
    return [json.loads(line) for line in lines if name in line]


def _template(rows: Iterable[CaseResult]) -> tuple[str, list[float]]:
    """JSON lines of the rows' records with gaps, and the figures that belong in them."""
    figures: list[float] = []

    def gap(fields: dict[str, Any], *names: str) -> None:
        for name in names:
            if fields.get(name) is not None:
                figures.append(fields[name])
                fields[name] = _FIGURE

    lines = []
    for row in rows:
        record = to_json(_record(row))
        # in the order in which they stand in the line
        gap(record, "duration_s")
        gap(record["export"] or {}, "export_seconds")
        for output in (record["parity"] or {"outputs": ()})["outputs"]:
            gap(output, "max_abs", "ratio")
        latency = record["latency"] or {}
        gap(latency, "median_ns", "p95_ns", "session_create_ns", "first_run_ns", "source_median_ns")
        gap(latency.get("yardstick") or {}, "value")
        lines.append(json.dumps({"kind": "record", **record}, separators=(",", ":")) + "\n")
    return "".join(lines), figures


def _record(row: CaseResult) -> Record:
    """A parity test's record with the row's whole evidence, as the last test of a case has."""
    ref = Ref(
        test=Kind.PARITY,
        id=row.id,
        case=row.id.rpartition("-")[0],
        model=row.model,
        framework=row.framework,
        task=row.task,
        tags=row.tags,
        exporter=row.exporter,
        opset=row.opset,
        variant=row.variant,
        provider=row.provider,
        repro=row.repro,
    )
    return Record(
        ref=ref,
        verdict=row.verdict,
        stage=row.stage,
        reason=row.reason,
        started="2026-11-21T03:00:00+00:00",
        duration_s=row.duration_s,
        export=row.export,
        parity=row.parity,
        latency=row.latency,
        placement=row.placement,
    )


if __name__ == "__main__":
    main()
