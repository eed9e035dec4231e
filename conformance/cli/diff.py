"""``conformance diff``: what one run found otherwise than another."""

# ruff: noqa: T201  printing is what a command is for

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.cli.words import refuse

if TYPE_CHECKING:
    from conformance.history import RunDiff

_STDOUT = "-"
_PIPE_COLUMNS = 160
_WORSE = 1


def add_diff(commands: Any) -> None:
    """Add ``diff``."""
    diff = commands.add_parser(
        "diff",
        help="compare two runs: what regressed, what was fixed, what else changed",
        description="Compares two runs case by case: verdicts, parity, latency, size and nodes,\n"
        "and the environments they were made in. What a run did not select is left out;\n"
        "latencies are compared in yardsticks, on one class of hardware.\n\n"
        "A run is its id or the beginning of one, latest, latest~1 for the run before,\n"
        "a path to its JSON lines, or a report folder for the latest run there.",
        epilog="examples:\n"
        "  conformance diff latest~1 latest\n"
        "  conformance diff 20260131 20260201 --html diff.html\n"
        "  conformance diff /mnt/main/reports reports --json - | jq '.cases[].id'\n\n"
        "exit code: 0 when the second run is equal or better,\n"
        "           1 when a case regressed, failed for the first time, is not proven any\n"
        "             more though it was, or is surely slower,\n"
        "           2 when the runs cannot be compared: no such run, a damaged one",
    )
    diff.add_argument("before", metavar="RUN_A", help="the earlier run")
    diff.add_argument("now", metavar="RUN_B", help="the later run")
    diff.add_argument(
        "--report",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="where runs are looked up by id (default: reports)",
    )
    diff.add_argument("--html", type=Path, metavar="PATH", help="write a page, too")
    diff.add_argument("--json", metavar="PATH", help="write it as JSON, too; - for stdout instead")
    diff.set_defaults(run=_diff)


def _diff(arguments: argparse.Namespace) -> int:
    from conformance.errors import HistoryError
    from conformance.history import compare_runs, named_run, run_at

    try:
        before, now = (
            run_at(named_run(arguments.report, name)) for name in (arguments.before, arguments.now)
        )
        diff = compare_runs(before, now)
        _write(diff, arguments)
    except HistoryError as error:
        return refuse(error)
    except OSError as error:
        return refuse(f"{error.filename} cannot be written: {error.strerror}")
    return _WORSE if diff.worse else 0


def _write(diff: RunDiff, arguments: argparse.Namespace) -> None:
    from conformance.model import SCHEMA_VERSION, to_json
    from conformance.reporters.diff_html import diff_html
    from conformance.reporters.diff_text import render_diff

    text = json.dumps({"schema_version": SCHEMA_VERSION, **to_json(diff)}, indent=1)
    if arguments.json == _STDOUT:
        print(text)
    else:
        terminal = sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if terminal else _PIPE_COLUMNS
        print(render_diff(diff, width, color=terminal), end="")
        if arguments.json is not None:
            Path(arguments.json).write_text(f"{text}\n", encoding="utf-8")
            print(arguments.json)
    if arguments.html is not None:
        arguments.html.write_text(diff_html(diff), encoding="utf-8")
        if arguments.json != _STDOUT:
            print(arguments.html)
