"""Merging what several machines have run into one run: nothing lost, nothing counted twice."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from run_values import make_header, make_record, make_ref

from conformance.cli import main
from conformance.history import RunWriter, load_report, read_run
from conformance.model import RunFooter, RunPlan, TestKind, Verdict

MODELS = ("cnn", "lstm", "mlp", "vit")
ZOO = tuple(f"pytorch/{model}@dynamo-op18-fp32-cpu" for model in MODELS)
STARTED = {1: "20261121T092349Z-3f2a", 2: "20261121T092401Z-77aa"}


@pytest.fixture
def shard(tmp_path):
    """Write part ``number`` of 2: the models given, each with its three tests, to a folder."""

    def write(
        number, models=None, *, verdicts=None, stop=None, status="finished", folder=None, **header
    ):
        models = MODELS[number - 1 :: 2] if models is None else models
        refs = [make_ref(test, model=model) for model in models for test in TestKind]
        fields = {"shard": f"{number}/2", "zoo_cases": ZOO, "division": "aa", "commit": "c0ffee"}
        path = tmp_path / (folder or f"part-{number}")
        run_id = header.pop("id", STARTED[number])
        writer = RunWriter(path, make_header(run_id, **(fields | header)))
        writer.plan(RunPlan(tuple(refs)))
        for ref in refs[:stop]:
            verdict = (verdicts or {}).get((ref.model, ref.test), Verdict.PASS)
            writer.append(replace(make_record(ref, verdict), worker="gw0"))
        if status:
            writer.close(RunFooter(f"2026-11-21T09:3{number}:00+00:00", status, 0))
        return path

    return write


@pytest.fixture
def merge(tmp_path, capsys):
    """Run ``conformance report merge`` into ``out``: exit code, stdout, stderr."""

    def run(*arguments):
        words = ["report", "merge", *map(str, arguments), "--report", str(tmp_path / "out")]
        return main(words), *capsys.readouterr()

    return run


def merged_run(tmp_path):
    (path,) = (tmp_path / "out" / "runs").iterdir()
    return read_run(path)


def rows(tmp_path):
    run = merged_run(tmp_path)
    return {case.model: case.verdict for case in load_report(tmp_path / "out", run.header.id).cases}


def test_two_parts_are_one_run_of_the_whole(shard, merge, tmp_path):
    """Every test of both parts is planned and recorded once, in the zoo's order."""
    code, out, err = merge(shard(2), shard(1))
    assert (code, err) == (0, "")
    run = merged_run(tmp_path)
    assert out.splitlines() == [
        f"run {run.header.id}: finished, 12 tests of 2 parts",
        str(tmp_path / "out" / "index.html"),
    ]
    wanted = [(test, model) for model in MODELS for test in TestKind]
    assert [(ref.test, ref.model) for ref in run.plan.tests] == wanted
    assert [(record.ref.test, record.ref.model) for record in run.records] == wanted
    assert [record.worker for record in run.records[2:4]] == ["1/2:gw0", "2/2:gw0"]
    assert run.header.shard is None
    assert run.header.id.startswith("20261121T092349Z-")
    assert run.footer == RunFooter("2026-11-21T09:32:00+00:00", "finished", 0)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [case["verdict"] for case in report["cases"]] == ["pass"] * 4
    assert run.header.id in (tmp_path / "out" / "index.html").read_text()


def test_what_no_part_selected_is_not_selected(shard, merge, tmp_path):
    """A merge of parts that were run with -k is a partial run, and says by which option."""
    paths = [shard(1), shard(2)]
    for path in paths:
        (run,) = (path / "runs").iterdir()
        kept = [
            json.dumps(line | {"deselected": 3, "selected_by": "-k cnn"})
            if (line := json.loads(text))["kind"] == "plan"
            else text
            for text in run.read_text().splitlines()
        ]
        run.write_text("\n".join(kept) + "\n")
    merge(*paths)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    found = report["run"]["selection"]
    assert (found["tests"], found["of_tests"], found["by"]) == (12, 18, "-k cnn")


def test_a_merged_report_tells_what_changed(shard, merge, tmp_path):
    """Its page and summary compare with the merged run before, as those of one machine do."""
    merge(shard(1), shard(2))
    first = merged_run(tmp_path).header.id
    failed = {("lstm", TestKind.PARITY): Verdict.FAIL}
    later = {"id": "20261122T092349Z-aaaa"}
    code, _, _ = merge(
        shard(1, folder="late-1", **later),
        shard(2, folder="late-2", verdicts=failed, **later | {"id": "20261122T092401Z-bbbb"}),
    )
    assert code == 0
    summary = (tmp_path / "out" / "report.md").read_text()
    assert f"### Changes since `{first}`" in summary
    assert "1 regressed" in summary


