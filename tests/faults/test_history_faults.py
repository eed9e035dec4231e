"""Faults of the history and the reports, injected for real; docs/reliability.md lists them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Longer than anything here takes; reached only when something hangs.
PATIENCE_S = 120
XDIST = pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])


class Place:
    """A folder with a zoo of miniatures, and real processes that run it."""

    def __init__(self, path):
        self.path = path
        self.reports = path / "reports"
        (path / "tmp").mkdir(exist_ok=True)
        shutil.copy(ROOT / "tests" / "miniatures.py", path)
        # the project's own ini must not reach into this folder
        (path / "pytest.ini").write_text("[pytest]\n")

    def zoo(self, *adapters):
        """Write a zoo of one model per adapter."""
        entries = [
            {
                "id": f"m{number}",
                "framework": f"miniatures:{adapter}",
                "source": {"factory": "miniatures:unused"},
                "exporters": ["mini"],
                "opsets": [18],
                "inputs": {
                    "spec": {"x": {"shape": ["batch", 3]}},
                    "sets": [{"batch": 4}, {"batch": 7}],
                },
            }
            for number, adapter in enumerate(adapters)
        ]
        # every JSON document is YAML
        (self.path / "zoo.yaml").write_text(json.dumps({"models": entries}))

    def start(self, *args, module="pytest"):
        """Start a run, or another module of ours."""
        pythonpath = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        if module == "pytest":
            args = (
                "--zoo",
                "zoo.yaml",
                "--zoo-cache-dir",
                "cache",
                "-p",
                "no:cacheprovider",
                *args,
            )
        return subprocess.Popen(
            [sys.executable, "-m", module, *map(str, args)],
            cwd=self.path,
            env=outside_xdist() | {"PYTHONPATH": pythonpath, "TMPDIR": str(self.path / "tmp")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *args, module="pytest"):
        """Run to the end: exit code and output."""
        with ended(self.start(*args, module=module)) as process:
            output, _ = process.communicate(timeout=PATIENCE_S)
        return process.returncode, output

    def recover(self, *args):
        """``conformance report``: exit code and output."""
        return self.run("report", *args, module="conformance.cli")

    def runs(self):
        """JSON lines of every run, oldest first."""
        return sorted(self.reports.glob("runs/*.jsonl"))

    def report(self):
        """What programs read."""
        return json.loads((self.reports / "report.json").read_text())

    def verdicts(self):
        """Verdict of each model in the report."""
        return {case["model"]: case["verdict"] for case in self.report()["cases"]}

    def published(self):
        """The bytes of what people and programs read."""
        return [(self.reports / name).read_bytes() for name in ("report.json", "index.html")]

    def indexed(self):
        """The runs that the index knows."""
        import duckdb

        with duckdb.connect(str(self.reports / "history.duckdb"), read_only=True) as index:
            return [
                run for (run,) in index.execute("SELECT run_id FROM runs ORDER BY 1").fetchall()
            ]


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.fixture(scope="module")
def one_run(tmp_path_factory):
    """A place in which one model has passed once."""
    place = Place(tmp_path_factory.mktemp("one-run"))
    place.zoo("Honest")
    code, output = place.run()
    assert code == 0, output
    return place


@pytest.fixture
def after_one_run(one_run, tmp_path):
    """The same, to be damaged."""
    shutil.copytree(one_run.path, tmp_path, dirs_exist_ok=True)
    return Place(tmp_path)


def wait_for(condition):
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def outside_xdist():
    """The environment without what tells that these tests themselves may run on a worker."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_XDIST")}


@contextlib.contextmanager
def ended(process):
    """A process that does not outlast the block, however that is left."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def start_and_hang(place, workers):
    """A second run: its first model has passed, its second hangs.

    Latency comes after all exports, so it is left out of what the first model has to pass.
    """
    place.zoo("Honest", "Hangs")
    run = place.start(*workers, "-k", "m1 or not latency")
    recorded = b'"verdict":"pass"'
    wait_for(lambda: len(place.runs()) == 2 and place.runs()[1].read_bytes().count(recorded) == 2)
    return run


def processes_of(place):
    """Ours that are still there, known by their environment."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("TMPDIR") == str(place.path / "tmp"):
                found.append(process)
    return found


@XDIST
def test_sigkill_of_the_controller(after_one_run, workers):
    """A killed controller leaves the last report whole, no process, and a run to recover."""
    place = after_one_run
    before = place.published()
    run = start_and_hang(place, workers)
    run.kill()
    run.wait()
    run.stdout.close()
    assert place.published() == before
    try:
        wait_for(lambda: not processes_of(place))
    finally:
        for left in processes_of(place):
            left.kill()
    code, output = place.recover("--rebuild")
    assert code == 0, output
    assert place.report()["run"]["status"] == "crashed"
    assert place.verdicts() == {"m0": "pass", "m1": "infra-error"}
    assert len(place.indexed()) == 2


