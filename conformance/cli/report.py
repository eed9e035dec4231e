"""``conformance report``: write the reports of a run again, from its JSON lines."""

# ruff: noqa: T201  printing is what a command is for

from __future__ import annotations

import argparse
import sys
import warnings
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.cli.merge import add_merge
from conformance.cli.words import counted, refuse

if TYPE_CHECKING:
    from conformance.history import StoredRun


def add_report(commands: Any) -> None:
    """Add ``report``."""
    report = commands.add_parser(
        "report",
        help="write a run's report again, after a crash for example",
        description="Writes index.html, report.json, report.md and badge.json again from\n"
        "runs/*.jsonl, where every test is written down as it ends. A run that was killed is\n"
        "shown as crashed, and a test that it planned and left no record of as an infra-error.",
        epilog="examples:\n"
        "  conformance report\n"
        "  conformance report --report out --run 20260131T120000Z-3f2a --open\n"
        "  conformance report --rebuild     the index, history.duckdb, is made anew too\n\n"
        "exit code: 0 when the report was written, whatever the run found,\n"
        "           1 when the run cannot be read or the report cannot be written,\n"
        "           2 for wrong usage: no such folder, no such run",
    )
    report.add_argument(
        "--report",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="the report folder (default: reports)",
    )
    report.add_argument(
        "--run", dest="run_id", metavar="RUN", help="a run's id (default: the newest)"
    )
    report.add_argument(
        "--rebuild",
        action="store_true",
        help="make history.duckdb anew instead of bringing it up to date",
    )
    report.add_argument("--open", action="store_true", help="show the report in the browser")
    report.set_defaults(run=_report)
    add_merge(report.add_subparsers(title="commands", metavar="COMMAND"))


def _report(arguments: argparse.Namespace) -> int:
    from conformance.errors import HistoryError
    from conformance.history import list_runs, open_report_folder

    folder: Path = arguments.report
    known = {path.stem: path for path in list_runs(folder)}
    if not known:
        return refuse(f"{folder} holds no run: name a report folder with --report DIR", 2)
    if arguments.run_id is not None and arguments.run_id not in known:
        nearby = ", ".join(list(known)[-3:])
        return refuse(f"{folder} holds no run '{arguments.run_id}'; the newest: {nearby}", 2)
    try:
        # a newer version's folder is left alone
        open_report_folder(folder)
        with warnings.catch_warnings(record=True) as caught:
            wanted = [known[arguments.run_id]] if arguments.run_id else list(known.values())
            run = _newest_readable(wanted)
            write_report(folder, run.header.id, rebuild=arguments.rebuild)
    except HistoryError as error:
        return refuse(error, 1)
    except OSError as error:
        return refuse(f"{error.filename or folder} cannot be written: {error.strerror}", 1)
    for warning in caught:
        print(f"conformance: warning: {warning.message}", file=sys.stderr)
    _describe(run)
    page = folder / "index.html"
    print(page)
    if arguments.open and not webbrowser.open(page.resolve().as_uri()):
        print(f"conformance: warning: no browser was found; open {page}", file=sys.stderr)
    return 0


def _newest_readable(paths: list[Path]) -> StoredRun:
    """The last run that can be read: a run killed at its very start has not even a header.

    Raises:
        HistoryError: when none of them can be read.
    """
    from conformance.errors import HistoryError
    from conformance.history import read_run
    from conformance.history.folder import warn

    for path in reversed(paths[1:]):
        try:
            return read_run(path)
        except HistoryError as error:
            warn(f"{error}; the run before it is shown")
    return read_run(paths[0])


def write_report(folder: Path, run_id: str, *, rebuild: bool = False) -> None:
    """Write a run's reports to its folder, from its records and its past.

    Args:
        folder: the report folder.
        run_id: of the run.
        rebuild: make the index anew instead of bringing it up to date.

    Raises:
        HistoryError: when the run cannot be read or a report cannot be written.
    """
    from conformance.history import (
        changes_since_baseline,
        changes_since_last,
        load_report,
        rebuild_index,
        update_index,
    )
    from conformance.reporters import write_reports

    (rebuild_index if rebuild else update_index)(folder)
    report = load_report(folder, run_id)
    last, baseline = changes_since_last(folder, report), changes_since_baseline(folder, report)
    write_reports(report, folder, last, baseline)


def _describe(run: StoredRun) -> None:
    planned = {(ref.test, ref.id) for ref in run.plan.tests} if run.plan else set()
    recorded = {(record.ref.test, record.ref.id) for record in run.records}
    ended = f"{len(recorded & planned)} of {counted(len(planned), 'planned test')} recorded"
    if added := len(recorded - planned):
        ended += f", {counted(added, 'test')} joined"
    status = run.footer.status if run.footer else "crashed, or still going on"
    damaged = f", {counted(run.damaged_lines, 'damaged line')} left out" * bool(run.damaged_lines)
    print(f"run {run.header.id}: {status}, {ended}{damaged}")
    if run.footer is None:
        print("tests without a record are shown as infra-error")