def test_a_missing_part_is_refused_unless_partial(shard, merge, tmp_path):
    """What was not run must not look like all there is; a partial run says which parts it has."""
    code, _, err = merge(shard(1))
    assert code == 2
    assert "no run of part 2/2 was named: add it, or say --partial" in err
    assert not (tmp_path / "out").exists()
    code, out, err = merge(tmp_path / "part-1", "--partial")
    assert code == 0
    assert "without part 2: finished" in out
    assert "2 of 4 rows of the zoo were selected by no part" in err
    assert merged_run(tmp_path).header.shard == "1/2"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"commit": "beef"}, "differ in their commit (c0ffee, beef)"),
        ({"commit": None}, "differ in their commit (c0ffee, none)"),
        ({"zoos": ("a.yaml", "b.yaml")}, "differ in their zoo files (zoo.yaml, a.yaml, b.yaml)"),
        ({"seed": 5}, "differ in their seed (0, 5)"),
        ({"zoo_cases": ZOO[:3]}, "differ in their cases in the zoo files"),
        ({"division": "bb"}, "the history they divided it by is not the same"),
        ({"shard": "2/3"}, "is part 1/2"),
        ({"shard": None}, "is of the whole zoo: only runs made with --zoo-shard I/N"),
        ({"shard": "3/2"}, "is of part 3/2: only runs made with --zoo-shard I/N"),
    ],
)
def test_parts_of_different_runs_are_refused(shard, merge, tmp_path, changed, told):
    """What is not of one commit, zoo, seed and division is no run; nothing is written."""
    code, _, err = merge(shard(1), shard(2, **changed))
    assert code == 2
    assert told in err
    assert not (tmp_path / "out").exists()


def test_a_test_in_two_folders_is_refused(shard, merge):
    """Two outcomes of one test: neither is silently preferred."""
    other = shard(2, ("cnn", "lstm", "vit"), verdicts={("cnn", TestKind.PARITY): Verdict.FAIL})
    code, _, err = merge(shard(1), other)
    assert code == 2
    assert "test_parity[pytorch/cnn@dynamo-op18-fp32-cpu] is in" in err
    assert "leave one of them out" in err


def test_a_test_unrecorded_in_one_of_two_folders_is_refused(shard, merge):
    """A run that died and its repetition tell different things of the test that it died in."""
    died = shard(1, stop=2, status="", folder="died")
    code, _, err = merge(died, shard(1), shard(2))
    assert code == 2
    assert "with different outcomes" in err


def test_the_same_run_named_twice_counts_once(shard, merge, tmp_path):
    """A folder that was copied to two places adds nothing."""
    code, _, _ = merge(shard(1), shard(1, folder="copy"), shard(2))
    assert code == 0
    assert len(merged_run(tmp_path).records) == 12


def test_merging_again_is_refused(shard, merge, tmp_path):
    """The same parts never make two runs in a history."""
    parts = shard(1), shard(2)
    assert merge(*parts)[0] == 0
    code, _, err = merge(*reversed(parts))
    assert code == 1
    assert "has this merged run already: `conformance report --run 20261121T092349Z-" in err
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 1


def test_a_crashed_part_makes_an_interrupted_run(shard, merge, tmp_path):
    """What its process died in is an infra-error as in its own report, not left out."""
    code, out, err = merge(shard(1, stop=4, status=""), shard(2))
    assert code == 0
    assert ": interrupted, 12 tests of 2 parts" in out
    assert "part 1/2 is crashed" in err
    run = merged_run(tmp_path)
    assert (run.footer.status, run.footer.exit_code) == ("interrupted", 2)
    assert rows(tmp_path) == {
        "cnn": Verdict.PASS,
        "lstm": Verdict.PASS,
        "mlp": Verdict.INFRA_ERROR,
        "vit": Verdict.PASS,
    }


def test_an_interrupted_part_makes_an_interrupted_run(shard, merge, tmp_path):
    """What it did not come to is not-run; a lost record of the other part stays an infra-error."""
    code, _, _ = merge(shard(1, stop=3, status="interrupted"), shard(2, stop=5))
    assert code == 0
    assert rows(tmp_path) == {
        "cnn": Verdict.PASS,
        "lstm": Verdict.PASS,
        "mlp": Verdict.NOT_RUN,
        "vit": Verdict.INFRA_ERROR,
    }


