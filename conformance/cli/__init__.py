"""The ``conformance`` command.

A group of commands has a module here, with a function that adds its parsers.
A command imports what it needs when it runs, so that ``--help`` is immediate.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from conformance import __version__
from conformance.cli.blame import add_blame
from conformance.cli.cache import add_cache
from conformance.cli.check import add_check
from conformance.cli.convert import add_convert
from conformance.cli.diff import add_diff
from conformance.cli.gate import add_gate
from conformance.cli.history import add_history
from conformance.cli.pack import add_pack
from conformance.cli.profile import add_profile
from conformance.cli.registry import add_registry
from conformance.cli.replay import add_replay
from conformance.cli.report import add_report
from conformance.cli.sweep import add_sweep
from conformance.cli.zoo import add_zoo

_DESCRIPTION = """\
Proves that machine-learning models survive conversion to ONNX.

A whole zoo of models is run by pytest:

  pytest --zoo model_zoo.yaml -n auto

One model at a time is `conformance convert`; the other commands look after the files
around a run."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        argv: the arguments; by default those of the process.

    Raises:
        SystemExit: with 0 after ``--help`` and ``--version``, with 2 for wrong usage.
    """
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # the reader, such as `head`, has seen enough; keep Python from flushing again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="conformance", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"conformance {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_convert(commands)
    add_check(commands)
    add_registry(commands)
    add_zoo(commands)
    add_replay(commands)
    add_sweep(commands)
    add_pack(commands)
    add_profile(commands)
    add_cache(commands)
    add_report(commands)
    add_blame(commands)
    add_diff(commands)
    add_history(commands)
    add_gate(commands)
    return parser


class _Parser(argparse.ArgumentParser):
    """Keeps the line breaks of descriptions and examples."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **settings
        )
