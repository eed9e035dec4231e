import os
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace

import pytest

from conformance.history import (
    HistoryWarning,
    JudgedRun,
    append_records,
    database,
    index,
    list_runs,
    load_report,
    read_run,
    update_index,
)
from conformance.model import Verdict

FIRST, SECOND = "20261121T092349Z-3f2a", "20261122T092349Z-77aa"


def rows(tmp_path, query):
    import duckdb

    with duckdb.connect(str(tmp_path / "history.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def two_runs(write_run, tmp_path):
    write_run(FIRST, models=("cnn", "lstm"), median_ns=250_000)
    write_run(SECOND, models=("cnn", "lstm"), median_ns=260_000)
    return tmp_path


def test_two_runs_are_two_points_in_each_trend(two_runs):
    """A second run extends the history: each case has a point per run, oldest first."""
    update_index(two_runs)
    report = load_report(two_runs, SECOND)
    assert len(report.trends) == 2
    for points in report.trends.values():
        assert [(p.run, p.median_ns) for p in points] == [(FIRST, 250_000), (SECOND, 260_000)]
        assert {p.parity_ratio for p in points} == {0.4}


def test_an_older_run_is_reported_as_it_was_then(two_runs):
    """The trend of a run ends with that run, whatever came later."""
    update_index(two_runs)
    report = load_report(two_runs, FIRST)
    assert {len(points) for points in report.trends.values()} == {1}


def test_a_trend_looks_back_on_thirty_runs(write_run, tmp_path):
    """Older points are left out of trends."""
    for day in range(1, 33):
        write_run(f"202610{day:02}T000000Z-0000")
    update_index(tmp_path)
    (points,) = load_report(tmp_path, "20261032T000000Z-0000").trends.values()
    assert [p.run[6:8] for p in points] == [f"{day:02}" for day in range(3, 33)]


def test_the_index_holds_runs_and_results(two_runs):
    """People can query what the runs found with SQL."""
    update_index(two_runs)
    assert rows(two_runs, "SELECT run_id, status, exit_code, zoos FROM runs ORDER BY 1") == [
        (FIRST, "finished", 0, ["zoo.yaml"]),
        (SECOND, "finished", 0, ["zoo.yaml"]),
    ]
    query = "SELECT id, verdict, parity_ratio, median_ns, nodes, duration_s FROM results"
    assert rows(two_runs, f"{query} WHERE run_id = '{FIRST}' AND model = 'cnn'") == [
        ("pytorch/cnn@dynamo-op18-fp32-cpu", "pass", 0.4, 250_000, 17, 4.5)
    ]


def test_only_new_and_changed_files_are_read(two_runs, write_run, monkeypatch):
    """Bringing the index up to date costs what is new, not what is there."""
    update_index(two_runs)
    reading = []
    read = index.read_run
    monkeypatch.setattr(index, "read_run", lambda path: reading.append(path) or read(path))
    third = write_run("20261123T092349Z-0001")
    first = list_runs(two_runs)[0]
    first.write_bytes(b"".join(first.read_bytes().splitlines(keepends=True)[:-1]))
    update_index(two_runs)
    assert reading == [first, third]
    assert rows(two_runs, "SELECT status FROM runs ORDER BY run_id") == [
        ("crashed",),
        ("finished",),
        ("finished",),
    ]


def test_a_deleted_run_leaves_the_index(two_runs):
    """The index says no more than the JSON lines do."""
    update_index(two_runs)
    list_runs(two_runs)[0].unlink()
    update_index(two_runs)
    assert rows(two_runs, "SELECT DISTINCT run_id FROM results") == [(SECOND,)]


def take_in_log(path):
    """As the update does it that makes the log too long."""
    import duckdb

    with duckdb.connect(str(path)):
        pass
    assert not path.with_name(f"{path.name}.wal").exists()


def damage(path, how):
    import duckdb

    take_in_log(path)
    content = path.read_bytes()
    if how == "garbage":
        path.write_bytes(b"not a database" * 100)
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "flipped":
        path.write_bytes(content[:12288] + bytes(8192) + content[20480:])
    else:
        with duckdb.connect(str(path)) as connection:
            connection.execute("UPDATE meta SET schema_version = 99")


@pytest.mark.parametrize("how", ["garbage", "empty", "truncated", "flipped", "newer"])
def test_a_damaged_index_is_moved_aside_and_rebuilt(two_runs, how):
    """Nothing is lost with the index: it is rebuilt from the JSON lines, with a warning."""
    update_index(two_runs)
    damage(two_runs / "history.duckdb", how)
    with pytest.warns(HistoryWarning, match=r"could not be used .* moved to history\.duckdb\.unus"):
        update_index(two_runs)
    assert rows(two_runs, "SELECT count(*) FROM results") == [(4,)]
    assert len(list(two_runs.glob("history.duckdb.unusable-*"))) == 1


@pytest.mark.parametrize("how", ["garbage", "empty", "truncated", "flipped", "gone", "of another"])
def test_a_damaged_log_loses_nothing(two_runs, write_run, how):
    """Rows that were not taken into the file yet are read from the JSON lines again."""
    update_index(two_runs)
    take_in_log(two_runs / "history.duckdb")
    write_run("20261123T092349Z-0001")
    update_index(two_runs)
    log = two_runs / "history.duckdb.wal"
    content = log.read_bytes()
    if how == "garbage":
        log.write_bytes(b"not a log" * 100)
    elif how == "empty":
        log.write_bytes(b"")
    elif how == "truncated":
        log.write_bytes(content[: len(content) // 2])
    elif how == "flipped":
        log.write_bytes(content[:300] + bytes([content[300] ^ 0xFF]) + content[301:])
    elif how == "gone":
        log.unlink()
    else:
        other = two_runs / "other.duckdb"
        shutil.copy(two_runs / "history.duckdb", other)
        take_in_log(other)
        other.replace(two_runs / "history.duckdb")
    with warnings.catch_warnings(record=True):
        update_index(two_runs)
    assert rows(two_runs, "SELECT count(*), count(DISTINCT id || run_id) FROM results") == [(5, 5)]


def test_an_index_held_by_another_process_is_left_alone(two_runs, write_run, monkeypatch):
    """The run goes on with a warning and its trends come from the JSON lines."""
    update_index(two_runs)
    third = "20261123T092349Z-0001"
    write_run(third)
    monkeypatch.setattr(database, "LOCK_WAIT_S", 0.3)
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(two_runs / "history.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.warns(HistoryWarning, match="in use by another process; the next run"):
            update_index(two_runs)
        with pytest.warns(HistoryWarning, match="trends are read from the last 30 runs"):
            report = load_report(two_runs, third)
        holder.communicate(b"\n", timeout=10)
    assert {len(points) for points in report.trends.values()} == {3}
    update_index(two_runs)
    assert rows(two_runs, "SELECT count(DISTINCT run_id) FROM results") == [(3,)]


def test_without_an_index_the_trends_are_the_same(two_runs):
    """The index only makes it fast: JSON lines alone give the same report."""
    with pytest.warns(HistoryWarning, match=r"history\.duckdb is missing"):
        slow = load_report(two_runs, SECOND)
    update_index(two_runs)
    assert load_report(two_runs, SECOND) == slow


def test_an_unreadable_run_is_left_out_with_a_warning(two_runs):
    """A run whose header is damaged neither ends this one nor is read again and again."""
    bad = two_runs / "runs" / "20261120T000000Z-0000.jsonl"
    bad.write_bytes(b"\x00" * 100)
    with pytest.warns(HistoryWarning, match="left out of the index"):
        update_index(two_runs)
    update_index(two_runs)
    assert rows(two_runs, "SELECT count(*) FROM runs") == [(2,)]


@pytest.mark.filterwarnings("error")
def test_warnings_as_errors_cost_no_report(two_runs, recwarn):
    """Where people turn warnings into errors, ours still don't end the run."""
    (two_runs / "history.duckdb").write_bytes(b"garbage")
    update_index(two_runs)
    assert [w.category for w in recwarn] == [HistoryWarning]
    assert rows(two_runs, "SELECT count(*) FROM results") == [(4,)]


def test_a_case_that_left_the_zoo_has_vanished(write_run, tmp_path):
    """A case that the previous run of the same zoo knew and this zoo lacks is listed."""
    ids = [f"pytorch/{model}@dynamo-op18-fp32-cpu" for model in ("cnn", "lstm", "gru")]
    write_run("20261120T000000Z-0000", zoo_cases=(*ids, "old"))
    write_run("20261121T000000Z-0000", models=("cnn", "lstm"), zoo_cases=tuple(ids))
    write_run("20261121T000001Z-0000", zoos=("other.yaml",), zoo_cases=("other",))
    write_run("20261122T000000Z-0000", zoo_cases=(ids[0],))
    update_index(tmp_path)
    assert load_report(tmp_path, "20261122T000000Z-0000").vanished == (ids[1], ids[2])


def test_a_case_that_was_only_deselected_has_not_vanished(write_run, tmp_path):
    """Running a part of the zoo with -k makes no model disappear."""
    ids = tuple(f"pytorch/{model}@dynamo-op18-fp32-cpu" for model in ("cnn", "lstm"))
    write_run("20261121T000000Z-0000", models=("cnn", "lstm"), zoo_cases=ids)
    write_run("20261122T000000Z-0000", models=("cnn",), zoo_cases=ids)
    update_index(tmp_path)
    assert load_report(tmp_path, "20261122T000000Z-0000").vanished == ()


def test_parts_of_a_zoo_are_compared_with_the_same_part(write_run, tmp_path):
    """Part 2 of 2 misses nothing that only part 1 of 2 held."""
    write_run("20261121T000000Z-0000", shard="1/2", zoo_cases=("a",))
    write_run("20261122T000000Z-0000", shard="2/2", zoo_cases=("b",))
    update_index(tmp_path)
    assert load_report(tmp_path, "20261122T000000Z-0000").vanished == ()


def test_a_damaged_block_is_no_held_lock(tmp_path):
    """Older versions of DuckDB call damage an IO error "in block": nobody is waited for."""
    import duckdb

    tries = []

    def damaged():
        tries.append(1)
        raise duckdb.IOException("Corrupt database file: in block 3")

    with pytest.raises(duckdb.IOException, match="Corrupt"):
        database._wait(tmp_path / "history.duckdb", damaged)
    assert len(tries) == 1


def test_an_index_that_only_updates_wrote_is_not_read_to_the_end(two_runs, monkeypatch):
    """Looking for damage takes as long as the history is: only where somebody else wrote to it."""
    read = []
    verify = index._verify
    monkeypatch.setattr(index, "_verify", lambda *args: read.append(1) or verify(*args))
    update_index(two_runs)
    update_index(two_runs)
    assert not read
    (two_runs / "history.duckdb").touch()
    update_index(two_runs)
    update_index(two_runs)
    assert len(read) == 1


def test_damage_that_a_reader_comes_upon_is_repaired(two_runs):
    """A block that went bad without a trace: the report does without, the next update rebuilds."""
    update_index(two_runs)
    path = two_runs / "history.duckdb"
    take_in_log(path)
    path.touch()
    update_index(two_runs)
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:12288] + bytes(8192) + content[20480:])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.warns(HistoryWarning, match="trends are read from the last 30 runs instead"):
        load_report(two_runs, SECOND)
    with pytest.warns(HistoryWarning, match="moved to"):
        update_index(two_runs)
    assert rows(two_runs, "SELECT count(*) FROM results") == [(4,)]


def test_a_run_in_hand_is_not_read_again(write_run, tmp_path, monkeypatch):
    """The process that wrote a run knows its rows; they are those that its lines tell."""
    write_run(FIRST, models=("cnn", "lstm"))
    second = write_run(SECOND, models=("cnn", "lstm"), median_ns=260_000)
    run = JudgedRun.of(read_run(second))
    update_index(tmp_path)
    told = rows(tmp_path, "SELECT * FROM results ORDER BY ALL")
    (tmp_path / "history.duckdb").unlink()
    monkeypatch.setattr(index, "read_run", lambda path: pytest.fail(f"{path} is read"))
    with pytest.raises(pytest.fail.Exception, match=FIRST):
        update_index(tmp_path, run)
    monkeypatch.undo()
    update_index(tmp_path, run)
    assert rows(tmp_path, "SELECT * FROM results ORDER BY ALL") == told


def test_a_run_in_hand_that_was_added_to_is_read(write_run, tmp_path):
    """The JSON lines are the truth: what came later counts, though another run had it in hand."""
    file = write_run(FIRST)
    run = JudgedRun.of(read_run(file))
    update_index(tmp_path, run)
    worse = replace(run.run.records[-1], verdict=Verdict.FAIL, reason="slower")
    append_records(file, [worse])
    update_index(tmp_path)
    assert rows(tmp_path, "SELECT verdict, reason FROM results") == [("fail", "slower")]


def test_damage_in_any_block_is_found_before_it_is_built_upon(two_runs, write_run):
    """A flipped byte in a block that only readers would touch is found by the next update."""
    import duckdb

    update_index(two_runs)
    path = two_runs / "history.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "INSERT INTO results SELECT r.* REPLACE (md5(n::VARCHAR) || md5(sqrt(n)::VARCHAR) "
            "AS reason) FROM results r, range(3000) t(n)"
        )
    whole = path.read_bytes()
    write_run("20261123T092349Z-0001")
    for middle in range(12288 + 131072, len(whole), 262144):
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :])
        # no warning where the block is a free one
        with warnings.catch_warnings(record=True):
            update_index(two_runs)
        assert rows(two_runs, "SELECT count(DISTINCT hash(results)) FROM results")[0][0] >= 5


def test_an_index_of_an_older_version_is_filled_anew(two_runs):
    """An upgrade loses nothing, warns of nothing and leaves no second file."""
    import duckdb

    with duckdb.connect(str(two_runs / "history.duckdb")) as connection:
        connection.execute("CREATE TABLE meta (schema_version INTEGER)")
        connection.execute("INSERT INTO meta VALUES (1)")
        connection.execute("CREATE TABLE results (file VARCHAR, run_id VARCHAR)")
    update_index(two_runs)
    assert rows(two_runs, "SELECT count(yardsticks) FROM results") == [(0,)]
    assert rows(two_runs, "SELECT count(*) FROM results") == [(4,)]
    assert not list(two_runs.glob("history.duckdb.unusable*"))
