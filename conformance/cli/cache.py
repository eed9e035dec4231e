"""``conformance cache``: what converted models are kept, are they whole, and which may go."""

# ruff: noqa: T201  printing is what a command is for

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.cli.words import counted, one_line, refuse

if TYPE_CHECKING:
    from conformance.cache.upkeep import Pruned, Stored

_NO_FRAMEWORK = "(damaged)"


def add_cache(commands: Any) -> None:
    """Add ``cache info``, ``cache verify``, ``cache prune`` and ``cache clear``."""
    cache = commands.add_parser(
        "cache",
        help="look after the converted models that are kept",
        description="Looks after the cache: models that were converted once, with their test\n"
        "data, and are taken from there while nothing they were made from changes.\n"
        "Everything in it can be made again; runs that go on keep what they use.",
    )
    actions = cache.add_subparsers(title="commands", metavar="COMMAND", required=True)

    info = actions.add_parser(
        "info",
        help="where the cache is, how large, and what is in it",
        description="Tells where the cache is, how many bundles it holds, their size, when they\n"
        "were used, and from which frameworks they come. Verifies nothing.",
        epilog="examples:\n  conformance cache info\n"
        "  conformance cache info --json | jq .size_bytes\n\n"
        "exit code: 0 when the cache could be read, 2 for wrong usage",
    )
    info.add_argument("--json", action="store_true", help="print a JSON object (default: text)")
    info.set_defaults(run=_info)

    verify = actions.add_parser(
        "verify",
        help="compare every file with its digest",
        description="Reads every file of every bundle and compares it with its digest. A run does\n"
        "the same with each bundle it takes, and makes a damaged one anew.",
        epilog="examples:\n  conformance cache verify\n  conformance cache verify --remove\n\n"
        "exit code: 0 when all bundles are whole, 1 when one is not, removed or not,\n"
        "           2 for wrong usage",
    )
    verify.add_argument("--remove", action="store_true", help="remove damaged bundles")
    verify.set_defaults(run=_verify)

    prune = actions.add_parser(
        "prune",
        help="remove what was not used for longest",
        description="Removes the least recently used bundles until the rest fits, and what killed\n"
        "processes left. Bundles that a running process has asked for stay.",
        epilog="examples:\n  conformance cache prune --max-size 5GB --dry-run\n"
        "  conformance cache prune --max-size 5GB\n\n"
        "exit code: 0 when the rest fits, 1 when it does not because of bundles in use,\n"
        "           2 for wrong usage",
    )
    prune.add_argument(
        "--max-size",
        type=_size,
        metavar="SIZE",
        help="what may remain, such as 500MB or 1.5GiB\n"
        "(default: $CONFORMANCE_CACHE_MAX_SIZE, or 20GB)",
    )
    prune.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    prune.set_defaults(run=_prune)

    clear = actions.add_parser(
        "clear",
        help="remove all bundles",
        description="Removes all bundles but those that a running process has asked for. Asks\n"
        "first, or wants --yes where nobody can be asked.",
        epilog="examples:\n  conformance cache clear\n"
        "  conformance cache clear --yes --cache-dir /ci/cache\n\n"
        "exit code: 0 when all bundles are gone, 1 when some are in use or the answer was no,\n"
        "           2 for wrong usage",
    )
    clear.add_argument("--yes", action="store_true", help="do not ask")
    clear.set_defaults(run=_clear)
    for action in (info, verify, prune, clear):
        action.add_argument(
            "--cache-dir",
            type=Path,
            metavar="DIR",
            help="the cache (default: $CONFORMANCE_CACHE_DIR, or the user's cache folder)",
        )


def _size(text: str) -> int:
    from conformance.cache.limit import parse_size

    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _root(arguments: argparse.Namespace) -> Path | None:
    """The cache; None, and a message, when a folder was named that is not there."""
    from conformance.locations import default_cache_dir

    named: Path | None = arguments.cache_dir
    if named is not None and not named.is_dir():
        refuse(f"{named} is not a folder")
        return None
    return named or default_cache_dir()


def _info(arguments: argparse.Namespace) -> int:
    from conformance.cache.folders import bundles_folder, unfinished
    from conformance.cache.limit import size_limit
    from conformance.cache.upkeep import framework_of, stored

    root = _root(arguments)
    if root is None:
        return 2
    try:
        limit, bundles, partial = size_limit(), stored(root), unfinished(root)
    except (OSError, ValueError) as error:
        return refuse(error)
    by_framework: dict[str, list[Stored]] = {}
    for bundle in bundles:
        by_framework.setdefault(framework_of(bundle) or _NO_FRAMEWORK, []).append(bundle)
    facts = {
        "folder": str(bundles_folder(root)),
        "bundles": len(bundles),
        "size_bytes": _total(bundles),
        "limit_bytes": limit,
        "oldest_use": _when(bundles[0]) if bundles else None,
        "newest_use": _when(bundles[-1]) if bundles else None,
        "unfinished": len(partial),
        "frameworks": {
            name: {"bundles": len(own), "size_bytes": _total(own)}
            for name, own in sorted(by_framework.items())
        },
    }
    if arguments.json:
        print(json.dumps(facts, indent=2))
    else:
        _print_info(facts)
    return 0


