"""A zoo run as people start it, in a process of its own: timed, and its records read."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.history import read_run
from conformance.model import Record

ROOT = Path(__file__).parents[1]
_SHOWN_LINES = 40
#: A quick selection of the project's own zoo: every framework and exporter, small models.
QUICK = (
    "logistic-regression or random-forest or svm-regression or text-classifier or "
    "digits-cnn or digits-lstm or digits-transformer or "
    "keras-dense or keras-lstm or "
    "/bert-tiny or gpt2-tiny or vit-tiny or resnet-tiny"
)


@dataclass(frozen=True, slots=True)
class ZooRun:
    """How long a run took, from the start of its process to its end, and what it recorded."""

    seconds: float
    records: tuple[Record, ...]

    @property
    def outcome(self) -> str:
        """Its tests by verdict, such as ``12 pass, 2 expected-fail``."""
        counts = Counter(str(record.verdict) for record in self.records)
        return ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())


def run_zoo(
    zoo: Path, *, cache: Path, reports: Path, workers: int, options: Sequence[str] = ()
) -> ZooRun:
    """Run ``pytest --zoo`` with so many xdist workers; 0 for none.

    Args:
        zoo: the zoo file.
        cache: folder of the cache; what is in it is used.
        reports: folder of the report and the history, which this run adds to.
        workers: number of xdist workers.
        options: further arguments of pytest.

    Raises:
        RuntimeError: with the end of its output, when the run fails.
    """
    command = [
        *(sys.executable, "-m", "pytest", "--zoo", str(zoo), "-q", "-p", "no:cacheprovider"),
        *("--zoo-cache-dir", str(cache), "--zoo-report", str(reports)),
        *(("-n", str(workers)) if workers else ("-p", "no:xdist")),
        *options,
    ]
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=ROOT, env=surroundings(), capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        told = "\n".join((done.stdout + done.stderr).splitlines()[-_SHOWN_LINES:])
        raise RuntimeError(f"pytest ended with {done.returncode}:\n{told}")
    latest = max((reports / "runs").glob("*.jsonl"), key=lambda file: file.stat().st_mtime_ns)
    return ZooRun(seconds, read_run(latest).records)


def surroundings() -> dict[str, str]:
    """This process's environment as it would be at home: offline, and no thread counts set."""
    own = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    return own | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
