from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sample_report import TIMED, make_report, make_row

from conformance.errors import HistoryError
from conformance.reporters.benchmark_json import (
    Sampled,
    benchmark_json,
    sampled,
    write_benchmark_json,
)

pytest.importorskip("pytest_benchmark")

FINISHED = "2026-11-21T09:31:02+00:00"
#: pytest-benchmark's own console script, in the environment of this test.
COMPARE = [str(Path(sys.executable).with_name("pytest-benchmark")), "compare"]
BENCHMARKED = """
import pytest, time

@pytest.mark.parametrize("size", [1])
def test_sleep(benchmark, size):
    benchmark.pedantic(time.sleep, args=(1e-4 * size,), rounds=5)
"""


def timed(model="cnn", provider="cpu", samples_ns=(2_000_000, 1_000_000, 3_000_000)):
    name = f"test_latency[pytorch/{model}@dynamo-op18-fp32-{provider}]"
    params = {"model": model, "provider": provider}
    return Sampled(name, name, f"pytorch/{model}", params, samples_ns, {"hardware": "epyc"})


def document(*things, commit=None):
    return benchmark_json(things or [timed()], commit=commit, finished=FINISHED)


def slower(one, factor):
    return replace(one, samples_ns=tuple(int(factor * s) for s in one.samples_ns))


def shape(value):
    """The names in a document, and the kinds of value behind them."""
    if isinstance(value, dict):
        return {key: shape(it) for key, it in value.items()}
    return "number" if isinstance(value, int | float) else type(value).__name__