@pytest.mark.parametrize("moment", ["report.json", "index.html"])
def test_sigkill_in_the_middle_of_writing_a_report(after_one_run, moment):
    """A kill between the bytes of a report and its name leaves the old one, never half of one."""
    place = after_one_run
    before = (place.reports / moment).read_bytes()
    (place.path / "conftest.py").write_text(
        "import os, signal\n"
        "sync = os.fsync\n"
        "def fsync(fd):\n"
        f"    if '.{moment}-' in os.readlink(f'/proc/self/fd/{{fd}}'):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    sync(fd)\n"
        "os.fsync = fsync\n"
    )
    code, output = place.run()
    assert code == -signal.SIGKILL, output
    assert (place.reports / moment).read_bytes() == before
    assert place.recover()[0] == 0
    assert place.report()["run"]["id"] == place.runs()[1].stem
    assert [len(case["trend"]) for case in place.report()["cases"]] == [2]


@XDIST
def test_ctrl_c(after_one_run, workers):
    """Ctrl-C while a model hangs ends in a report of an interrupted run."""
    place = after_one_run
    with ended(start_and_hang(place, workers)) as run:
        run.send_signal(signal.SIGINT)
        output, _ = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == pytest.ExitCode.INTERRUPTED, output
    assert place.report()["run"]["status"] == "interrupted"
    assert place.verdicts() == {"m0": "pass", "m1": "not-run"}


def test_the_index_held_by_another_process(after_one_run):
    """A held index costs a bounded wait and a warning; the next run catches up."""
    place = after_one_run
    index = place.reports / "history.duckdb"
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(index)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        code, output = place.run()
        rebuilt, refusal = place.recover("--rebuild")
        holder.communicate(b"\n", timeout=PATIENCE_S)
    assert code == 0, output
    assert "in use by another process; the next run will catch up" in output
    assert (rebuilt, "in use by another process" in refusal) == (1, True)
    assert [len(case["trend"]) for case in place.report()["cases"]] == [2]
    assert len(place.indexed()) == 1
    assert place.run()[0] == 0
    assert place.indexed() == [run.stem for run in place.runs()]
    assert len(place.indexed()) == 3


def take_in_its_log(index):
    """As an update does it whose log has become too long: all rows are in the file itself."""
    import duckdb

    duckdb.connect(str(index)).close()


def truncate(index):
    take_in_its_log(index)
    index.write_bytes(index.read_bytes()[: index.stat().st_size // 2])


def flip_a_byte(index):
    """One byte of a result, so that the file opens and only its reader would stumble."""
    take_in_its_log(index)
    content = bytearray(index.read_bytes())
    content[content.index(b"m0@mini")] ^= 0xFF
    index.write_bytes(content)


def damage_its_wal(index):
    """The log of a process that was killed after its commit, with one byte flipped."""
    code = (
        "import duckdb, os, sys\n"
        "index = duckdb.connect(sys.argv[1])\n"
        "index.execute('CREATE TABLE more AS SELECT range AS number FROM range(10000)')\n"
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(index)], check=True)
    log = index.with_name("history.duckdb.wal")
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 0xFF
    log.write_bytes(content)


def make_it_newer(index):
    """The header that a later DuckDB would write: another storage version, a right checksum."""
    content = bytearray(index.read_bytes())
    struct.pack_into("<Q", content, 12, 250)
    checksum = 5381
    for (word,) in struct.iter_unpack("<Q", content[8:4096]):
        checksum ^= word * 0xBF58476D1CE4E5B9 & (1 << 64) - 1
    struct.pack_into("<Q", content, 0, checksum)
    index.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, flip_a_byte, damage_its_wal, make_it_newer])
def test_a_damaged_index(after_one_run, damage):
    """An index that cannot be used is moved aside and rebuilt from the JSON lines."""
    place = after_one_run
    damage(place.reports / "history.duckdb")
    code, output = place.run()
    assert code == 0, output
    if damage is make_it_newer:
        assert "newer" in output or "storage version number 250" in output
    assert "could not be used" in output
    assert len(list(place.reports.glob("history.duckdb.unusable-*Z"))) == 1
    assert place.indexed() == [run.stem for run in place.runs()]
    assert [len(case["trend"]) for case in place.report()["cases"]] == [2]


def test_a_half_written_last_line(after_one_run):
    """A line cut in two costs that line: the records before it count in later runs too."""
    place = after_one_run
    (first,) = place.runs()
    first.write_bytes(first.read_bytes()[:-20])
    code, output = place.run()
    assert code == 0, output
    assert [len(case["trend"]) for case in place.report()["cases"]] == [2]
    code, output = place.recover("--run", first.stem)
    assert (code, "1 damaged line left out" in output) == (0, True)
    assert (place.report()["run"]["status"], place.verdicts()) == ("crashed", {"m0": "pass"})


