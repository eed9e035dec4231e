"""What a run is compared with."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest
from run_values import ROW, make_header, make_record, make_ref

from conformance.errors import HistoryError
from conformance.history import Baseline, RunWriter, find_baseline
from conformance.history.baseline import LOOK_BACK_RUNS
from conformance.model import TestKind, Verdict

OTHER = ROW.replace("cnn", "lstm")
RUNS = [f"20261121T09{minute:02}00Z-0000" for minute in range(8)]


def write_latency(folder, run_id, **changes):
    """A run with one record of latency, changed."""
    writer = RunWriter(folder, make_header(run_id))
    record = make_record(make_ref(TestKind.LATENCY))
    export = replace(record.export, bundle="k" * 64, model_digest="d" * 64)
    latency = replace(record.latency, **changes.pop("latency", {}))
    writer.append(replace(record, export=export, latency=latency, **changes))


def test_a_case_is_found_in_the_latest_run_that_timed_it(tmp_path, write_run):
    """A run of a part of the zoo hides nothing of the others."""
    write_run(RUNS[0], models=("cnn", "lstm"), median_ns=100)
    write_run(RUNS[1], models=("cnn",), median_ns=200)
    past = Baseline(find_baseline(tmp_path, None))
    assert (past.latency_of(ROW).run, past.latency_of(ROW).latency.median_ns) == (RUNS[1], 200)
    assert (past.latency_of(OTHER).run, past.latency_of(OTHER).latency.median_ns) == (RUNS[0], 100)
    assert past.latency_of("nobody") is None


def test_what_was_timed_and_of_which_model_comes_along(tmp_path):
    """Its bundle can be looked for, and its single runs are there where the figures stand."""
    write_latency(tmp_path, RUNS[0], latency={"samples_ns": (1, 2, 3)})
    found = Baseline(find_baseline(tmp_path, None)).latency_of(ROW)
    assert (found.key, found.model_digest, found.bundle) == ("k" * 64, "d" * 64, None)
    assert found.latency.samples_ns == (1, 2, 3)


@pytest.mark.parametrize(
    "changes",
    [
        {"latency": {"contended": "others ran"}},
        {"latency": {"unstable": "as wide as a house"}},
        {"verdict": Verdict.FAIL},
    ],
)
def test_figures_that_prove_nothing_are_no_baseline(tmp_path, write_run, changes):
    """The last sound measurement before them is."""
    write_run(RUNS[0])
    write_latency(tmp_path, RUNS[1], **changes)
    assert Baseline(find_baseline(tmp_path, None)).latency_of(ROW).run == RUNS[0]


def test_it_looks_back_only_so_far(tmp_path, write_run):
    """A case that nobody has timed for long has no baseline, and no run is read in vain."""
    for run in RUNS:
        write_run(run)
    assert [path.stem for path in find_baseline(tmp_path, None)] == RUNS[: -LOOK_BACK_RUNS - 1 : -1]


def test_damaged_lines_are_left_out(tmp_path, write_run):
    """What is there of a run that died is used."""
    path = write_run(RUNS[0])
    path.write_bytes(path.read_bytes() + b'{"kind":"record","test":"latency"\n[1,"test":"latency"]')
    assert Baseline([path]).latency_of(ROW).run == RUNS[0]
    assert Baseline([tmp_path / "gone.jsonl"]).latency_of(ROW) is None


def test_a_run_can_be_named_by_id_file_or_folder(tmp_path, write_run):
    """A folder stands for its latest run."""
    first, second = write_run(RUNS[0]), write_run(RUNS[1])
    assert find_baseline(tmp_path, RUNS[0]) == (first,)
    assert find_baseline(tmp_path / "elsewhere", str(first)) == (first,)
    assert find_baseline(tmp_path / "elsewhere", str(tmp_path)) == (second,)


def test_a_git_reference_stands_for_the_latest_run_of_its_commit(tmp_path, write_run, monkeypatch):
    """A branch, a tag or a commit of the repository at hand."""
    repository = tmp_path / "repository"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(repository)]
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    subprocess.run([*git, "tag", "v1"], check=True)
    commit = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    monkeypatch.chdir(repository)
    with pytest.raises(HistoryError, match=f"no run of .* was made of commit {commit[:12]}"):
        find_baseline(tmp_path, "v1")
    write_run(RUNS[0], commit=commit)
    wanted = write_run(RUNS[1], commit=commit)
    write_run(RUNS[2], commit="0" * 40)
    assert find_baseline(tmp_path, "v1") == (wanted,)


@pytest.mark.parametrize("named", ["no-such-run", "--upload-pack=x", "v1.x"])
def test_what_names_nothing_is_refused(tmp_path, named, monkeypatch):
    """Before any work starts, and without git taking it for an option."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HistoryError, match=r"is no run of .*, no path and no git reference"):
        find_baseline(tmp_path, named)


def test_a_folder_without_runs_is_refused(tmp_path):
    """An empty folder would silently compare with nothing."""
    with pytest.raises(HistoryError, match="holds no run"):
        find_baseline(tmp_path / "reports", str(tmp_path))
