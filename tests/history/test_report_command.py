"""``conformance report``: reports from the JSON lines, as a person types it."""

import json

import pytest
from run_values import make_header, make_record, make_ref

from conformance.cli import main
from conformance.history import RunWriter, append_records
from conformance.model import TestKind

FIRST, SECOND = "20261121T092349Z-3f2a", "20261122T092349Z-77aa"


@pytest.fixture
def command(tmp_path, capsys):
    """Run ``conformance report`` on ``tmp_path``: exit code, stdout, stderr."""

    def run(*arguments):
        code = main(["report", "--report", str(tmp_path), *arguments])
        return code, *capsys.readouterr()

    return run


def reported(tmp_path):
    return json.loads((tmp_path / "report.json").read_text())


def test_the_newest_run_is_written_again(command, write_run, tmp_path):
    """Without its reports and its index, the newest run is whole again, with its past."""
    write_run(FIRST)
    write_run(SECOND)
    code, out, err = command()
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"run {SECOND}: finished, 3 of 3 planned tests recorded",
        str(tmp_path / "index.html"),
    ]
    report = reported(tmp_path)
    assert report["run"]["id"] == SECOND
    assert [len(case["trend"]) for case in report["cases"]] == [2]
    assert SECOND in (tmp_path / "index.html").read_text()


def test_an_older_run_can_be_asked_for(command, write_run, tmp_path):
    """``--run`` names the run whose report is written."""
    write_run(FIRST)
    write_run(SECOND)
    assert command("--run", FIRST)[0] == 0
    assert reported(tmp_path)["run"]["id"] == FIRST


def test_a_run_without_a_footer_is_crashed(command, write_run, tmp_path):
    """What the killed run recorded stands; a planned test without a record is an infra-error."""
    path = write_run(FIRST, models=("cnn", "lstm"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:5]))
    code, out, _ = command()
    assert code == 0
    assert "crashed, or still going on, 3 of 6 planned tests recorded" in out
    report = reported(tmp_path)
    assert report["run"]["status"] == "crashed"
    assert {c["model"]: c["verdict"] for c in report["cases"]} == {
        "cnn": "pass",
        "lstm": "infra-error",
    }


def test_a_half_written_line_is_counted(command, write_run):
    """The line that the kill cut in two is left out, and people are told."""
    path = write_run(FIRST)
    path.write_bytes(path.read_bytes()[:-25])
    code, out, _ = command()
    assert code == 0
    assert "crashed, or still going on, 3 of 3 planned tests recorded, 1 damaged line" in out


@pytest.mark.parametrize("start", [b"", b'{"kind":"header","schema_ver'])
def test_a_run_killed_at_its_very_start_hides_no_other(command, write_run, tmp_path, start):
    """A run without a whole header says nothing: the run before it is shown, with a warning."""
    write_run(FIRST)
    (tmp_path / "runs" / f"{SECOND}.jsonl").write_bytes(start)
    code, _, err = command()
    assert code == 0
    assert f"{SECOND}.jsonl has no readable header" in err
    assert "the run before it is shown" in err
    assert reported(tmp_path)["run"]["id"] == FIRST


def test_a_run_killed_before_its_plan_has_no_rows(command, tmp_path):
    """A run that died before it selected its tests is an empty report, not an error."""
    RunWriter(tmp_path, make_header(FIRST))
    assert command()[0] == 0
    assert (reported(tmp_path)["run"]["status"], reported(tmp_path)["cases"]) == ("crashed", [])


def test_rebuild_makes_the_index_anew(command, write_run, tmp_path):
    """``--rebuild`` replaces whatever is there, and leaves nothing aside."""
    write_run(FIRST)
    (tmp_path / "history.duckdb").write_bytes(b"garbage" * 1000)
    (tmp_path / "history.duckdb.wal").write_bytes(b"garbage")
    code, _, err = command("--rebuild")
    assert (code, err) == (0, "")
    assert not list(tmp_path.glob("history.duckdb.unusable*"))
    import duckdb

    with duckdb.connect(str(tmp_path / "history.duckdb"), read_only=True) as index:
        assert index.execute("SELECT run_id FROM runs").fetchall() == [(FIRST,)]


def test_a_folder_without_runs_is_wrong_usage(command):
    """A folder that holds no run is named, with the next step; nothing is made there."""
    code, out, err = command()
    assert (code, out) == (2, "")
    assert "holds no run: name a report folder with --report DIR" in err


def test_an_unknown_run_is_wrong_usage(command, write_run):
    """A run that is not there is named, with those that are."""
    write_run(FIRST)
    code, _, err = command("--run", SECOND)
    assert code == 2
    assert f"holds no run '{SECOND}'; the newest: {FIRST}" in err


def test_a_report_of_a_newer_version_is_left_alone(command, write_run, tmp_path):
    """What a newer version wrote is refused with exit code 1, not overwritten."""
    write_run(FIRST)
    (tmp_path / "report.json").write_text('{"schema_version": 99}')
    code, _, err = command()
    assert code == 1
    assert "newer than" in err
    assert reported(tmp_path) == {"schema_version": 99}


def test_open_shows_the_page(command, write_run, tmp_path, monkeypatch):
    """``--open`` hands the page to the browser; without a browser it is a warning."""
    write_run(FIRST)
    shown = []
    monkeypatch.setattr("webbrowser.open", shown.append)
    code, _, err = command("--open")
    assert code == 0
    assert shown == [(tmp_path / "index.html").as_uri()]
    assert "no browser was found" in err


def test_what_was_joined_is_told_apart(command, write_run):
    """Records of tests that the run never planned do not make more of them than there were."""
    path = write_run(FIRST)
    append_records(path, [make_record(make_ref(TestKind.PARITY, provider="openvino"))])
    assert "3 of 3 planned tests recorded, 1 test joined" in command()[1]