def run(command, folder):
    return subprocess.run(
        [str(part) for part in command], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def genuine(pytester, monkeypatch, every_plugin):
    """What pytest-benchmark itself writes here; it does not where it takes itself for a worker."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    pytester.makepyfile(BENCHMARKED)
    pytester.makeini("[pytest]\n")
    done = pytester.runpytest_subprocess(
        "-p", "no:conformance", "-p", "no:xdist", "--benchmark-json", "genuine.json"
    )
    done.assert_outcomes(passed=1)
    return json.loads((pytester.path / "genuine.json").read_text())


def test_the_document_has_the_shape_of_pytest_benchmarks_own(genuine, monkeypatch, pytester):
    """Every name it writes is there with the same kind of value, and no other."""
    monkeypatch.chdir(pytester.path)
    ours = document()
    (its,), (mine,) = genuine.pop("benchmarks"), ours.pop("benchmarks")
    assert shape(json.loads(json.dumps(ours))) == shape(genuine)
    assert mine.keys() == its.keys()
    assert shape(mine["stats"]) == shape(its["stats"])
    volatile = {"hz_actual", "hz_actual_friendly"}
    for info in (ours["machine_info"]["cpu"], genuine["machine_info"]["cpu"]):
        for key in volatile:
            info.pop(key, None)
    assert json.loads(json.dumps(ours["machine_info"])) == genuine["machine_info"]
    assert ours["version"] == genuine["version"]


def test_statistics_are_those_of_the_samples_in_seconds():
    """Nanoseconds become seconds; the figures are what numpy says of the same samples."""
    rng = np.random.default_rng(0)
    samples = (*map(int, rng.lognormal(14, 0.1, 51)), 90_000_000)
    (benchmark,) = document(timed(samples_ns=samples))["benchmarks"]
    stats, seconds = benchmark["stats"], np.array(samples) / 1e9
    assert stats["data"] == pytest.approx(list(seconds))
    assert stats["median"] == pytest.approx(np.median(seconds))
    assert (stats["min"], stats["max"]) == pytest.approx((seconds.min(), seconds.max()))
    assert (stats["mean"], stats["stddev"]) == pytest.approx((seconds.mean(), seconds.std(ddof=1)))
    assert (stats["total"], stats["ops"]) == pytest.approx((seconds.sum(), 1 / seconds.mean()))
    assert (stats["rounds"], stats["iterations"]) == (52, 1)
    assert stats["hd15iqr"] < 0.09


def test_one_sample_is_enough():
    """A model so slow that it ran once still has a row."""
    (benchmark,) = document(timed(samples_ns=(7_000_000_000,)))["benchmarks"]
    assert benchmark["stats"]["median"] == 7.0
    assert benchmark["stats"]["stddev"] == 0


def test_rows_of_a_run_become_benchmarks():
    """A row is named as pytest names its test; what was not timed is left out."""
    latency = replace(TIMED, samples_ns=(1_200_000, 1_300_000), hardware="epyc", contended="a load")
    rows = (
        make_row("cnn", latency=latency),
        make_row("slow", latency=replace(TIMED, samples_ns=())),
        make_row("untimed", latency=None),
    )
    (one,) = sampled(replace(make_report(), cases=rows))
    assert one.name == "test_latency[pytorch/cnn@dynamo-op18-fp32-cpu]"
    assert one.group == "pytorch/cnn"
    assert one.params["provider"] == "cpu"
    assert one.samples_ns == (1_200_000, 1_300_000)
    assert (one.extra["hardware"], one.extra["contended"]) == ("epyc", "a load")


def git(folder, *arguments):
    identity = ("-c", "user.name=N", "-c", "user.email=e@example.org")
    done = run(["git", *identity, *arguments], folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """The current folder, with one commit and a remote whose address holds a login."""
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    # pytest-benchmark would take "nobody:s3cretlogin@example.org" for the project's name
    git(tmp_path, "remote", "add", "origin", "https://nobody:s3cretlogin@example.org")
    monkeypatch.chdir(tmp_path)
    return git(tmp_path, "rev-parse", "HEAD")


def test_the_commit_is_that_of_the_run(repository, tmp_path):
    """Commit, its time, branch and state are told; a zoo of elsewhere has but its commit."""
    info = document(commit=f"{repository}-dirty")["commit_info"]
    assert (info["id"], info["dirty"], info["branch"]) == (repository, True, "main")
    assert info["time"].startswith("20")
    assert info["project"] == tmp_path.name
    elsewhere = document(commit="f" * 40)["commit_info"]
    assert (elsewhere["id"], elsewhere["time"]) == ("f" * 40, None)
    assert (elsewhere["dirty"], elsewhere["branch"]) == (False, "(unknown)")


def test_no_login_or_token_is_told(repository, tmp_path, monkeypatch):
    """The remote's login stays where it is, and so does a token in a branch's name."""
    token = "hf_" + "a1B2" * 6
    git(tmp_path, "checkout", "-q", "-b", f"try-{token}")
    monkeypatch.setenv("DEPLOY_TOKEN", "correct-horse")
    git(tmp_path, "checkout", "-q", "-b", f"correct-horse/{token}")
    text = json.dumps(document(commit=repository))
    assert "s3cretlogin" not in text
    assert token not in text
    assert "correct-horse" not in text
    assert "<$DEPLOY_TOKEN>/<token>" in text


def test_outside_of_a_repository_nothing_fails(tmp_path, monkeypatch):
    """A run without a commit has no commit to tell."""
    monkeypatch.chdir(tmp_path)
    assert document()["commit_info"]["id"] == "unversioned"


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    """The message says what is missing and what is not."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(HistoryError, match=r"taken/b\.json cannot be written"):
        write_benchmark_json(make_report(), tmp_path / "taken" / "b.json")


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    """Files of two runs: the second has 'cnn' at twice its time, and 'bert' as it was."""
    folder = tmp_path_factory.mktemp("runs")
    cnn, bert = timed("cnn"), timed("bert", samples_ns=(40_000_000, 44_000_000, 41_000_000))
    on_gpu = timed("cnn", "cuda", samples_ns=(500_000, 510_000, 520_000))
    for name, things in {
        "a.json": (cnn, bert, on_gpu),
        "b.json": (slower(cnn, 2), bert, on_gpu),
    }.items():
        (folder / name).write_text(json.dumps(document(*things)))
    return folder


def compared(folder, *options):
    done = run([*COMPARE, folder / "a.json", folder / "b.json", *options], folder)
    # pytest-benchmark complains of what it cannot read, and goes on
    assert done.returncode == 0, done.stderr
    assert "Failed to load" not in done.stdout + done.stderr
    return done.stdout


def rows_of(table):
    """Name, run and cells of each row of the printed table."""
    pattern = r"^(test_\S+) \((?:\S*/)?([ab])(?:\.json)?\) +(.*)$"
    return {
        (name, source): cells.split()
        for name, source, cells in re.findall(pattern, table, re.MULTILINE)
    }


def test_pytest_benchmark_compares_two_runs(two_runs):
    """Its real command prints a table per model, with both runs and their ratio."""
    table = compared(two_runs, "--columns=median,rounds", "--time-unit=ms")
    assert "benchmark 'pytorch/cnn': 4 tests" in table
    assert "benchmark 'pytorch/bert': 2 tests" in table
    rows = rows_of(table)
    cnn = "test_latency[pytorch/cnn@dynamo-op18-fp32-cpu]"
    assert len(rows) == 6
    assert (rows[cnn, "a"][0], rows[cnn, "b"][0]) == ("2.0000", "4.0000")
    assert rows[cnn, "a"][-1] == "3"


@pytest.mark.parametrize(
    ("grouping", "titles"),
    [
        ("param:provider", {"provider=cpu": 4, "provider=cuda": 2}),
        ("func", {"test_latency": 6}),
        ("fullname", dict.fromkeys(["cnn@dynamo-op18-fp32-cpu", "bert@dynamo-op18-fp32-cpu"], 2)),
        ("param", {"pytorch/cnn@dynamo-op18-fp32-cuda": 2}),
    ],
)
def test_its_groupings_work(two_runs, grouping, titles):
    """A table per provider, per test or per case, as its users ask for it."""
    table = compared(two_runs, f"--group-by={grouping}", "--columns=min,iqr,ops,outliers")
    for title, tests in titles.items():
        assert re.search(rf"benchmark '\S*{re.escape(title)}\S*': {tests} tests", table), table


def test_its_comparison_between_runs_shows_the_slowdown(two_runs):
    """``--between`` puts one run beside the other: +100% where the time was doubled."""
    table = compared(two_runs, "--between=median")
    (line,) = [line for line in table.splitlines() if "cnn@dynamo-op18-fp32-cpu" in line]
    assert line.endswith("+100.0%")


def test_its_csv_has_the_parameters(two_runs):
    """What goes on to a spreadsheet has a column per parameter."""
    compared(two_runs, "--csv=out.csv", "--columns=median")
    header = (two_runs / "out.csv").read_text().splitlines()[0]
    assert header == "name,param:model,param:provider,median"
