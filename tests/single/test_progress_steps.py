"""Progress: each step begins once and ends once, in order."""

from __future__ import annotations

import time

import pytest

from conformance.cli import main
from conformance.execution.progress import Progress
from conformance.model import Record, Stage, TestKind, TestRef, Verdict
from conformance.single import EXIT_CODES, Step, exit_code
from conformance.single.steps import Reporter


def test_steps_follow_the_stages_that_processes_write(tmp_path):
    """Stages become steps; one that was passed does not come back; all are timed."""
    heard = []
    reporter = Reporter(heard.append)
    file = tmp_path / "progress.json"
    reporter.begin(Step.LOAD)
    with reporter.watching(file):
        progress = Progress(file, "x")
        for stage in (Stage.REFERENCE, Stage.EXPORT, Stage.CHECK, Stage.PARITY, Stage.SESSION):
            progress.enter(stage)
            deadline = time.monotonic() + 5
            while heard[-1].step is not _STEP[stage] and time.monotonic() < deadline:
                time.sleep(0.01)
    reporter.begin(Step.LOAD)
    reporter.end()
    begun = [p.step for p in heard if p.seconds is None]
    assert begun == [Step.LOAD, Step.EXPORT, Step.OPTIMIZE, Step.VERIFY]
    assert [p.step for p in heard if p.seconds is not None] == begun


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (Stage.REFERENCE, [Step.LOAD, Step.EXPORT, Step.OPTIMIZE, Step.VERIFY]),
        (Stage.CHECK, [Step.LOAD, Step.EXPORT, Step.OPTIMIZE, Step.VERIFY]),
        (Stage.SESSION, [Step.LOAD, Step.VERIFY]),
    ],
)
def test_steps_too_short_to_be_seen_are_told(tmp_path, seen, told):
    """A conversion that was seen at all took every step; what the cache had took none."""
    heard = []
    reporter = Reporter(heard.append)
    file = tmp_path / "progress.json"
    reporter.begin(Step.LOAD)
    with reporter.watching(file):
        Progress(file, "x").enter(seen)
        time.sleep(0.3)
    reporter.begin(Step.VERIFY)
    reporter.end()
    assert [p.step for p in heard if p.seconds is None] == told


_STEP = {
    Stage.REFERENCE: Step.LOAD,
    Stage.EXPORT: Step.EXPORT,
    Stage.CHECK: Step.OPTIMIZE,
    Stage.PARITY: Step.VERIFY,
    Stage.SESSION: Step.VERIFY,
}


def record(verdict, stage):
    ref = TestRef(
        TestKind.PARITY, "x", "x", "x", "sklearn", None, (), "skl2onnx", 18, "fp32", "cpu", ""
    )
    return Record(ref, verdict, stage, None, "", 0.0)


def test_every_stage_has_a_code_of_its_own(capsys):
    """No two stages of a conversion share an exit code, and each is in the command's help."""
    failing = [stage for stage in Stage if stage is not Stage.LATENCY]
    codes = [exit_code(record(Verdict.FAIL, stage)) for stage in failing]
    assert len(set(codes)) == len(failing)
    assert set(codes) < EXIT_CODES.keys()
    assert exit_code(record(Verdict.VACUOUS, Stage.PARITY)) == codes[-1]
    with pytest.raises(SystemExit):
        main(["convert", "--help"])
    said = capsys.readouterr().out
    assert all(f"{code:>4}  {meaning}" in said for code, meaning in EXIT_CODES.items())
    assert exit_code(record(Verdict.PASS, Stage.PARITY)) == 0
    assert exit_code(record(Verdict.NOT_RUN, Stage.LOAD)) == 31
    assert exit_code(record(Verdict.INFRA_ERROR, Stage.EXPORT)) == 30


def test_a_step_that_is_too_short_to_be_seen_is_told():
    """From the export to the verification the file was checked, however fast."""
    heard = []
    reporter = Reporter(heard.append)
    for step in (Step.LOAD, Step.EXPORT, Step.VERIFY):
        reporter.begin(step)
    reporter.end()
    assert [p.step for p in heard if p.seconds is not None] == [
        Step.LOAD, Step.EXPORT, Step.OPTIMIZE, Step.VERIFY,
    ]  # fmt: skip
