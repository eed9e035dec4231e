"""``conformance history``: runs and cases over time, SQL on the index, export."""

# ruff: noqa: T201  printing is what a command is for

from __future__ import annotations

import argparse
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

from conformance.cli.words import counted, refuse

_STDOUT = "-"
_PIPE_COLUMNS = 160
_MAX_CASES = 50
#: ``--sql`` without a query.
_EXPLAIN = ""
_EXAMPLES = """\
  SELECT run_id, verdict, parity_ratio, median_ns FROM results WHERE model = 'cnn' ORDER BY run_id
  SELECT id, max(parity_ratio) AS worst FROM results GROUP BY id ORDER BY worst DESC LIMIT 10
  SELECT provider, count(*) FILTER (verdict = 'pass') AS passed, count(*) AS cases
    FROM results WHERE run_id = (SELECT max(run_id) FROM runs) GROUP BY provider"""


def add_history(commands: Any) -> None:
    """Add ``history``."""
    history = commands.add_parser(
        "history",
        help="runs and cases over time, SQL on the history, export",
        description="Without CASE the runs; with CASE the verdicts and figures of every case\n"
        "whose id holds it (or matches it, with * and ?) over the runs, and where a\n"
        "figure changed its level: between which commits, with which packages.",
        epilog="examples:\n"
        "  conformance history\n"
        "  conformance history bert-tiny\n"
        "  conformance history 'pytorch/*-cpu' --last 100\n"
        "  conformance history --sql                 what tables and columns there are\n"
        '  conformance history --sql "SELECT * FROM runs ORDER BY run_id DESC LIMIT 3"\n'
        "  conformance history --parquet history.parquet\n\n"
        "exit code: 0 when there was something to show, 1 when the history cannot be\n"
        "           read or written, 2 for wrong usage: no runs, no such case, bad SQL",
    )
    history.add_argument("case", nargs="?", metavar="CASE", help="part of an id, or a pattern")
    history.add_argument(
        "--report",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="the report folder (default: reports)",
    )
    history.add_argument(
        "--last", type=_count, default=30, metavar="N", help="runs looked at (default: 30)"
    )
    history.add_argument(
        "--sql",
        nargs="?",
        const=_EXPLAIN,
        metavar="QUERY",
        help="ask the index, which cannot be changed so; without a query, explain its tables",
    )
    history.add_argument(
        "--csv", metavar="PATH", help="write all results, or what --sql found; - for stdout"
    )
    history.add_argument("--parquet", type=Path, metavar="PATH", help="the same as Parquet")
    history.set_defaults(run=_history)


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _history(arguments: argparse.Namespace) -> int:
    from conformance.errors import HistoryError
    from conformance.history import IndexUnavailable

    if arguments.sql == _EXPLAIN:
        _explain_tables()
        return 0
    if misuse := _misuse(arguments):
        return refuse(misuse)
    try:
        _bring_up_to_date(arguments.report)
        if _asks(arguments):
            return _answer(arguments)
        return _cases(arguments) if arguments.case is not None else _runs(arguments)
    except HistoryError as error:
        return refuse(error, 1 if isinstance(error, IndexUnavailable) else 2)
    except OSError as error:
        return refuse(f"{error.filename or arguments.report}: {error.strerror}", 1)


def _asks(arguments: argparse.Namespace) -> bool:
    return any(it is not None for it in (arguments.sql, arguments.csv, arguments.parquet))


def _misuse(arguments: argparse.Namespace) -> str | None:
    from conformance.history import list_runs

    if arguments.case is not None and _asks(arguments):
        return "CASE goes with no --sql, --csv or --parquet: name it in the query"
    if not list_runs(arguments.report):
        return f"{arguments.report} holds no run: name a report folder with --report DIR"
    return None


def _bring_up_to_date(folder: Path) -> None:
    from conformance.history import update_index

    with warnings.catch_warnings(record=True) as caught:
        update_index(folder)
    for warning in caught:
        print(f"conformance: warning: {warning.message}", file=sys.stderr)


def _explain_tables() -> None:
    from conformance.history import table_columns

    meaning = {
        "runs": "a row per run; machine and versions are JSON",
        "results": "a row per case and provider of a run; units stand in the names",
    }
    for table, columns in table_columns().items():
        print(f"{table}: {meaning[table]}")
        for name, kind in columns.items():
            print(f"  {name:20}{kind.lower()}")
    print(
        f"\nThe SQL is DuckDB's (https://duckdb.org/docs/sql/introduction). Examples:\n{_EXAMPLES}"
    )


def _answer(arguments: argparse.Namespace) -> int:
    from conformance.history import EXPORTED, ask, export_parquet
    from conformance.reporters.history_text import answer_csv, render_answer

    query = arguments.sql or EXPORTED
    if arguments.parquet is not None:
        export_parquet(arguments.report, query, arguments.parquet)
        print(arguments.parquet)
    if arguments.csv is not None:
        text = answer_csv(ask(arguments.report, query))
        if arguments.csv == _STDOUT:
            print(text, end="")
        else:
            Path(arguments.csv).write_text(text, encoding="utf-8", newline="")
            print(arguments.csv)
    if arguments.parquet is None and arguments.csv is None:
        width, color = _terminal()
        print(render_answer(ask(arguments.report, query), width, color=color), end="")
    return 0


def _runs(arguments: argparse.Namespace) -> int:
    from conformance.history import past_runs
    from conformance.reporters.history_text import render_runs

    width, color = _terminal()
    print(render_runs(past_runs(arguments.report, arguments.last), width, color=color), end="")
    return 0


def _cases(arguments: argparse.Namespace) -> int:
    from conformance.history import case_histories
    from conformance.reporters.history_text import render_cases

    found = case_histories(arguments.report, arguments.case, arguments.last)
    if not found:
        return refuse(
            f"no case of the last {counted(arguments.last, 'run')} matches '{arguments.case}'"
        )
    width, color = _terminal()
    print(render_cases(found[:_MAX_CASES], width, color=color), end="")
    if len(found) > _MAX_CASES:
        print(f"{len(found) - _MAX_CASES} more cases match: name them closer")
    return 0


def _terminal() -> tuple[int, bool]:
    """Its columns, and whether there is one."""
    terminal = sys.stdout.isatty()
    return (shutil.get_terminal_size().columns if terminal else _PIPE_COLUMNS), terminal
