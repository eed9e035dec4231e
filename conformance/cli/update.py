"""``conformance zoo update``: make zoo files agree with what a run has shown."""

# ruff: noqa: T201  printing is what a command is for

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.cli.words import counted, one_line, refuse

if TYPE_CHECKING:
    from conformance.history import StoredRun
    from conformance.model import CaseResult
    from conformance.zoo.rewrite import Rewrite


def add_update(actions: Any) -> None:
    """Add ``zoo update``."""
    update = actions.add_parser(
        "update",
        help="propose changes of 'expect' from a run",
        description="Holds a stored run against zoo files and proposes what they lack: an\n"
        "expectation for every new failure, and the end of every one that is gone. The\n"
        "patch goes to stdout; comments and layout stay as they are. What is vacuous, an\n"
        "infra-error or expired is listed on stderr, for a person to decide.",
        epilog="examples:\n"
        "  conformance zoo update model_zoo.yaml --from latest\n"
        "  conformance zoo update model_zoo.yaml --from 20260131T120000Z-3f2a --write\n\n"
        "exit code: 0 when the zoo files agree with the run, or do so now (--write),\n"
        "           1 when changes were proposed, or something is left for a person,\n"
        "           2 when the run or a zoo file cannot be used, or a file was changed\n"
        "             by someone else meanwhile",
    )
    update.add_argument("zoo", nargs="+", type=Path, metavar="ZOO", help="a zoo file")
    update.add_argument(
        "--from",
        dest="run_from",
        required=True,
        metavar="RUN",
        help="a run's id, 'latest', or the path of a report.json or runs/ID.jsonl",
    )
    update.add_argument(
        "--report",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="report folder in which the run's id is looked up (default: reports)",
    )
    update.add_argument("--write", action="store_true", help="change the files")
    update.set_defaults(run=_update)


def _update(arguments: argparse.Namespace) -> int:
    from conformance.errors import HistoryError
    from conformance.zoo import ZooError
    from conformance.zoo.rewrite import FileChanged

    try:
        return _propose(arguments)
    except ZooError as error:
        print(error, file=sys.stderr)
    except (HistoryError, FileChanged) as error:
        return refuse(error)
    except OSError as error:
        return refuse(f"{error.filename}: {error.strerror}")
    return 2


def _propose(arguments: argparse.Namespace) -> int:
    from conformance.adapters import catalog
    from conformance.cli.proposal import propose
    from conformance.errors import HistoryError
    from conformance.zoo import read_zoo
    from conformance.zoo.rewrite import rewrite

    frameworks = catalog()
    cases = [located.case for located in read_zoo(arguments.zoo, frameworks).cases()]
    run, rows = _rows(arguments.run_from, arguments.report)
    of_zoo = {case.id_on(provider) for case in cases for provider in case.entry.providers}
    shared = len(of_zoo & {row.id for row in rows})
    if not shared:
        raise HistoryError(f"run {run} has no case of these zoo files: it says nothing about them")
    proposal = propose(cases, rows, run)
    rewritten = rewrite(arguments.zoo, frameworks, proposal.changes)
    refused = [
        (model, f"{_wish(proposal.changes[model])}, by hand: {why}")
        for model, why in rewritten.refused.items()
    ]
    left = [*refused, *proposal.left]
    _print_diff(rewritten.files)
    _say(f"run {run} has {shared} of {counted(len(of_zoo), 'case')}")
    for name, note in left:
        _say(f"  left to you: {name}: {note}")
    changed = len(proposal.changes) - len(refused)
    if not changed:
        _say("nothing is left to change" if left else "the zoo files agree with the run")
    elif not arguments.write:
        _say(f"'expect' of {counted(changed, 'model')} would change; --write changes the files")
    else:
        for file in rewritten.files:
            file.write()
        _say(f"changed 'expect' of {counted(changed, 'model')}")
    return 1 if left or (changed and not arguments.write) else 0


def _rows(run_from: str, report_dir: Path) -> tuple[str, Sequence[CaseResult]]:
    """A stored run's id and rows.

    Raises:
        HistoryError: when there is no such run, or it cannot be read.
    """
    from conformance.errors import HistoryError
    from conformance.history import list_runs, read_run, run_path

    given = Path(run_from)
    if given.suffix == ".json":
        return _rows_of_report(given)
    if given.suffix == ".jsonl":
        return _merged(read_run(given))
    if run_from != "latest":
        return _merged(read_run(run_path(report_dir, run_from)))
    runs = list_runs(report_dir)
    if not runs:
        raise HistoryError(f"there are no runs in {report_dir / 'runs'}: name a folder by --report")
    return _merged(read_run(runs[-1]))


def _merged(run: StoredRun) -> tuple[str, Sequence[CaseResult]]:
    from conformance.history import merge

    return run.header.id, merge(run)


def _rows_of_report(path: Path) -> tuple[str, Sequence[CaseResult]]:
    """The rows of a report, from the run's own records where they lie beside it."""
    from pydantic import ValidationError

    from conformance.errors import HistoryError
    from conformance.history import read_run, run_path
    from conformance.model import SCHEMA_VERSION, CaseResult, from_json

    try:
        report = json.loads(path.read_bytes())
        run = str(report["run"]["id"])
        if report["schema_version"] != SCHEMA_VERSION:
            raise HistoryError(
                f"{path} has format {report['schema_version']}, not {SCHEMA_VERSION}"
            )
        records = run_path(path.parent, run)
        if records.is_file():
            return _merged(read_run(records))
        rows = [from_json(CaseResult, {"details": None} | case) for case in report["cases"]]
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise HistoryError(f"{path} is not a report.json of this package: {error}") from error
    return run, rows


def _wish(change: Any) -> str:
    """What a change does, for one who has to make it."""
    numbers = ", ".join(str(number) for number in sorted(change.remove))
    wishes = [f"remove expect[{numbers}]"] if change.remove else []
    for number, selectors in change.narrow.items():
        limits = ", ".join(f"{key}: {value}" for key, value in selectors.items())
        wishes.append(f"limit expect[{number}] to {limits}")
    for new in change.add:
        given = new.model_dump(exclude_defaults=True)
        wishes.append(f"expect {{{', '.join(f'{key}: {given[key]}' for key in given)}}}")
    return "; ".join(wishes)


def _print_diff(files: Sequence[Rewrite]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, markup=False, soft_wrap=True)
    styles = {"@": "cyan", "+": "green", "-": "red"}
    for file in files:
        for number, line in enumerate(file.diff()):
            if not console.is_terminal:
                sys.stdout.write(line)  # as it is, for `patch`
                continue
            style = "bold" if number <= 1 else styles.get(line[0], "")
            console.print(Text(line.rstrip("\r\n"), style))
    sys.stdout.flush()


def _say(line: str) -> None:
    indent = line[: len(line) - len(line.lstrip(" "))]
    print(indent + one_line(line), file=sys.stderr)
