"""``conformance pack``: make an archive of a failure for a bug report."""

# ruff: noqa: T201  printing is what a command is for

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.cli.words import counted, one_line, refuse

if TYPE_CHECKING:
    from conformance.failures.pack import Survivor


def add_pack(commands: Any) -> None:
    """Add ``pack``."""
    pack = commands.add_parser(
        "pack",
        help="make an archive of a failure for a bug report",
        description="Zips the folder that a failing case left, or a bundle, with a script that\n"
        "shows the failure and needs only onnxruntime and numpy.",
        epilog="examples:\n  conformance pack reports/failures/pytorch__cnn@dynamo-op18-fp32-cpu\n"
        "  conformance pack FOLDER --randomize-weights -o report.zip\n\n"
        "exit code: 0 when the archive was written, 1 when the failure does not survive other\n"
        "           weights (nothing is written then), 2 for wrong usage",
    )
    pack.add_argument("folder", type=Path, metavar="FOLDER", help="failure folder or bundle")
    pack.add_argument(
        "--randomize-weights",
        action="store_true",
        help="replace float weights by random ones, and verify that it fails as before",
    )
    pack.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="of the random weights (default: 0)"
    )
    pack.add_argument(
        "-o",
        "--out",
        type=Path,
        metavar="OUT",
        help="the archive (default: the folder's name, in the current directory)",
    )
    pack.set_defaults(run=_pack)


def _seed(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value


def _pack(arguments: argparse.Namespace) -> int:
    from conformance.failures.pack import DoesNotSurvive, NotPacked, pack
    from conformance.failures.wording import size_text

    folder: Path = arguments.folder.absolute()
    ending = "-randomized.zip" if arguments.randomize_weights else ".zip"
    out: Path = arguments.out or Path(f"{folder.resolve().name}{ending}")
    if not folder.is_dir():
        return refuse(f"{arguments.folder} is not a folder")
    if out.resolve().is_relative_to(folder.resolve()):
        return refuse(f"{out} would lie in the folder that it is made of; give another --out")
    try:
        if arguments.randomize_weights:
            _say(_randomized(folder, out, arguments.seed), arguments.seed)
        else:
            pack(folder, out)
    except NotPacked as error:
        return refuse(error)
    except DoesNotSurvive as error:
        print(f"not packed, the failure does not survive other weights: {one_line(error)}")
        return 1
    except OSError as error:
        return refuse(f"{out} cannot be written: {error}")
    print(f"{out} ({size_text(out.stat().st_size)})")
    return 0


def _randomized(folder: Path, out: Path, seed: int) -> Survivor:
    from conformance.execution.child import children
    from conformance.failures.pack import pack_randomized

    executor = children()
    try:
        return pack_randomized(folder, out, seed, executor)
    finally:
        executor.close()


def _say(survivor: Survivor, seed: int) -> None:
    weights = survivor.weights
    print(f"model: {survivor.taken}")
    print(f"before: {one_line(survivor.before)}")
    print(f"after, seed {seed}: {one_line(survivor.after)}")
    print(
        f"replaced {counted(weights.replaced, 'float tensor')}; as before: "
        f"{weights.kept} without spread, {len(weights.not_floats)} of other types"
    )
