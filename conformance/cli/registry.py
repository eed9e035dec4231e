"""``conformance registry``: what was converted for whom, and its tables in a database."""

# ruff: noqa: T201  printing is what a command is for

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from conformance.cli.switches import add_cache_dir, add_group
from conformance.cli.words import counted, one_line, refuse


def add_registry(commands: Any) -> None:
    """Add ``registry list`` and ``registry update-schema``."""
    actions = add_group(
        commands,
        "registry",
        help="list converted models, and bring a benchmark database up to date",
        description="The registry, conversion_registry.json of the cache folder, keeps what\n"
        "`conformance check --convert` and the Python API have converted.",
    )
    listing = actions.add_parser(
        "list",
        help="show what was converted, and what failed",
        description="Shows every conversion with its size, uses and last use.",
        epilog="example:\n  conformance registry list --cache-dir ./onnx_cache --json",
    )
    add_cache_dir(listing, "that holds the registry")
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.set_defaults(run=_list)
    update = actions.add_parser(
        "update-schema",
        help="add the ONNX tables, columns, view and functions to a DuckDB database",
        description="Adds the table onnx_conversions, the onnx_ columns of performance_results,\n"
        "the view model_onnx_registry and the functions has_converted_onnx and\n"
        "get_onnx_status, and takes over a registry. What is there is kept; a second\n"
        "run changes nothing.",
        epilog="examples:\n"
        "  conformance registry update-schema --db-path ./benchmark_db.duckdb\n"
        "  conformance registry update-schema --db-path ./benchmark_db.duckdb \\\n"
        "      --registry-path ./conversion_registry.json\n\n"
        "exit code: 0 when the database is up to date, 2 when it or the registry cannot be used",
    )
    update.add_argument(
        "--db-path", type=Path, required=True, metavar="FILE", help="made where there is none"
    )
    update.add_argument(
        "--registry-path", type=Path, metavar="FILE", help="a registry, of an older form too"
    )
    update.set_defaults(run=_update)


def _list(arguments: argparse.Namespace) -> int:
    from conformance.locations import default_cache_dir
    from conformance.registry import ConversionRegistry, RegistryProblem
    from conformance.registry.entries import entry_data

    registry = ConversionRegistry(arguments.cache_dir or default_cache_dir())
    try:
        entries = registry.entries()
    except RegistryProblem as error:
        return refuse(error)
    if arguments.json:
        print(json.dumps({key: entry_data(entry) for key, entry in entries.items()}, indent=1))
        return 0
    for key, entry in entries.items():
        told = entry.local_path if entry.conversion_success else f"failed: {entry.error_message}"
        print(f"{one_line(key)}: {one_line(told)} ({counted(entry.use_count, 'use')})")
    if not entries:
        print(f"nothing was converted yet: there is no {registry.path}")
    return 0


def _update(arguments: argparse.Namespace) -> int:
    from conformance.registry import DatabaseProblem, RegistryProblem, update_schema

    try:
        done = update_schema(arguments.db_path, arguments.registry_path)
    except (DatabaseProblem, RegistryProblem) as error:
        return refuse(error)
    for change in done.changes:
        print(f"added {change}")
    if arguments.registry_path is not None:
        print(f"{counted(done.added, 'conversion')} added, {done.updated} brought up to date")
    if not (done.changes or done.added or done.updated):
        print(f"{arguments.db_path} is up to date")
    return 0
