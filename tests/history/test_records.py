import json

import pytest
from run_values import make_header, make_record, make_ref

from conformance.errors import HistoryError
from conformance.history import RunWriter, list_runs, read_run, records
from conformance.model import RunFooter, RunPlan, TestKind


def test_what_is_written_is_read_back_equal(tmp_path):
    """Header, plan, records and footer survive the way to disk and back unchanged."""
    header = make_header("20261121T092349Z-3f2a")
    refs = tuple(make_ref(test) for test in TestKind)
    made = tuple(make_record(ref) for ref in refs)
    footer = RunFooter("2026-11-21T09:30:00+00:00", "finished", 0)
    writer = RunWriter(tmp_path, header)
    writer.plan(RunPlan(refs))
    for record in made:
        writer.append(record)
    writer.close(footer)
    run = read_run(tmp_path / "runs" / f"{header.id}.jsonl")
    assert (run.header, run.plan, run.records, run.footer) == (
        header,
        RunPlan(refs),
        made,
        footer,
    )
    assert run.damaged_lines == 0


def test_a_writer_knows_what_it_wrote(tmp_path, monkeypatch):
    """Nothing is read for what stands in the file, and it is what a reader would find there."""
    header = make_header("20261121T092349Z-3f2a")
    refs = tuple(make_ref(test) for test in TestKind)
    path = tmp_path / "runs" / f"{header.id}.jsonl"
    writer = RunWriter(tmp_path, header)
    assert writer.written() == read_run(path)
    writer.plan(RunPlan(refs, deselected=1))
    writer.append(make_record(refs[0], reason="two\nlines \u2028"))
    assert writer.written() == read_run(path)
    writer.close(RunFooter("2026-11-21T09:30:00+00:00", "finished", 0))
    expected = read_run(path)
    monkeypatch.setattr(records, "read_run", lambda path: pytest.fail(f"{path} is read"))
    assert writer.written() == expected


def test_what_ctrl_c_left_in_the_file_is_written(tmp_path, monkeypatch):
    """A line that stood in the file when the signal came counts, though nobody has noted it."""
    record = make_record(make_ref(TestKind.EXPORT))
    writer = RunWriter(tmp_path, make_header("20261121T092349Z-3f2a"))

    def interrupted(fd):
        raise KeyboardInterrupt

    with monkeypatch.context() as signal:
        signal.setattr("os.fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.append(record)
    writer.close(RunFooter("2026-11-21T09:30:00+00:00", "interrupted", 2))
    (path,) = list_runs(tmp_path)
    assert writer.written() == read_run(path)
    assert writer.written().records == (record,)


def test_each_line_is_on_disk_before_the_next(tmp_path):
    """A run that dies leaves every record it appended, as one JSON object per line."""
    writer = RunWriter(tmp_path, make_header("20261121T092349Z-3f2a"))
    hostile = make_record(make_ref(TestKind.EXPORT), reason="two\nlines \u2028 and \x1b[31m")
    writer.append(hostile)
    (path,) = list_runs(tmp_path)
    lines = path.read_bytes().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["header", "record"]
    assert json.loads(lines[0])["schema_version"] == 1
    run = read_run(path)
    assert run.records == (hostile,)
    assert run.footer is None


def test_records_of_versions_without_the_newer_evidence_are_read(write_run):
    """What an earlier version wrote is a record: what it did not know is absent."""
    path = write_run("20261121T092349Z-3f2a")
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    newer = ("mutation", "explanation", "failure_folder")
    for line in lines:
        if line["kind"] == "record":
            for name in newer:
                del line[name]
            for output in (line["parity"] or {"outputs": ()})["outputs"]:
                del output["constant"], output["noise_sets"], output["set_aside"]
            if line["parity"]:
                del line["parity"]["decisions"], line["parity"]["generalization"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    run = read_run(path)
    assert (len(run.records), run.damaged_lines) == (3, 0)
    assert {getattr(record, name) for record in run.records for name in newer} == {None}
    assert run.records[1].parity.decisions == ()


def test_a_half_written_last_line_is_counted_and_skipped(write_run):
    """What a killed machine leaves behind does not cost the records before it."""
    path = write_run("20261121T092349Z-3f2a")
    path.write_bytes(path.read_bytes()[:-25])
    run = read_run(path)
    assert (len(run.records), run.footer, run.damaged_lines) == (3, None, 1)


@pytest.mark.parametrize("garbage", [b"\x00\xff\xfe", b"[1]", b'{"kind":"other"}', b"{}", b"7"])
def test_a_damaged_line_costs_no_other(write_run, garbage):
    """A line in the middle that is not ours is counted, and the rest is read."""
    path = write_run("20261121T092349Z-3f2a")
    first, *rest = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([first, garbage, *rest]))
    run = read_run(path)
    assert (len(run.records), run.damaged_lines) == (3, 1)
    assert run.footer is not None


def test_a_run_is_never_overwritten(write_run, tmp_path):
    """A second writer of the same run id is refused and the file stays as it was."""
    path = write_run("20261121T092349Z-3f2a")
    before = path.read_bytes()
    with pytest.raises(HistoryError, match="never overwritten"):
        RunWriter(tmp_path, make_header("20261121T092349Z-3f2a"))
    assert path.read_bytes() == before


def test_runs_are_listed_oldest_first(write_run, tmp_path):
    """The order is that of the start times in the names, whatever order they were written in."""
    later, earlier = write_run("20261122T000000Z-0000"), write_run("20261121T235959Z-ffff")
    assert list_runs(tmp_path) == (earlier, later)


def test_a_run_without_header_is_an_error_that_names_the_file(tmp_path):
    """A file whose first line is no header cannot be taken for a run."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"kind":"footer"}\n')
    with pytest.raises(HistoryError, match=r"x\.jsonl has no readable header"):
        read_run(path)


def test_a_missing_run_is_an_error_that_names_the_file(tmp_path):
    """Asking for a run that is not there says so."""
    with pytest.raises(HistoryError, match=r"gone\.jsonl cannot be read \(No such file"):
        read_run(tmp_path / "gone.jsonl")
