"""``conformance history``: over time, in SQL, and out to other tools."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace

import pytest
from run_values import EXPORTED, make_header, make_record, make_ref

from conformance.cli import main
from conformance.evidence import OutputParity, ParityReport, Ratio
from conformance.history import RunWriter, table_columns, update_index
from conformance.model import RunFooter, RunPlan, TestKind, Verdict
from conformance.reporters.history_text import spark

NIGHTS = 12
CASE = "pytorch/cnn@dynamo-op18-fp32-cpu"
MACHINE = {"cores": 2, "hardware_class": "epyc-1"}


def write_night(folder, night, *, models=("cnn", "lstm"), reason=None, hardware="epyc-1"):
    """From the seventh night on, onnxruntime is another one, and slower and less exact."""
    later = night >= NIGHTS // 2
    header = make_header(
        f"202611{night + 1:02}T030000Z-0000",
        started=f"2026-11-{night + 1:02}T03:00:00+00:00",
        commit=("b" if later else "a") * 40,
        versions={"onnxruntime": "1.31.1" if later else "1.30.0"},
        machine=MACHINE | {"hardware_class": hardware},
    )
    refs = [make_ref(test, model=model) for model in models for test in TestKind]
    writer = RunWriter(folder, header)
    writer.plan(RunPlan(tuple(refs)))
    wiggle = 0.01 * (night % 3)
    for ref in refs:
        verdict = Verdict.FAIL if reason and ref.test is TestKind.PARITY else Verdict.PASS
        record = make_record(ref, verdict, reason=reason if verdict is Verdict.FAIL else None)
        ratio = (0.8 if later else 0.4) + wiggle
        output = OutputParity("y", "float32", (4,), "fp64-referenced", None, ratio=ratio)
        record = replace(record, parity=ParityReport((output,), 2), export=EXPORTED)
        if record.latency:
            value = (15 if later else 10) + wiggle
            timed = replace(
                record.latency, hardware=hardware, yardstick=Ratio(value, value, value, 9)
            )
            record = replace(record, latency=timed)
        writer.append(record)
    writer.close(RunFooter("2026-11-21T09:30:00+00:00", "finished", 0))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nights")
    for night in range(NIGHTS):
        write_night(folder, night)
    update_index(folder)
    return folder


@pytest.fixture
def nights(written, tmp_path):
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def command(tmp_path, capsys):
    """Run ``conformance history`` on ``tmp_path``: exit code, stdout, stderr."""

    def run(*arguments):
        code = main(["history", *arguments, "--report", str(tmp_path)])
        return code, *capsys.readouterr()

    return run


def test_the_runs_are_listed_with_honest_denominators(command, nights):
    """A line a run, oldest first, with what passed of what was checked."""
    code, out, err = command("--last", "3")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == [
        f"202611{day}T030000Z-0000" for day in (10, 11, 12)
    ]
    assert "2 of 2 checked" in lines[-1]
    assert "bbbbbbbbbbbb " in lines[-1]


def test_a_case_is_shown_with_what_changed(command, nights):
    """Verdicts and figures over the nights; a step names commits and packages between."""
    code, out, _ = command("cnn")
    assert code == 0
    title, verdicts, parity, step, latency, slower, size = out.splitlines()
    assert title == f"{CASE}  12 runs, 2026-11-01 to 2026-11-12"
    assert verdicts == "  verdict  ✓✓✓✓✓✓✓✓✓✓✓✓  pass"
    assert parity.startswith("  parity   ▁▁▁▁▁▁███")
    assert "2026-11-07: 0.41 of limit → 0.81 of limit (1.98x)" in step
    assert "aaaaaaaaaaaa..bbbbbbbbbbbb, onnxruntime 1.30.0 → 1.31.1" in step
    assert "now 15 yardsticks; 10 yardsticks to 15 yardsticks  (epyc-1)" in latency
    assert "2026-11-07: 10 yardsticks → 15 yardsticks (1.5x)" in slower
    assert size == "  size     ▄▄▄▄▄▄▄▄▄▄▄▄  120 kB"


def test_figures_of_other_machines_have_a_line_of_their_own(command, nights):
    """A night on other hardware makes no step in the series of the first."""
    write_night(nights, NIGHTS, hardware="arm-2")
    out = command("cnn")[1]
    assert [line.split("(")[-1] for line in out.splitlines() if "latency" in line] == [
        "epyc-1)",
        "arm-2)",
    ]


@pytest.mark.parametrize(
    ("pattern", "count"), [("fp32", 2), ("pytorch/*-cpu", 2), ("*lstm*", 1), ("lstm", 1)]
)
def test_cases_are_found_by_a_part_or_a_pattern(command, nights, pattern, count):
    """A part of an id, or a shell pattern of the whole id."""
    out = command(pattern)[1]
    assert sum(line.startswith("pytorch/") for line in out.splitlines()) == count


@pytest.mark.parametrize("pattern", ["gru", "cnn*", "100%"])
def test_a_case_that_is_not_there_is_wrong_usage(command, nights, pattern):
    """What matches nothing is named, and SQL's own wildcards are none."""
    code, out, err = command(pattern)
    assert (code, out) == (2, "")
    assert f"no case of the last 30 runs matches '{pattern}'" in err


