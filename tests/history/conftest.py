"""A run, written the way the plugin writes it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from run_values import make_header, make_record, make_ref

from conformance.history import RunWriter
from conformance.model import RunFooter, RunPlan, TestKind


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run of the given models, all passing, to ``tmp_path`` and return its file."""

    def write(
        run_id: str, *, models: tuple[str, ...] = ("cnn",), median_ns: int = 250_000, **header
    ) -> Path:
        refs = [make_ref(test, model=model) for model in models for test in TestKind]
        writer = RunWriter(tmp_path, make_header(run_id, **header))
        writer.plan(RunPlan(tuple(refs)))
        for ref in refs:
            writer.append(make_record(ref, median_ns=median_ns))
        writer.close(RunFooter("2026-11-21T09:30:00+00:00", "finished", 0))
        return tmp_path / "runs" / f"{run_id}.jsonl"

    return write