@pytest.fixture
def small_disk(place):
    """The report folder is a file system of its own; skipped where none can be mounted."""
    place.reports.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(place.reports)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"a small disk needs the right to mount: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place.reports)], check=True)


def enlarge(folder):
    """Make room."""
    subprocess.run(["mount", "-o", "remount,size=16m", str(folder)], check=True)


def fill(folder):
    """Leave no room at all."""
    with (
        contextlib.suppress(OSError),
        (folder / "filler").open("wb", buffering=0) as file,
    ):
        while True:
            file.write(bytes(4096))


@XDIST
def test_the_disk_fills_up_while_records_are_written(small_disk, workers):
    """The run stops, says why, and each line that it had written is whole."""
    place = small_disk
    (place.path / "conftest.py").write_text(
        "import os\n"
        "def pytest_runtest_logfinish(nodeid):\n"
        "    if 'latency' not in nodeid or os.environ.get('PYTEST_XDIST_WORKER'): return\n"
        "    try:\n"
        "        with open('reports/filler', 'ab', buffering=0) as file:\n"
        "            while True: file.write(bytes(4096))\n"
        "    except OSError: pass\n"
    )
    place.zoo(*["Honest"] * 4)
    code, output = place.run(*workers)
    assert code == pytest.ExitCode.INTERNAL_ERROR, output
    assert "cannot be written (No space left on device): make room" in output
    assert "INTERNALERROR" not in output
    enlarge(place.reports)
    for line in place.runs()[0].read_bytes().splitlines():
        json.loads(line)
    code, output = place.recover()
    assert code == 0, output
    # a footer is small: it may still have found room
    unreached = {"interrupted": "not-run", "crashed": "infra-error"}
    assert set(place.verdicts().values()) == {"pass", unreached[place.report()["run"]["status"]]}


def test_the_disk_is_too_full_for_the_reports(small_disk):
    """Records that fit are a run: its reports are written once there is room."""
    place = small_disk
    place.zoo("Honest")
    (place.path / "conftest.py").write_text(
        "def pytest_runtest_logfinish(nodeid):\n"
        "    if 'latency' not in nodeid: return\n"
        "    with open('reports/filler', 'wb', buffering=0) as file:\n"
        "        try:\n"
        "            while True: file.write(bytes(4096))\n"
        "        except OSError: file.truncate(file.tell() - 8192)  # the footer fits\n"
    )
    code, output = place.run()
    assert code == pytest.ExitCode.INTERNAL_ERROR, output
    assert "was not brought up to date (No space left on device)" in output
    assert "no report was written: " in output
    assert "then run `conformance report`" in output
    assert "INTERNALERROR" not in output
    assert not list(place.reports.glob("history.duckdb*"))
    enlarge(place.reports)
    code, output = place.recover()
    assert code == 0, output
    assert (place.report()["run"]["status"], place.verdicts()) == ("finished", {"m0": "pass"})
    assert place.indexed() == [run.stem for run in place.runs()]


def test_the_disk_is_full_before_the_run(small_disk):
    """A report folder without room is refused before any work is done."""
    place = small_disk
    place.zoo("Honest")
    fill(place.reports)
    code, output = place.run()
    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert "cannot be written (No space left on device)" in output
    assert not list((place.path / "tmp").iterdir())


def test_ten_thousand_entries(place):
    """A zoo of 10,000 models is collected, each with its three tests."""
    place.zoo(*["Honest"] * 10_000)
    code, output = place.run("--co", "-qq")
    assert code == 0, output[-2000:]
    assert "zoo.yaml: 30000" in output


def test_half_a_line_is_taken_back(small_disk):
    """A line of which only a part found room is removed: later lines are read as they are."""
    from conformance.errors import HistoryError
    from conformance.history import RunWriter, read_run
    from conformance.model import RunFooter, RunHeader

    place = small_disk
    header = RunHeader("20261121T092349Z-3f2a", "", None, {}, {}, 0, (), "pytest", zoo_cases=())
    writer = RunWriter(place.reports, header)
    fill(place.reports)
    with pytest.raises(HistoryError, match="No space left on device"):
        writer.close(RunFooter("x" * 10_000, "finished", 0))
    (line,) = place.runs()[0].read_bytes().splitlines()
    assert json.loads(line)["kind"] == "header"
    assert read_run(place.runs()[0]).damaged_lines == 0


def test_the_published_table_is_these_tests():
    """docs/reliability.md has one row per test of this file, and counts them right."""
    text = (ROOT / "docs" / "reliability.md").read_text()
    section = text.partition("## History and reports\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\|.*\| `(test_\w+)` \|$", section, re.MULTILINE)
    tests = re.findall(r"^def (test_\w+)", Path(__file__).read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(set(tests) - {"test_the_published_table_is_these_tests"})
    assert f"Survived {len(rows)}/{len(rows)}." in section
