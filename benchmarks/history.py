"""A history of a million rows: what a run adds to its index, and what a trend costs to read.

Seeded runs of 200 cases are written as the JSON lines that real runs leave, and indexed. Then,
in alternation: one further run is taken into the index, the trend of a case over all runs is
asked of the index, and the same trend is read from the JSON lines, of which only those that
hold the case's name are parsed. Goals: at most 10 ms for the 200 rows, and at most 0.02 of
reading the JSON for the trend.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.report_page import seeded_report
from conformance.history import ask, list_runs, rebuild_index, run_path, update_index
from conformance.model import SCHEMA_VERSION, CaseResult, Record, RunHeader, to_json
from conformance.model import TestKind as Kind
from conformance.model import TestRef as Ref

CASES = 200
ROUNDS = 7
#: Rounds that read all the JSON: it takes a minute or so.
READ_ROUNDS = 2


def main() -> None:
    """Print the times of appending and asking, and the ratio to reading JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        _measure(Path(name), max(1, options.rows // CASES))


def _measure(folder: Path, runs: int) -> None:
    report = seeded_report(CASES, 1)
    records = [to_json(_record(row)) for row in report.cases]
    text = "".join(
        json.dumps({"kind": "record", **r}, separators=(",", ":")) + "\n" for r in records
    )
    case = report.cases[0].id
    for number in range(runs):
        _write_run(folder, number, report.header, text)
    written = sum(path.stat().st_size for path in list_runs(folder))
    print(f"{runs * CASES:,} rows in {runs:,} runs, {written / 1e6:,.0f} MB of JSON lines")
    print(f"  index built anew      {_seconds(lambda: rebuild_index(folder)):10.1f} s", flush=True)
    times: dict[str, list[float]] = {"idle": [], "append": [], "ask": [], "read": []}
    for number in range(runs, runs + ROUNDS):
        times["idle"].append(_seconds(lambda: update_index(folder)))
        _write_run(folder, number, report.header, text)
        times["append"].append(_seconds(lambda: update_index(folder)))
        times["ask"].append(_seconds(lambda: _asked(folder, case)))
        if len(times["read"]) < READ_ROUNDS:
            times["read"].append(_seconds(lambda: _read(folder, case)))
    if len(_asked(folder, case)) != len(_read(folder, case)):
        raise SystemExit("the index and the JSON lines tell of different runs")
    ms = {name: statistics.median(seconds) * 1e3 for name, seconds in times.items()}
    print(f"  update, nothing new   {ms['idle']:10.1f} ms")
    print(
        f"  update, {CASES} rows     {ms['append']:10.1f} ms, {ms['append'] - ms['idle']:.1f} more"
    )
    print(f"  trend from the index  {ms['ask']:10.1f} ms")
    print(f"  trend from JSON       {ms['read']:10.1f} ms")
    print(f"  ratio                 {ms['ask'] / ms['read']:10.4f}")


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


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


def _write_run(folder: Path, number: int, header: RunHeader, records: str) -> None:
    """The same records each time: made and checked one by one, a million would take an hour."""
    day, rest = divmod(number, 50)
    run = f"{2020 + day // 336}{1 + day % 336 // 28:02}{1 + day % 28:02}T{rest:06}Z-0000"
    stated = {**to_json(header), "id": run}
    path = run_path(folder, run)
    path.parent.mkdir(parents=True, exist_ok=True)
    first = json.dumps({"kind": "header", "schema_version": SCHEMA_VERSION, **stated})
    last = json.dumps(
        {"kind": "footer", "finished": header.started, "status": "finished", "exit_code": 0}
    )
    path.write_text(f"{first}\n{records}{last}\n")


if __name__ == "__main__":
    main()
