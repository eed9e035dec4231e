"""``conformance profile``: where the time of a converted model's run goes."""

# ruff: noqa: T201  printing is what a command is for

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.cli.switches import add_cache_dir
from conformance.cli.words import refuse

if TYPE_CHECKING:
    from conformance.profiling import Profile, Subject

_STDOUT = "-"
#: Columns where nobody looks: a name fits on its line for grep and its friends.
_PIPE_COLUMNS = 160


def add_profile(commands: Any) -> None:
    """Add ``profile``."""
    from conformance.providers import PROVIDERS

    profile = commands.add_parser(
        "profile",
        help="show where the time of a model's run goes",
        description="Runs a converted model under ONNX Runtime's profiler and shows the time per\n"
        "operator and the slowest nodes, with the module and the line of the source\n"
        "that they come from. Fused nodes are traced back to the exporter's own.\n\n"
        "CASE is a bundle's folder, an .onnx file, or a case of the zoo that a run\n"
        "has converted. A file is run on the test_data_set_0 beside it, or else on\n"
        "seeded inputs made by its signature.",
        epilog="examples:\n"
        "  conformance profile pytorch/digits-cnn@dynamo-op18-fp32\n"
        "  conformance profile model.onnx --size batch=8 --size sequence=128 --html profile.html\n"
        "  conformance profile model.onnx --json - | jq '.operators[0]'\n\n"
        "exit code: 0 when it was profiled, 1 when the model cannot be loaded or run,\n"
        "           2 for wrong usage: no such case, one that is not converted yet,\n"
        "           a provider that is absent",
    )
    profile.add_argument("case", metavar="CASE", help="bundle folder, .onnx file or case id")
    profile.add_argument(
        "--provider",
        choices=PROVIDERS,
        default="cpu",
        metavar="NAME",
        help=f"execution provider: {', '.join(PROVIDERS)} (default: cpu)",
    )
    counts = (
        ("--runs", 20, "runs that are counted, after 3 to warm up (default: 20)"),
        ("--top", 15, "operators and nodes that are listed (default: 15)"),
        ("--threads", 1, "threads within an operator (default: 1)"),
    )
    for name, default, text in counts:
        profile.add_argument(name, type=_count, default=default, metavar="N", help=text)
    profile.add_argument(
        "--size",
        type=_size,
        action="append",
        default=[],
        metavar="AXIS=N",
        help="size of a named axis of made inputs, may be repeated (default: 1)",
    )
    profile.add_argument(
        "--zoo",
        type=Path,
        default=Path("model_zoo.yaml"),
        metavar="FILE",
        help="where a case id is looked up (default: model_zoo.yaml)",
    )
    add_cache_dir(profile, "where its bundle is")
    profile.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the run that converted it (default: 0)"
    )
    profile.add_argument(
        "--json", metavar="PATH", help="write the profile of all nodes as JSON; - for stdout"
    )
    profile.add_argument("--html", type=Path, metavar="PATH", help="write a page with the chart")
    profile.set_defaults(run=_profile)


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _size(text: str) -> tuple[str, int]:
    axis, _, size = text.rpartition("=")
    if not axis or not size.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is no AXIS=N, such as batch=8")
    return axis, int(size)


def _profile(arguments: argparse.Namespace) -> int:
    from conformance.errors import LoadError, ProviderAbsent
    from conformance.profiling import NoSubject, NotProfiled
    from conformance.runtime import require_provider

    try:
        require_provider(arguments.provider)
        subject = _subject(arguments)
    except (LoadError, ProviderAbsent, NoSubject) as error:
        return refuse(error)
    try:
        profile = _profiled(subject, arguments)
    except NotProfiled as error:
        return refuse(error, 1)
    try:
        _write(profile, arguments)
    except OSError as error:
        return refuse(f"{error.filename} cannot be written: {error.strerror}")
    return 0


def _subject(arguments: argparse.Namespace) -> Subject:
    """What is to be profiled.

    Raises:
        NoSubject: when it cannot be found.
        LoadError: when an installed adapter cannot be read.
    """
    from conformance.adapters import catalog
    from conformance.locations import default_cache_dir
    from conformance.profiling import subject_at, subject_of

    found = subject_at(Path(arguments.case))
    if found is not None:
        return found
    cache_dir = arguments.cache_dir or default_cache_dir()
    return subject_of(arguments.case, arguments.zoo, catalog(), cache_dir, arguments.seed)


def _profiled(subject: Subject, arguments: argparse.Namespace) -> Profile:
    from conformance.execution.child import children
    from conformance.profiling import Request, profile

    request = Request(arguments.provider, arguments.runs, arguments.threads, dict(arguments.size))
    executor = children()
    try:
        return profile(subject, request, executor)
    finally:
        executor.close()


def _write(profile: Profile, arguments: argparse.Namespace) -> None:
    from conformance.model import to_json
    from conformance.reporters.profile_html import profile_html
    from conformance.reporters.profile_text import render_profile

    # all nodes, whatever --top says: it is for people
    text = json.dumps(to_json(profile), indent=1)
    if arguments.json == _STDOUT:
        print(text)
    else:
        terminal = sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if terminal else _PIPE_COLUMNS
        print(render_profile(profile, arguments.top, width, color=terminal), end="")
        if arguments.json is not None:
            Path(arguments.json).write_text(f"{text}\n", encoding="utf-8")
            print(arguments.json)
    if arguments.html is not None:
        arguments.html.write_text(profile_html(profile, arguments.top), encoding="utf-8")
        if arguments.json != _STDOUT:
            print(arguments.html)
