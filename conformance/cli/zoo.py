"""``conformance zoo``: check, list and update zoo files."""

# ruff: noqa: T201  printing is what a command is for

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.cli.switches import add_group
from conformance.cli.update import add_update
from conformance.cli.words import counted

if TYPE_CHECKING:
    from conformance.model import Case
    from conformance.zoo import Zoo


def add_zoo(commands: Any) -> None:
    """Add ``zoo validate``, ``zoo list``, ``zoo update`` and ``zoo schema``."""
    actions = add_group(
        commands,
        "zoo",
        help="check, list and update zoo files",
        description="Checks, lists and updates zoo files: the YAML files that say which\n"
        "models to prove.",
    )

    validate = actions.add_parser(
        "validate",
        help="say everything that is wrong with zoo files",
        description="Reads zoo files with all they include, and prints every problem as\n"
        "file:line:column: message. Imports no framework and loads no model.",
        epilog="example:\n  conformance zoo validate model_zoo.yaml\n\n"
        "exit code: 0 when the files are valid, 1 when they are not",
    )
    _add_files(validate)
    validate.set_defaults(run=_zoo_validate)

    listing = actions.add_parser(
        "list",
        help="list the models of zoo files",
        description="Lists the models of zoo files, defaults filled in: what pytest would run.",
        epilog="examples:\n  conformance zoo list model_zoo.yaml\n"
        "  conformance zoo list model_zoo.yaml --json | jq '.[].id'\n\n"
        "exit code: 0 when the files are valid, 1 when they are not",
    )
    _add_files(listing)
    listing.add_argument("--json", action="store_true", help="print a JSON list (default: a table)")
    listing.set_defaults(run=_zoo_list)

    add_update(actions)

    schema = actions.add_parser(
        "schema",
        help="print the JSON Schema of zoo files",
        description="Prints the JSON Schema of zoo files, by which editors complete and check\n"
        "them. It is published in the package as schemas/zoo.schema.json.",
        epilog="example:\n  conformance zoo schema > zoo.schema.json\n\n"
        "first line of a zoo file, for editors that use the YAML language server:\n"
        "  # yaml-language-server: $schema=zoo.schema.json",
    )
    schema.set_defaults(run=_zoo_schema)


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("zoo", nargs="+", type=Path, metavar="ZOO", help="a zoo file")


def _read_zoo(paths: list[Path]) -> Zoo | None:
    """Read zoo files; prints what is wrong with them and returns ``None`` if anything is."""
    from conformance.adapters import catalog
    from conformance.zoo import ZooError, read_zoo

    try:
        return read_zoo(paths, catalog())
    except ZooError as error:
        print(error, file=sys.stderr)
        return None


def _zoo_validate(arguments: argparse.Namespace) -> int:
    zoo = _read_zoo(arguments.zoo)
    if zoo is None:
        return 1
    files = ", ".join(map(str, arguments.zoo))
    print(f"{files}: {counted(len(zoo.entries), 'model')}, {counted(len(zoo.cases()), 'case')}")
    return 0


def _zoo_list(arguments: argparse.Namespace) -> int:
    zoo = _read_zoo(arguments.zoo)
    if zoo is None:
        return 1
    rows = _rows(zoo)
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        _print_table(rows)
    return 0


def _rows(zoo: Zoo) -> list[dict[str, Any]]:
    """One mapping per model; exporters and opsets are the ones that will be used."""
    cases: dict[str, list[Case]] = {}
    for case in zoo.cases():
        cases.setdefault(case.case.entry.id, []).append(case.case)
    rows = []
    for located in zoo.entries:
        entry = located.entry
        own = cases[entry.id]
        row = {
            "id": entry.id,
            "framework": entry.framework,
            "task": entry.task,
            "tags": list(entry.tags),
            "exporters": list(dict.fromkeys(case.exporter for case in own)),
            "opsets": list(dict.fromkeys(case.opset for case in own)),
            "variants": list(entry.variants),
            "providers": list(entry.providers),
            "cases": [case.key for case in own],
            "file": str(located.file),
            "line": located.line,
        }
        rows.append(row)
    return rows


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("id", "framework", "task", "tags", "exporters", "opsets", "providers"):
        table.add_column(column, overflow="fold", style="cyan" if column == "id" else "")
    table.add_column("cases", justify="right")
    for row in rows:
        lists = (
            ", ".join(map(str, row[key])) for key in ("tags", "exporters", "opsets", "providers")
        )
        table.add_row(
            row["id"], row["framework"], row["task"] or "", *lists, str(len(row["cases"]))
        )
    # a pipe has no width to fit: one line per model, for grep and its friends
    width = None if sys.stdout.isatty() else 1000
    Console(width=width, highlight=False, markup=False).print(table)


def _zoo_schema(_: argparse.Namespace) -> int:
    from conformance.adapters import catalog
    from conformance.zoo.schema import zoo_schema

    print(json.dumps(zoo_schema(catalog()), indent=2))
    return 0