def test_a_part_that_died_before_its_plan_is_refused(shard, merge, tmp_path):
    """Nobody knows what it was to run, so that its tests would be lost."""
    part = shard(1)
    (path,) = (part / "runs").iterdir()
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    code, _, err = merge(part, shard(2))
    assert code == 2
    assert "died before its tests were selected: run part 1/2 again, or leave it out" in err
    assert not (tmp_path / "out").exists()


def test_machines_that_differ_are_told_and_no_class_is_claimed(shard, merge, tmp_path):
    """Versions and facts of both stand in the header; durations of two classes are of none."""
    slow = {"cores": 2, "hardware_class": "x-1", "memory_bytes": 8 * 10**9}
    fast = {"cores": 8, "hardware_class": "x-2", "memory_bytes": 9 * 10**9}
    versions = {"onnx": "1.23.2", "onnxruntime": "1.30.0"}
    code, _, err = merge(
        shard(1, machine=slow, versions=versions),
        shard(2, machine=fast, versions=versions | {"onnxruntime": "1.31.1"}),
    )
    assert code == 0
    assert "part 2/2 is not like 1/2: onnxruntime 1.30.0 / 1.31.1, cores 2 / 8" in err
    header = merged_run(tmp_path).header
    assert header.versions == {"onnx": "1.23.2", "onnxruntime": "1.30.0 | 1.31.1"}
    assert header.machine == {"cores": "2 | 8", "memory_bytes": 8 * 10**9}


def test_failure_folders_are_carried_along(shard, merge, tmp_path):
    """A failure's folder and zip are copied, and those of a test that passes now are removed."""
    part = shard(1, verdicts={("cnn", TestKind.PARITY): Verdict.FAIL})
    name = ZOO[0].replace("/", "__")
    _fail_with_folder(part, name)
    (part / "failures" / name / "sub").mkdir(parents=True)
    (part / "failures" / name / "sub" / "model.onnx").write_text("model")
    (part / "failures" / f"{name}.zip").write_text("zip")
    outdated = tmp_path / "out" / "failures" / ZOO[1].replace("/", "__")
    outdated.mkdir(parents=True)
    code, _, err = merge(part, shard(2))
    assert (code, err) == (0, "")
    failures = tmp_path / "out" / "failures"
    assert (failures / name / "sub" / "model.onnx").read_text() == "model"
    assert sorted(path.name for path in failures.iterdir()) == [name, f"{name}.zip"]
    assert merged_run(tmp_path).records[1].failure_folder == f"failures/{name}"


@pytest.mark.parametrize("hostile", ["link", "absent"])
def test_a_failure_folder_that_leads_elsewhere_is_left_out(shard, merge, tmp_path, hostile):
    """What another machine sends must not bring files of this one into the report."""
    part = shard(1, verdicts={("cnn", TestKind.PARITY): Verdict.FAIL})
    name = ZOO[0].replace("/", "__")
    _fail_with_folder(part, name)
    if hostile == "link":
        (part / "failures" / name).mkdir(parents=True)
        (part / "failures" / name / "error.txt").symlink_to("/etc/hostname")
    code, _, err = merge(part, shard(2))
    assert code == 0
    assert f"the failure folder of {ZOO[0]} is left out" in err
    assert merged_run(tmp_path).records[1].failure_folder is None
    assert not (tmp_path / "out" / "failures" / name).exists()


def _fail_with_folder(part, name):
    (path,) = (part / "runs").iterdir()
    lines = path.read_text().splitlines()
    record = json.loads(lines[3])
    assert record["verdict"] == "fail"
    lines[3] = json.dumps(record | {"failure_folder": f"failures/{name}"})
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("path", ["nowhere", "empty"])
def test_a_folder_without_a_run_is_refused(shard, merge, tmp_path, path):
    """The message names the folder and what belongs there."""
    (tmp_path / "empty").mkdir()
    code, _, err = merge(shard(1), tmp_path / path)
    assert code == 2
    assert f"{tmp_path / path} " in err
    assert "name a report folder or a run's .jsonl file" in err


def test_a_run_can_be_named_by_its_file(shard, merge, tmp_path):
    """Parts that one machine ran one after the other lie in one folder."""
    shard(1, folder="both")
    shard(2, folder="both")
    code, _, err = merge(*sorted((tmp_path / "both" / "runs").iterdir()))
    assert (code, err) == (0, "")
    assert len(merged_run(tmp_path).records) == 12
