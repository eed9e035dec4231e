"""``conformance sweep``: the same stored models under several versions of a package."""

# ruff: noqa: T201  printing is what a command is for

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.cli.words import counted, one_line, refuse

if TYPE_CHECKING:
    from conformance.overlay import Pin
    from conformance.sweep import Cell, Swept


def add_sweep(commands: Any) -> None:
    """Add ``sweep``."""
    from conformance.providers import PROVIDERS

    sweep = commands.add_parser(
        "sweep",
        help="replay stored models under several versions of a package",
        description="Replays the converted models of a run, or those in folders, under each\n"
        "version of a package, in environments that are this one otherwise, and shows\n"
        "what changed. Nothing is converted again and no framework is imported.",
        epilog="examples:\n"
        "  conformance sweep --package onnxruntime==1.30.0,1.31.1\n"
        "  conformance sweep --package onnxruntime==1.30.0,1.31.1 reports/failures\n"
        "  conformance sweep --package onnxruntime-openvino==1.24.1 --provider openvino\n\n"
        "exit code: 0 when all versions give the same verdicts, 1 when they differ,\n"
        "           2 for wrong usage, a version that cannot be installed among it",
    )
    sweep.add_argument(
        "folder",
        nargs="*",
        type=Path,
        metavar="FOLDER",
        help="searched for models (default: the bundles of the latest run of --report)",
    )
    sweep.add_argument(
        "--package",
        required=True,
        metavar="NAME==VERSION[,VERSION...]",
        help="what is swept, such as onnxruntime==1.30.0,1.31.1",
    )
    sweep.add_argument(
        "--provider",
        choices=PROVIDERS,
        default="cpu",
        metavar="NAME",
        help=f"execution provider: {', '.join(PROVIDERS)} (default: cpu)",
    )
    sweep.add_argument(
        "--report",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="the report folder whose latest run is replayed (default: reports)",
    )
    sweep.add_argument(
        "--cache-dir",
        type=Path,
        metavar="DIR",
        help="where the bundles are (default: $CONFORMANCE_CACHE_DIR, or the user's cache folder)",
    )
    sweep.add_argument(
        "--timeout",
        type=float,
        default=3600.0,
        metavar="SECONDS",
        help="for each installation, and for all replays under a version (default: 3600)",
    )
    sweep.add_argument("--json", type=Path, metavar="PATH", help="write all that was found")
    sweep.set_defaults(run=_sweep)


def _sweep(arguments: argparse.Namespace) -> int:
    from conformance.errors import HistoryError
    from conformance.overlay import NotInstalled
    from conformance.sweep import NotReplayed, sweep

    try:
        pins = _pins(arguments.package)
        folders = arguments.folder or _bundles(arguments)
        for folder in folders:
            if not folder.is_dir():
                return refuse(f"{folder} is not a folder")
        found = sweep(pins, folders, arguments.provider, arguments.timeout, _progress)
        if arguments.json is not None:
            arguments.json.write_text(_as_json(pins, found), encoding="utf-8")
    except (ValueError, HistoryError, NotInstalled, NotReplayed) as error:
        return refuse(error)
    except OSError as error:
        return refuse(f"{error.filename}: {error.strerror}")
    for line in _lines(pins, found):
        print(line)
    return 1 if any(swept.differs for swept in found) else 0


def _pins(package: str) -> tuple[Pin, ...]:
    """Each version of ``NAME==VERSION[,VERSION...]``.

    Raises:
        ValueError: when it is not of that form.
    """
    from conformance.overlay import Pin

    name, equals, versions = package.partition("==")
    if not equals or not name.strip():
        raise ValueError(f"--package {package}: write NAME==VERSION[,VERSION...]")
    pins = tuple(Pin.of(name.strip(), version.strip()) for version in versions.split(","))
    if len(set(pins)) < len(pins):
        raise ValueError(f"--package {package}: a version is named twice")
    return pins


def _bundles(arguments: argparse.Namespace) -> list[Path]:
    """The bundles of the latest run, as far as the cache still has them.

    Raises:
        HistoryError: when there is no run, or none of its bundles is left.
    """
    from conformance.cache import BundleCache
    from conformance.errors import HistoryError
    from conformance.history import list_runs, merge, read_run
    from conformance.locations import default_cache_dir

    runs = list_runs(arguments.report)
    if not runs:
        raise HistoryError(
            f"{arguments.report} holds no run: name folders with models, or --report DIR"
        )
    rows = merge(read_run(runs[-1]))
    keys = dict.fromkeys(row.export.bundle for row in rows if row.export and row.export.bundle)
    cache = BundleCache(arguments.cache_dir or default_cache_dir())
    bundles = [bundle.path for key in keys if (bundle := cache.find(key)) is not None]
    if not bundles:
        raise HistoryError(
            f"no bundle of run {runs[-1].stem} is in {cache.root}: run the zoo again, or name the "
            "cache with --cache-dir"
        )
    if gone := len(keys) - len(bundles):
        _progress(f"{counted(gone, 'bundle')} of run {runs[-1].stem} no longer in the cache")
    return bundles


def _progress(text: str) -> None:
    print(one_line(text), file=sys.stderr, flush=True)


def _lines(pins: Sequence[Pin], found: Sequence[Swept]) -> list[str]:
    """What differs, model by model, then the totals of each version."""
    lines = []
    width = max(len(str(pin)) for pin in pins)
    for swept in found:
        if swept.differs or swept.moved:
            lines.append(f"{'differs' if swept.differs else 'moved'}: {one_line(swept.id)}")
            lines += [
                f"  {pin!s:{width}}  {_told(cell)}"
                for pin, cell in zip(pins, swept.cells, strict=True)
            ]
    for number, pin in enumerate(pins):
        counts = Counter(cell.verdict for s in found if (cell := s.cells[number]) is not None)
        listed = ", ".join(
            f"{verdict.glyph} {count} {verdict}" for verdict, count in counts.items()
        )
        missing = len(found) - sum(counts.values())
        lines.append(f"{pin!s:{width}}  {listed}" + (f", {missing} not reached" * bool(missing)))
    differing, moved = sum(s.differs for s in found), sum(s.moved and not s.differs for s in found)
    lines.append(
        f"{counted(len(found), 'model')}: {differing} with another verdict, {moved} with the same "
        f"one and another error or placement, {len(found) - differing - moved} alike"
    )
    return lines


def _told(cell: Cell | None) -> str:
    if cell is None:
        return "· not reached"
    text = f"{cell.verdict.glyph} {cell.verdict}"
    if cell.ratio is not None:
        text += f", {cell.ratio:.2g} of its limit"
    if cell.placement:
        text += ", " + ", ".join(f"{n} nodes on {name}" for name, n in cell.placement.items())
    return one_line(f"{text}: {cell.reason}" if cell.reason else text)


def _as_json(pins: Sequence[Pin], found: Sequence[Swept]) -> str:
    from conformance.model import SCHEMA_VERSION, to_json

    versions = [{"distribution": pin.distribution, "version": pin.version} for pin in pins]
    models = [{**to_json(swept), "differs": swept.differs, "moved": swept.moved} for swept in found]
    document = {"schema_version": SCHEMA_VERSION, "versions": versions, "models": models}
    return json.dumps(document, indent=1) + "\n"