def _print_info(facts: dict[str, Any]) -> None:
    from conformance.reporters.wording import size

    limit = facts["limit_bytes"]
    bound = "no limit" if limit is None else f"limit {size(limit)}"
    print(one_line(facts["folder"]))
    print(f"{counted(facts['bundles'], 'bundle')}, {size(facts['size_bytes'])} ({bound})")
    if facts["bundles"]:
        print(f"last used from {facts['oldest_use']} to {facts['newest_use']}")
    for name, own in facts["frameworks"].items():
        print(f"  {one_line(name):<14}{own['bundles']:>6}  {size(own['size_bytes'])}")
    if facts["unfinished"]:
        print(
            f"{counted(facts['unfinished'], 'unfinished folder')}: being made, or left by a "
            "killed process; `conformance cache prune` removes the latter"
        )


def _verify(arguments: argparse.Namespace) -> int:
    from conformance.cache.upkeep import verify

    root = _root(arguments)
    if root is None:
        return 2
    whole = damaged = busy = 0
    try:
        for result in verify(root, remove=arguments.remove):
            if result.busy:
                busy += 1
            elif result.problem is None:
                whole += 1
            else:
                damaged += 1
                removed = "removed: " if arguments.remove else ""
                print(f"{removed}{one_line(result.problem)}", flush=True)
    except OSError as error:
        return refuse(f"the cache cannot be verified: {error}")
    skipped = f", {busy} in work and not looked at" if busy else ""
    print(f"{counted(whole, 'bundle')} whole, {damaged} damaged{skipped}")
    return 1 if damaged else 0


def _prune(arguments: argparse.Namespace) -> int:
    from conformance.cache.limit import size_limit
    from conformance.cache.upkeep import prune
    from conformance.reporters.wording import size

    root = _root(arguments)
    if root is None:
        return 2
    try:
        limit = arguments.max_size if arguments.max_size is not None else size_limit()
    except ValueError as error:
        return refuse(error)
    if limit is None:
        return refuse("CONFORMANCE_CACHE_MAX_SIZE is 'none': say --max-size")
    try:
        pruned = prune(root, limit, dry_run=arguments.dry_run)
    except OSError as error:
        return refuse(f"the cache cannot be pruned: {error}")
    for bundle in pruned.removed:
        used = _when(bundle)
        print(f"{bundle.path.name}  {size(bundle.size_bytes)}, last used {used}")
    _print_pruned(pruned, "would remove" if arguments.dry_run else "removed")
    return 0 if pruned.left_bytes <= limit else 1


def _clear(arguments: argparse.Namespace) -> int:
    from conformance.cache.upkeep import prune, stored
    from conformance.reporters.wording import size

    root = _root(arguments)
    if root is None:
        return 2
    if not arguments.yes:
        if not sys.stdin.isatty():
            return refuse("nobody can be asked here: say --yes to remove all bundles")
        bundles = stored(root)
        total = size(_total(bundles))
        question = f"Remove {counted(len(bundles), 'bundle')} ({total}) of {one_line(root)}?"
        if not _agreed(question):
            return 1
    try:
        pruned = prune(root, 0)
    except OSError as error:
        return refuse(f"the cache cannot be cleared: {error}")
    _print_pruned(pruned, "removed")
    return 1 if pruned.in_use else 0


def _agreed(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _print_pruned(pruned: Pruned, verb: str) -> None:
    from conformance.reporters.wording import size

    leftovers = (
        f" and {counted(len(pruned.leftovers), 'unfinished folder')}" if pruned.leftovers else ""
    )
    in_use = f", {len(pruned.in_use)} in use and kept" if pruned.in_use else ""
    print(
        f"{verb} {counted(len(pruned.removed), 'bundle')} ({size(_total(pruned.removed))})"
        f"{leftovers}{in_use}; {size(pruned.left_bytes)} left"
    )


def _total(bundles: list[Stored] | tuple[Stored, ...]) -> int:
    return sum(bundle.size_bytes for bundle in bundles)


def _when(bundle: Stored) -> str:
    """Time of last use, in UTC: ``2026-11-21T14:07:30Z``."""
    moment = datetime.fromtimestamp(bundle.used_ns // 10**9, UTC)
    return moment.isoformat().replace("+00:00", "Z")
