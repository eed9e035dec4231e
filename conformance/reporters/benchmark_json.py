"""A run's latencies as pytest-benchmark writes them, so that its ``compare`` reads them.

The statistics, the machine's description and the commit's are pytest-benchmark's own; it comes
with the extra ``benchmark``. Durations are in seconds there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from conformance.errors import HistoryError
from conformance.model import CaseResult, RunReport
from conformance.redaction import hide_secrets

_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True)
class Sampled:
    """One thing that was timed."""

    #: As pytest shows it, with the parameters in brackets: ``--group-by func`` cuts there.
    name: str
    #: What tells it from all others and stays the same from run to run.
    fullname: str
    #: Tables of ``compare`` are per group.
    group: str
    #: For ``--group-by param:NAME``.
    params: Mapping[str, str]
    #: Single runs in the order in which they were taken, at least one.
    samples_ns: tuple[int, ...]
    extra: Mapping[str, JsonValue]


def sampled(report: RunReport) -> list[Sampled]:
    """What the run has timed, in the order of its rows; a row without samples is left out."""
    return [_sampled(row) for row in report.cases if row.latency and row.latency.samples_ns]


def _sampled(row: CaseResult) -> Sampled:
    latency = row.latency
    if latency is None or row.provider is None:
        raise ValueError(f"{row.id} was not timed")
    return Sampled(
        name=f"test_latency[{row.id}]",
        fullname=f"test_latency[{row.id}]",
        group=f"{row.framework}/{row.model}",
        params={
            "model": row.model,
            "framework": row.framework,
            "exporter": row.exporter,
            "opset": str(row.opset),
            "variant": row.variant,
            "provider": row.provider,
        },
        samples_ns=latency.samples_ns,
        extra={
            "verdict": row.verdict.value,
            "hardware": latency.hardware,
            "contended": latency.contended,
            "unstable": latency.unstable,
            "session_create_ns": latency.session_create_ns,
            "first_run_ns": latency.first_run_ns,
            "source_median_ns": latency.source_median_ns,
        },
    )


def benchmark_json(
    timed: Sequence[Sampled], *, commit: str | None, finished: str
) -> dict[str, Any]:
    """The document that ``--benchmark-json`` of pytest-benchmark would have written.

    Call it where the run was made: the machine is this one, the time of the commit and the
    branch are those of the current folder.

    Args:
        timed: what there is to tell.
        commit: that of the zoo, as a run's header has it.
        finished: when the run ended; UTC, ISO 8601.
    """
    import pytest_benchmark
    from pytest_benchmark.plugin import pytest_benchmark_generate_machine_info

    return {
        "machine_info": pytest_benchmark_generate_machine_info(),
        "commit_info": _commit_info(commit),
        "benchmarks": [_benchmark(one) for one in timed],
        "datetime": finished,
        "version": pytest_benchmark.__version__,
    }


def write_benchmark_json(report: RunReport, path: Path) -> None:
    """Write the latencies of a run; its folder is made where there is none.

    Raises:
        HistoryError: when the file cannot be written; the run's records are not concerned.
    """
    finished = report.footer.finished if report.footer else report.header.started
    document = benchmark_json(sampled(report), commit=report.header.commit, finished=finished)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=4) + "\n", encoding="utf-8")
    except OSError as error:
        raise HistoryError(
            f"{path} cannot be written ({error.strerror}): the run and its reports are there, "
            "only its --zoo-benchmark-json is not"
        ) from error


def _benchmark(timed: Sampled) -> dict[str, Any]:
    from pytest_benchmark.stats import Stats

    stats = Stats()
    for sample in timed.samples_ns:
        stats.update(sample / _NS_PER_S)
    return {
        "group": timed.group,
        "name": timed.name,
        "fullname": timed.fullname,
        "params": dict(timed.params),
        "param": timed.name.partition("[")[2].removesuffix("]"),
        "extra_info": dict(timed.extra),
        "options": {"timer": "perf_counter_ns", "warmup": True},
        # a round is one run of the model
        "stats": {**stats.as_dict(), "data": stats.data, "iterations": 1},
    }


def _commit_info(commit: str | None) -> dict[str, Any]:
    from pytest_benchmark.utils import get_commit_info

    # named, or it would be taken from the remote's address, which may hold a login
    found: dict[str, Any] = get_commit_info(project_name=Path.cwd().name)
    revision = (commit or "").removesuffix("-dirty")
    if revision and revision != found["id"]:
        # the zoo is of another repository than the current folder
        found |= {"id": revision, "time": None, "author_time": None, "branch": "(unknown)"}
        found.pop("error", None)
    if revision:
        found["dirty"] = commit != revision
    return {key: hide_secrets(it) if isinstance(it, str) else it for key, it in found.items()}
