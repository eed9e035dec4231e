"""``conformance replay``: run models on their test data again, without any framework."""

# ruff: noqa: T201  printing is what a command is for

from __future__ import annotations

import argparse
import contextlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from conformance.cli.words import counted, refuse

if TYPE_CHECKING:
    from conformance.replay import Replayed


def add_replay(commands: Any) -> None:
    """Add ``replay``."""
    from conformance.providers import PROVIDERS

    replay = commands.add_parser(
        "replay",
        help="run stored models on stored data and compare",
        description="Runs every model in a tree of folders on ONNX Runtime and compares what it\n"
        "answers with the outputs stored beside it, in ONNX's layout of test data:\n"
        "one .onnx file with test_data_set_N/{input_M,output_M}.pb. Needs no framework.",
        epilog="examples:\n  conformance replay reports/failures/bert-tiny\n"
        "  conformance replay onnx/backend/test/data/node --json replay.json -q\n"
        "  conformance replay --run latest --provider openvino    as rows of that run's report\n\n"
        "exit code: 0 when all models pass, 1 when one does not, 2 for wrong usage,\n"
        "           a folder without models among it",
    )
    replay.add_argument(
        "folder", nargs="*", type=Path, metavar="FOLDER", help="searched for models"
    )
    replay.add_argument(
        "--provider",
        choices=PROVIDERS,
        default="cpu",
        metavar="NAME",
        help=f"execution provider: {', '.join(PROVIDERS)} (default: cpu)",
    )
    replay.add_argument(
        "--run",
        dest="of_run",
        metavar="RUN",
        help="in place of folders: the models of a run, such as latest, on --provider; what comes "
        "of them joins that run's report",
    )
    replay.add_argument(
        "--report",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="the report folder of --run (default: reports)",
    )
    replay.add_argument(
        "--cache-dir",
        type=Path,
        metavar="DIR",
        help="where the bundles of --run are (default: $CONFORMANCE_CACHE_DIR, or the user's "
        "cache folder)",
    )
    for name, default in (("rtol", "1e-3"), ("atol", "1e-7")):
        replay.add_argument(
            f"--{name}",
            type=_not_negative,
            default=default,
            metavar="X",
            help=f"of models that are no bundles of ours (default: {default}, as ONNX does)",
        )
    replay.add_argument(
        "--timeout",
        type=_positive,
        metavar="SECONDS",
        help="for one model (default: what the entry of a bundle allows, 300 for other models)",
    )
    replay.add_argument("--json", type=Path, metavar="OUT", help="write the results to a file")
    replay.add_argument(
        "-q", "--quiet", action="store_true", help="print only what does not pass, and the totals"
    )
    replay.set_defaults(run=_replay)


def _not_negative(text: str) -> float:
    value = float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 on")
    return value


def _positive(text: str) -> float:
    value = _not_negative(text)
    if not value:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _replay(arguments: argparse.Namespace) -> int:
    from conformance.errors import ProviderAbsent
    from conformance.runtime import require_provider

    if bool(arguments.folder) == bool(arguments.of_run):
        return refuse("name either folders with models, or a run with --run")
    try:
        if arguments.of_run:
            from conformance.cli.join import join_run

            return join_run(arguments)
        for folder in arguments.folder:
            if not folder.is_dir():
                return refuse(f"{folder} is not a folder")
        require_provider(arguments.provider)
        with contextlib.ExitStack() as stack:
            out = None
            if arguments.json is not None:
                out = stack.enter_context(arguments.json.open("wb"))
            return _replay_all(arguments, out)
    except ProviderAbsent as error:
        return refuse(error)
    except OSError as error:
        if arguments.json is None or error.filename != str(arguments.json):
            raise
        return refuse(f"{arguments.json} cannot be written: {error.strerror}")


def _replay_all(arguments: argparse.Namespace, out: BinaryIO | None) -> int:
    from conformance.execution.child import children
    from conformance.model import Verdict
    from conformance.replay import CasesFile, Replay, case_of, find_model_folders

    counts: dict[Verdict, int] = {}
    empty = []
    executor = children()
    replay = Replay(
        executor,
        arguments.provider,
        rtol=arguments.rtol,
        atol=arguments.atol,
        timeout_s=arguments.timeout,
    )
    cases = None if out is None else CasesFile(out)
    try:
        for root in arguments.folder:
            before = sum(counts.values())
            for folder in find_model_folders(root):
                result = replay.run(folder)
                counts[result.verdict] = counts.get(result.verdict, 0) + 1
                if cases is not None:
                    cases.add(case_of(result, _tolerance(arguments)))
                if not arguments.quiet or result.verdict is not Verdict.PASS:
                    print(_replayed_line(result), flush=True)
            if sum(counts.values()) == before:
                empty.append(root)
    finally:
        executor.close()
        if cases is not None:
            cases.close()
    if counts:
        listed = ", ".join(f"{v.glyph} {counts[v]} {v}" for v in Verdict if v in counts)
        print(f"{counted(sum(counts.values()), 'model')} on {arguments.provider}: {listed}")
    if counts.keys() - {Verdict.PASS}:
        return 1
    if empty:
        return refuse(
            f"no model found in {', '.join(map(str, empty))}: looked, at any depth, for a folder "
            "with one .onnx file and at least one test_data_set_N beside it"
        )
    return 0


def _tolerance(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The tolerance as it was given, to be given again; nothing where it is ONNX's own."""
    from conformance.replay import ONNX_ATOL, ONNX_RTOL

    given = {"--rtol": (arguments.rtol, ONNX_RTOL), "--atol": (arguments.atol, ONNX_ATOL)}
    return tuple(
        word
        for option, (value, default) in given.items()
        if value != default
        for word in (option, repr(value))
    )


def _replayed_line(result: Replayed) -> str:
    from conformance.model import Verdict
    from conformance.reporters.inert import inert
    from conformance.reporters.wording import fallback, two_digits

    ratio = result.worst_ratio
    found = f"worst {two_digits(ratio)} of limit" if ratio else "exact"
    if elsewhere := fallback(result.placement, result.provider):
        found = f"{found}; {elsewhere}"
    passed = f" ({counted(result.data_sets, 'data set')}, {found})"
    tail = passed if result.verdict is Verdict.PASS else f": {result.reason}"
    # bundles often lie in folders that are named by a digest
    case = "" if result.about.case is None else f" [{result.about.case}]"
    line = inert(f"{result.verdict.glyph} {result.verdict} {result.id}{case}{tail}")
    # inert keeps line feeds and tabs, which a folder's name may hold: one line per model
    return line.replace("\n", "\\n").replace("\t", "\\t")
