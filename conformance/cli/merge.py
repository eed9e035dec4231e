"""``conformance report merge``: one report from the parts that several machines have run."""

# ruff: noqa: T201  printing is what a command is for

from __future__ import annotations

import argparse
import shlex
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.cli.words import counted, one_line, refuse

if TYPE_CHECKING:
    from conformance.history import Merged


def add_merge(commands: Any) -> None:
    """Add ``merge`` below ``report``."""
    merge = commands.add_parser(
        "merge",
        help="make one run of the parts that several machines have run",
        description="Merges runs that were made with --zoo-shard I/N into one run of the whole\n"
        "zoo, with no test lost or counted twice, and writes its report. They have to be of\n"
        "the same commit, zoo files and seed. Failure folders are copied.",
        epilog="example:\n"
        "  conformance report merge part-1 part-2 part-3 --report reports\n\n"
        "exit code: 0 when the report was written, whatever the parts found,\n"
        "           1 when a run cannot be read or the report cannot be written,\n"
        "           2 for wrong usage: parts that are missing or are not of one run",
    )
    merge.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="DIR",
        help="a report folder, whose newest run is meant, or a run's .jsonl file",
    )
    merge.add_argument(
        "--report",
        dest="out",
        type=Path,
        required=True,
        metavar="OUT",
        help="the report folder whose history gets the merged run",
    )
    merge.add_argument("--partial", action="store_true", help="parts may be missing")
    merge.set_defaults(run=_merge)


def _merge(arguments: argparse.Namespace) -> int:
    from conformance.errors import HistoryError
    from conformance.history import NotOneRun

    out: Path = arguments.out
    try:
        with warnings.catch_warnings(record=True) as caught:
            merged = _merged(arguments.folders, out, partial=arguments.partial)
    except NotOneRun as error:
        return refuse(error)
    except HistoryError as error:
        return refuse(error, 1)
    except OSError as error:
        return refuse(f"{error.filename or out} cannot be read or written: {error.strerror}", 1)
    for note in (*merged.notes, *(warning.message for warning in caught)):
        print(f"conformance: warning: {one_line(note)}", file=sys.stderr)
    named = f" without part {', '.join(map(str, merged.missing))}" if merged.missing else ""
    print(
        f"run {merged.header.id}{named}: {merged.footer.status}, {counted(merged.tests, 'test')} "
        f"of {counted(len(arguments.folders), 'part')}"
    )
    print(out / "index.html")
    return 0


def _merged(folders: list[Path], out: Path, *, partial: bool) -> Merged:
    from conformance.cli.report import write_report
    from conformance.history import merge_shards, read_shard
    from conformance.redaction import hide_secrets_in

    words = ["conformance", "report", "merge", *map(str, folders), "--report", str(out)]
    words += ["--partial"] * partial
    shards = [read_shard(folder) for folder in folders]
    merged = merge_shards(shards, out, shlex.join(hide_secrets_in(words)), partial=partial)
    write_report(out, merged.header.id)
    return merged