def test_sql_reads_the_index(command, nights):
    """A query's answer is a table; JSON lines that came since are in it."""
    code, out, _ = command("--sql", "SELECT count(*) AS rows, max(parity_ratio) FROM results")
    assert code == 0
    assert out.splitlines()[-1].split() == ["24", "0.8200000000000001"]


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM runs",
        "DROP TABLE results",
        "COPY runs TO '{folder}/stolen.csv'",
        "SELECT * FROM read_text('{folder}/secret')",
        "ATTACH '{folder}/other.duckdb'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "SELEKT 1",
    ],
)
def test_sql_can_change_and_read_nothing_else(command, nights, query):
    """No query writes to the index or a file, reads a file, or undoes these limits."""
    (nights / "secret").write_text("s3cret")
    before = sorted(path.name for path in nights.iterdir())
    code, out, err = command("--sql", query.format(folder=nights))
    assert (code, out) == (2, "")
    assert "conformance: error: " in err
    assert "s3cret" not in err
    assert command("--sql", "SELECT count(*) FROM runs")[1].split()[-1] == str(NIGHTS)
    after = {path.name for path in nights.iterdir()} - set(before)
    assert after <= {"history.duckdb"}


def test_sql_without_a_query_explains_the_tables(command):
    """Every table and column is told, also where there is no history yet."""
    code, out, _ = command("--sql")
    assert code == 0
    for columns in table_columns().values():
        assert all(f"  {name} " in out for name in columns)


def test_a_spreadsheet_finds_no_formula(command, tmp_path):
    """Cells that begin like a formula are text; figures stay figures."""
    write_night(tmp_path, 0, reason='=HYPERLINK("http://x","y"), a\nb')
    path = tmp_path / "history.csv"
    assert command("--csv", str(path))[0] == 0
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["reason"] for row in rows} == {'\'=HYPERLINK("http://x","y"), a b'}
    assert {row["parity_ratio"] for row in rows} == {"0.4"}
    assert {row["commit"] for row in rows} == {"a" * 40}


def test_csv_goes_to_standard_output(command, nights):
    """``--csv -`` prints the rows of a query and nothing else."""
    out = command("--sql", "SELECT -1 AS a, NULL AS b, '-x' AS c", "--csv", "-")[1]
    assert out == "a,b,c\n-1,,'-x\n"


def test_parquet_holds_what_the_history_holds(command, nights):
    """The file is read back with types and all rows; one in a folder that is not there fails."""
    import duckdb

    path = nights / "his'tory.parquet"
    code, out, _ = command("--parquet", str(path))
    assert (code, out) == (0, f"{path}\n")
    found = duckdb.read_parquet(str(path))
    assert len(found.fetchall()) == 2 * NIGHTS
    types = dict(zip(found.columns, map(str, found.types), strict=True))
    assert (types["parity_ratio"], types["median_ns"]) == ("DOUBLE", "BIGINT")
    code, _, err = command("--parquet", str(nights / "no" / "h.parquet"))
    assert code == 2
    assert "h.parquet" in err


def test_a_case_and_a_query_are_wrong_usage_together(command, nights):
    """Nothing is silently left out of what was asked."""
    code, _, err = command("cnn", "--sql", "SELECT 1")
    assert code == 2
    assert "CASE goes with no --sql" in err


def test_a_folder_without_runs_is_wrong_usage(command):
    """A folder without history is named, with the next step."""
    code, out, err = command()
    assert (code, out) == (2, "")
    assert "holds no run" in err


def test_a_sparkline_has_a_place_for_every_run():
    """Low to high in eight steps; a level line in the middle, a blank where nothing was found."""
    assert spark([0.0, 1.0, None, 7.0]) == "▁▂ █"
    assert spark([3.0, 3.0]) == "▄▄"
    assert spark([]) == ""
