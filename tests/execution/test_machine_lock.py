from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from conformance.execution.machine_lock import alone, busy

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no flock")

_HOLD = """
import sys, time
from pathlib import Path
from conformance.execution.machine_lock import alone, busy
kind, file = sys.argv[1:]
with {"alone": alone, "busy": busy}[kind](Path(file)):
    print("held", flush=True)
    time.sleep(600)
"""
_KEEP_COMING = """
import sys, time
from pathlib import Path
from conformance.execution.machine_lock import busy
print("held", flush=True)
while True:
    with busy(Path(sys.argv[1])):
        time.sleep(0.3)
"""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "folder" / "machine.lock"


@pytest.fixture
def process():
    """Starts another process and waits until it holds what it is to hold."""
    started = []

    def start(code, *arguments):
        command = [sys.executable, "-c", code, *map(str, arguments)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        assert started[-1].stdout.readline() == b"held\n"
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()
        one.stdout.close()


def test_many_are_busy_at_once_and_nobody_is_told_to_wait(file, process):
    """Stages do not keep each other waiting."""
    process(_HOLD, "busy", file)
    told = []
    with busy(file, waiting=lambda: told.append(1), timeout_s=0):
        pass
    assert not told


def test_alone_is_granted_only_when_every_other_process_is_done(file, process):
    """A measurement waits for stages of other processes, tells so once, and then has them out."""
    other = process(_HOLD, "busy", file)
    told = []
    with alone(file, waiting=lambda: told.append(1), timeout_s=0.2) as granted:
        assert not granted
    assert told == [1]
    other.terminate()
    other.wait()
    with alone(file, timeout_s=20) as granted:
        assert granted


@pytest.mark.parametrize("kind", ["busy", "alone"])
def test_a_killed_holder_holds_nothing(file, process, kind):
    """The kernel lets go for a process that cannot."""
    holder = process(_HOLD, kind, file)
    with alone(file, timeout_s=0) as granted:
        assert not granted
    holder.kill()
    holder.wait()
    with alone(file, timeout_s=0) as granted:
        assert granted


def test_what_a_holder_started_does_not_hold_on(file):
    """A process that outlives the stage that started it keeps nobody waiting."""
    with busy(file):
        left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        with alone(file, timeout_s=0) as granted:
            assert granted
    finally:
        left.kill()
        left.wait()


def test_busy_waits_while_a_measurement_runs(file):
    """Who comes while somebody measures starts when it is over, and tells that it waits."""
    events = []
    waits = threading.Event()

    def work():
        with busy(file, waiting=waits.set):
            events.append("work")

    with alone(file) as granted:
        worker = threading.Thread(target=work)
        worker.start()
        assert waits.wait(20)
        events.append("measured")
    worker.join(20)
    assert granted
    assert events == ["measured", "work"]


def test_work_that_keeps_coming_does_not_keep_a_measurement_out(file, process):
    """Stages of three processes overlap without a gap, and yet somebody gets to be alone."""
    for _ in range(3):
        process(_KEEP_COMING, file)
    with alone(file, timeout_s=20) as granted:
        assert granted


def test_patience_ends(file, process):
    """Nobody waits for ever: work goes on beside a measurement that does not end."""
    process(_HOLD, "alone", file)
    started = time.monotonic()
    with busy(file, timeout_s=0.2):
        pass
    assert time.monotonic() - started >= 0.2


def test_who_was_not_granted_to_be_alone_counts_as_busy(file, process):
    """A contended measurement is still work that others should not be measured beside."""
    other = process(_HOLD, "busy", file)
    with alone(file, timeout_s=0.1) as granted:
        assert not granted
        other.kill()
        other.wait()
        with alone(file, timeout_s=0.1) as another:
            assert not another


def test_a_lock_that_cannot_be_made_stops_no_work_and_grants_nothing(tmp_path):
    """Without its file a measurement can't claim to have been alone, and work goes on."""
    (tmp_path / "taken").write_text("a file where a folder would have to be")
    file = tmp_path / "taken" / "machine.lock"
    with busy(file):
        pass
    with alone(file, timeout_s=0) as granted:
        assert not granted
