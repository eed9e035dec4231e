"""Parts of parsers that commands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_cache_dir(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--cache-dir``: None where it is not given, for the folder of ``locations``.

    Args:
        parser: of a command.
        what: the command finds or keeps there.
    """
    parser.add_argument(
        "--cache-dir",
        type=Path,
        metavar="DIR",
        help=f"{what} (default: $CONFORMANCE_CACHE_DIR, or the user's cache folder)",
    )


def add_group(commands: Any, name: str, **words: str) -> Any:
    """Add a command that is a group of commands; gives what its members are added to.

    Args:
        commands: that the group is one of.
        name: of the group.
        words: its ``help`` and ``description``.
    """
    group = commands.add_parser(name, **words)
    return group.add_subparsers(title="commands", metavar="COMMAND", required=True)
