"""``conformance replay --run``: a run's models on another provider, as rows of its report."""

# ruff: noqa: T201  printing is what a command is for

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

from conformance.cli.report import write_report
from conformance.cli.words import counted, one_line, refuse


def join_run(arguments: argparse.Namespace) -> int:
    """Run the models of ``arguments.of_run`` on ``arguments.provider`` and write its report again.

    Raises:
        ProviderAbsent: when this ONNX Runtime does not have the provider.
    """
    from conformance.errors import HistoryError
    from conformance.history import list_runs, named_run, open_report_folder
    from conformance.runtime import require_provider

    require_provider(arguments.provider)
    report: Path = arguments.report
    try:
        open_report_folder(report)
        path = named_run(report, arguments.of_run)
        if path not in list_runs(report):
            return refuse(f"{path} is no run of {report}: rows join the report of their run")
        with warnings.catch_warnings(record=True) as caught:
            failing = _join(arguments, path)
            if path == list_runs(report)[-1]:
                write_report(report, path.stem)
    except HistoryError as error:
        return refuse(error)
    except OSError as error:
        return refuse(f"{error.filename or report} cannot be written: {error.strerror}")
    for warning in caught:
        print(f"conformance: warning: {one_line(warning.message)}", file=sys.stderr)
    return 1 if failing else 0


def _join(arguments: argparse.Namespace, path: Path) -> bool:
    """Whether any of the new rows fails the run.

    Raises:
        HistoryError: when the run cannot be read or written, or none of its bundles is left.
    """
    from conformance.cache import BundleCache
    from conformance.engine import Engine
    from conformance.errors import HistoryError
    from conformance.execution.child import children
    from conformance.history import Baseline, find_baseline, read_run
    from conformance.joining import join, joinable
    from conformance.locations import default_cache_dir
    from conformance.tasks import Settings

    run = read_run(path)
    cache = BundleCache(arguments.cache_dir or default_cache_dir())
    again = ("conformance", "replay", "--run", path.stem, "--provider", arguments.provider)
    cases, gone = joinable(run, cache, arguments.provider, again)
    if not cases:
        raise HistoryError(
            f"no bundle of run {path.stem} is in {cache.root}: run the zoo again, or name the "
            "cache with --cache-dir"
        )
    if gone:
        print(f"{counted(len(gone), 'case')} left out, not in the cache: {', '.join(gone[:3])}")
    counts: Counter[str] = Counter()
    failing = False
    with tempfile.TemporaryDirectory(prefix="conformance-join-") as scratch:
        settings = Settings(
            cache_dir=cache.root,
            workdir=Path(scratch),
            progress=Path(scratch) / "progress.json",
            offline=True,
            require=False,
            seed=run.header.seed,
            failures_dir=arguments.report / "failures",
        )
        engine = Engine(settings, children(), {}, Baseline(find_baseline(arguments.report, None)))
        try:
            for record in join(path, run, cases, engine):
                verdict = record.verdict
                counts[f"{record.ref.test} {verdict}"] += 1
                failing = failing or verdict.fails_gate
                reason = f": {record.reason}" if record.reason else ""
                line = one_line(
                    f"{verdict.glyph} {verdict} {record.ref.test} {record.ref.id}{reason}"
                )
                if not arguments.quiet or verdict.fails_gate:
                    print(line, flush=True)
        finally:
            engine.close()
    listed = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    print(f"{counted(len(cases), 'case')} on {arguments.provider} joined run {path.stem}: {listed}")
    return failing
