"""``conformance gate``: hold stored runs against the rules of the gate."""

# ruff: noqa: T201  printing is what a command is for

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.cli.words import refuse

if TYPE_CHECKING:
    from conformance.gate import GateRules
    from conformance.gate_result import GateResult
    from conformance.history import StoredRun


def add_gate(commands: Any) -> None:
    """Add ``gate``."""
    from conformance.gate_result import RULE_NAMES

    gate = commands.add_parser(
        "gate",
        help="hold stored runs against the rules of the gate",
        description="Holds runs that are stored in a report folder against the rules that\n"
        "`pytest --zoo-gate` holds a run against at its end: for pipelines that run the\n"
        "zoo in one job, or in shards, and decide in another. Latencies are not taken\n"
        "again: how they compare was found out when they were taken.",
        epilog="examples:\n"
        "  conformance gate latest --zoo model_zoo.yaml\n"
        "  conformance gate latest --baseline 20260131T120000Z-3f2a --rule size=1.2\n\n"
        f"rules: {', '.join(RULE_NAMES)}\n\n"
        "exit code: 0 when every run goes through,\n"
        "           1 when one does not, or did not finish,\n"
        "           2 for wrong usage: no such run, no such baseline, a zoo file with problems",
    )
    gate.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="a run's id, 'latest', or the path of a runs/ID.jsonl",
    )
    gate.add_argument(
        "--baseline",
        metavar="RUN|REF|PATH",
        help="what to compare with, as of --zoo-baseline (default: the latest earlier run of the "
        "same zoo that finished and passed its gate)",
    )
    gate.add_argument(
        "--report",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="the report folder in which runs are looked up (default: reports)",
    )
    gate.add_argument(
        "--zoo",
        action="append",
        type=Path,
        default=[],
        metavar="PATH",
        help="a zoo file that gives the rules under 'gate'; may be repeated (default: none, the "
        "rules' own defaults)",
    )
    gate.add_argument(
        "--rule",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a rule over the zoo's: on, off or the limit; may be repeated",
    )
    gate.add_argument("--json", action="store_true", help="print a JSON list, one item per run")
    gate.set_defaults(run=_gate)


def _gate(arguments: argparse.Namespace) -> int:
    from conformance.errors import HistoryError
    from conformance.zoo import ZooError

    try:
        with warnings.catch_warnings(record=True) as caught:
            rules = _rules(arguments.zoo, arguments.rule)
            runs = [_find(arguments.report, named) for named in arguments.runs]
            results = [_judge(run, arguments, rules) for run in runs]
    except ZooError as error:
        print(error, file=sys.stderr)
        return 2
    except (HistoryError, ValueError) as error:
        return refuse(error)
    for warning in caught:
        print(f"conformance: warning: {warning.message}", file=sys.stderr)
    _print(runs, results, as_json=arguments.json)
    return 0 if all(result is not None and result.passed for result in results) else 1


def _rules(zoos: list[Path], changes: list[str]) -> GateRules:
    from conformance.adapters import catalog
    from conformance.gate import GateRules, with_rules
    from conformance.zoo import read_zoo

    rules = read_zoo(zoos, catalog()).gate if zoos else GateRules()
    return with_rules(rules, changes)


def _find(folder: Path, named: str) -> StoredRun:
    """A stored run.

    Raises:
        HistoryError: when there is none of that name, or it cannot be read.
    """
    from conformance.errors import HistoryError
    from conformance.history import list_runs, read_run

    known = {path.stem: path for path in list_runs(folder)}
    if named == "latest" and known:
        return read_run(list(known.values())[-1])
    path = known.get(named, Path(named))
    if not path.is_file():
        nearby = f"; the newest: {', '.join(list(known)[-3:])}" if known else " and no other"
        raise HistoryError(f"{folder} holds no run '{named}'{nearby}")
    return read_run(path)


def _judge(run: StoredRun, arguments: argparse.Namespace, rules: GateRules) -> GateResult | None:
    """What the gate makes of a run; None where it did not finish."""
    from conformance.history import comparable_run, find_baseline, judge, read_run

    if run.footer is None or run.footer.status != "finished":
        return None
    if arguments.baseline is None:
        before = comparable_run(arguments.report, run)
    else:
        before = read_run(find_baseline(arguments.report, arguments.baseline)[0])
    return judge(run, before, rules)


def _print(runs: list[StoredRun], results: list[GateResult | None], *, as_json: bool) -> None:
    from conformance.model import to_json
    from conformance.reporters.gate_text import gate_lines
    from conformance.reporters.inert import inert_line

    pairs = list(zip(runs, results, strict=True))
    if as_json:
        plain = [
            {"run": run.header.id, "gate": None if result is None else to_json(result)}
            for run, result in pairs
        ]
        print(json.dumps(plain, indent=2))
        return
    for run, result in pairs:
        if result is None:
            status = run.footer.status if run.footer else "crashed, or still going on"
            print(inert_line(f"run {run.header.id}: gate failed: the run is {status}"))
            continue
        first, *rest = gate_lines(result)
        print(f"run {inert_line(run.header.id)}: {first.text}")
        for line in rest:
            print(line.text)
