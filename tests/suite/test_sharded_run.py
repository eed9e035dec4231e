"""Parts of a zoo, run for real as on several machines, and merged."""

from __future__ import annotations

import json

import pytest

from conformance.cli import main

#: Latency says nothing here, and children cost time.
QUICK = ("--zoo-isolation", "inline", "-k", "not latency")


def report_in(suite, folder):
    return json.loads((suite.path / folder / "report.json").read_text())


def test_merged_parts_are_the_whole_zoo(suite, capsys):
    """Every case is in the merged report once, with its verdict and what its failure left."""
    suite.zoo("Honest", "SlightlyWrong", "NoFloat64")
    suite.run("--zoo-shard", "1/2", "--zoo-report", "one", *QUICK)
    suite.run("--zoo-shard", "2/2", "--zoo-report", "two", *QUICK, "-n", "2")
    folders = [str(suite.path / name) for name in ("one", "two", "out")]
    assert main(["report", "merge", *folders[:2], "--report", folders[2]]) == 0
    assert capsys.readouterr().err == ""
    cases = report_in(suite, "out")["cases"]
    assert [(case["model"], case["verdict"]) for case in cases] == [
        ("honest", "pass"),
        ("slightlywrong", "fail"),
        ("nofloat64", "pass"),
    ]
    assert (suite.path / "out" / cases[1]["failure_folder"] / "repro.py").is_file()


def history(suite, shard, footer):
    """A run in which the first model took an hour and the others a second."""
    header = {"kind": "header", "shard": shard}
    seconds = {"Honest": 3600.0, "NoFloat64": 1.0, "SlightlyWrong": 1.0}
    records = [
        {
            "kind": "record",
            "ref": {
                "test": "parity",
                "case": f"{adapter}/{adapter.lower()}@mini-op18-fp32",
            },
            "duration_s": taken,
            "export": None,
        }
        for adapter, taken in seconds.items()
    ]
    lines = [header, *records, *([{"kind": "footer"}] if footer else [])]
    runs = suite.path / "reports" / "runs"
    runs.mkdir(parents=True)
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    (runs / "20261121T092349Z-3f2a.jsonl").write_text(text)


@pytest.mark.parametrize(
    ("shard", "footer", "taken"),
    [
        (None, True, {"honest"}),
        ("1/2", True, {"honest", "slightlywrong"}),
        (None, False, {"honest", "slightlywrong"}),
    ],
)
def test_ended_runs_of_the_whole_zoo_decide_the_division(suite, shard, footer, taken):
    """By what all machines know the long case is alone; a machine's own part changes nothing."""
    suite.zoo("Honest", "NoFloat64", "SlightlyWrong")
    history(suite, shard, footer)
    out = suite.run("--co", "-q", "--zoo-shard", "1/2").outlines
    assert {line.partition("/")[2].partition("@")[0] for line in out if "::" in line} == taken
