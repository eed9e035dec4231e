from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

XDIST = pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
CASE = "Honest/honest@mini-op18-fp32"


@XDIST
def test_a_zoo_runs_and_publishes_its_report(suite, workers, every_plugin):
    """Bare ``pytest --zoo``: three tests per case, a table, report.json, index.html, exit 0."""
    suite.zoo("Honest")
    result = suite.run(*workers)
    assert result.ret == 0
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*honest*", "*report.json*"])
    (case,) = suite.report["cases"]
    assert (case["id"], case["verdict"]) == (f"{CASE}-cpu", "pass")
    assert case["latency"]["median_ns"] > 0
    assert (suite.path / "reports" / "index.html").stat().st_size > 1000
    assert suite.report["run"]["status"] == "finished"


@XDIST
def test_one_bad_model_does_not_hurt_another(suite, workers):
    """Every kind of end is reported beside the honest model's pass; the run fails."""
    known = "expect: {stage: export, reason: known}"
    suite.zoo("Honest", "Raises", "Segfaults", "Constant", "Killed", "NoFile", NoFile=known)
    result = suite.run(*workers)
    assert result.ret == 1
    assert suite.verdicts == {
        "Honest": "pass",
        "Raises": "fail",
        "Segfaults": "fail",
        "Constant": "vacuous",
        "Killed": "infra-error",
        "NoFile": "expected-fail",
    }


def test_names_are_stable_and_readable(suite):
    """Ids say model, exporter, opset, variant and provider."""
    suite.zoo("Honest")
    result = suite.run("--co", "-q")
    assert result.outlines[:3] == [
        f"zoo.yaml::test_export[{CASE}]",
        f"zoo.yaml::test_parity[{CASE}-cpu]",
        f"zoo.yaml::test_latency[{CASE}-cpu]",
    ]
    assert not (suite.path / "reports").exists()


@pytest.mark.parametrize("mode", ["loadscope", "loadfile", "loadgroup", "worksteal", "each"])
def test_other_distributions_are_refused(suite, mode):
    """They try a model that killed its worker again, or wait for it for ever."""
    suite.zoo("Honest")
    result = suite.run("-n", "2", "--dist", mode)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --dist {mode} does not go with --zoo*--dist load"])
    assert suite.run("-n", "0", "--dist", mode, "--co").ret == 0


def test_the_repro_command_repeats_just_its_test(suite):
    """What the failure text offers runs that test and no other."""
    suite.zoo("SlightlyWrong", "Honest")
    result = suite.run("-n", "0")
    (repro,) = {c["repro"] for c in suite.report["cases"] if c["verdict"] == "fail"}
    assert f"  repeat: {repro}" in result.outlines
    at = next(i for i, line in enumerate(result.outlines) if line.endswith("fail at parity"))
    y, z, cause, kept, model = result.outlines[at + 1 : at + 6]
    assert y.startswith("  output 'y': error 0.0")
    assert "of data set 1 is" in y
    assert "x its limit" in y
    assert z.startswith("  output 'z': error 0.0")
    assert cause.startswith("  cause:  converter: ")
    assert kept.startswith("  kept:   failures/SlightlyWrong__slightlywrong@")
    assert model.startswith("  model:")
    node = repro.split(" ", 3)[3].strip("'")
    again = suite.run(node)
    again.assert_outcomes(failed=1)


@XDIST
def test_selection_by_keyword_marker_and_node(suite, workers):
    """``-k`` matches ids, ``-m`` matches framework, task and tags."""
    suite.zoo("Honest", "NoFloat64", Honest="task: regression\ntags: [full, tiny-one]")
    assert suite.run("-k", "nofloat64", *workers).parseoutcomes()["passed"] == 3
    for marker in ("Honest", "regression", "full", "tiny-one"):
        assert suite.run("-m", marker, *workers).parseoutcomes()["passed"] == 3
    assert suite.run("-m", "not full", "--strict-markers", *workers).ret == 0


def test_last_failed_repeats_the_failure_only(suite):
    """``--lf`` works across xdist, because node ids are the same with and without it."""
    suite.zoo("Honest", "SlightlyWrong")
    pytester = suite.pytester
    args = ("--zoo", "zoo.yaml", "--zoo-cache-dir", "cache")
    assert pytester.runpytest_subprocess(*args, "-n", "2").parseoutcomes()["failed"] == 1
    again = pytester.runpytest_subprocess(*args, "--lf")
    assert again.parseoutcomes() == {"failed": 1, "deselected": 5}


def test_dependents_of_a_failed_export_are_skipped_pointing_at_it(suite):
    """One failure, two skips that name it."""
    suite.zoo("Raises")
    result = suite.run("-rs")
    result.assert_outcomes(failed=1, skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED*not run, export of Raises/raises@*is fail: *"])


def test_a_bad_zoo_is_one_usage_error_before_collection(suite):
    """Exit 4, with file, line and column; nothing is collected."""
    suite.zoo("Honest", Honest="tolerence: {k: 4}")
    result = suite.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: zoo.yaml:10:5: unknown key 'tolerence'; did you mean 'tolerance'?"]
    )
    assert "collected" not in result.stdout.str()


def test_a_missing_zoo_is_a_usage_error(suite):
    """The file that is not there is named."""
    result = suite.run(zoo="nope.yaml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*nope.yaml*"])


def test_a_run_with_nothing_selected_fails(suite):
    """Exit 5, and no run in the history."""
    suite.zoo("Honest")
    assert suite.run("-k", "nothing").ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert not list(suite.path.glob("reports/runs/*"))


def test_a_normal_run_is_left_alone(suite):
    """Without ``--zoo`` the plugin does nothing; with it, other arguments still count."""
    suite.zoo("Honest")
    (suite.path / "test_plain.py").write_text("def test_plain(): pass\n")
    assert suite.pytester.runpytest_subprocess("test_plain.py").parseoutcomes() == {"passed": 1}
    assert not (suite.path / "reports").exists()
    both = suite.run("test_plain.py")
    assert both.parseoutcomes()["passed"] == 4
    assert suite.pytester.runpytest_subprocess().parseoutcomes() == {"passed": 1}


def test_the_ini_file_can_name_the_zoo_and_the_folders(suite):
    """Ini keys stand for the options; paths on ``pytest tests`` still make a normal run."""
    suite.zoo("Honest")
    (suite.path / "test_plain.py").write_text("def test_plain(): pass\n")
    suite.pytester.makeini(
        "[pytest]\nzoo = zoo.yaml\nzoo_report = out\nzoo_cache_dir = cache\nzoo_seed = 3\n"
    )
    result = suite.pytester.runpytest_subprocess()
    result.assert_outcomes(passed=3)
    assert (suite.path / "out" / "report.json").exists()
    result.stdout.fnmatch_lines(["zoo: zoo.yaml (1 models, 1 cases), seed 3"])
    suite.pytester.runpytest_subprocess("test_plain.py").assert_outcomes(passed=1)


def test_adapters_come_from_entry_points_too(suite, monkeypatch):
    """An installed package adds a framework by name; one that is broken is named and refused."""
    dist = suite.path / "more_frameworks-1.0.dist-info"
    dist.mkdir()
    (dist / "METADATA").write_text("Name: more-frameworks\nVersion: 1.0\n")
    points = dist / "entry_points.txt"
    points.write_text("[conformance.adapters]\nmini = miniatures:Honest\n")
    monkeypatch.setenv("PYTHONPATH", str(suite.path))
    suite.zoo("Honest")
    zoo = suite.path / "zoo.yaml"
    zoo.write_text(zoo.read_text().replace("miniatures:Honest", "mini"))
    assert suite.run().ret == 0
    assert suite.verdicts == {"mini": "pass"}
    points.write_text("[conformance.adapters]\nmini = miniatures:Gone\n")
    result = suite.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: adapter 'miniatures:Gone' cannot be imported*"])


def test_it_works_from_any_folder(suite):
    """The factories are imported from the zoo's folder, not from where pytest starts."""
    suite.zoo("Honest")
    elsewhere = suite.pytester.mkdir("elsewhere")
    os.chdir(elsewhere)
    result = suite.run(zoo=str(suite.path / "zoo.yaml"))
    assert result.ret == 0
    assert (elsewhere / "reports" / "report.json").exists()


def test_workers_find_the_root_that_the_controller_found(suite):
    """A report folder that appears beside the zoo's folder changes no test's id on the workers.

    Without an ini file, and started where only the root of the file system is above both, pytest
    takes the folder that all of its arguments have in common.
    """
    (suite.path / "tox.ini").unlink()
    folder = suite.pytester.mkdir("zoos")
    suite.zoo("Honest", name="zoos/zoo.yaml")
    (suite.path / "miniatures.py").rename(folder / "miniatures.py")
    os.chdir("/")
    zoo, reports = folder / "zoo.yaml", suite.path / "reports"
    assert suite.run("-n", "2", "--zoo-report", reports, zoo=zoo).ret == 0
    assert set(suite.verdicts.values()) == {"pass"}


def test_shards_divide_the_cases_between_them(suite):
    """Every case is in exactly one shard, with all its tests."""
    suite.zoo("Honest", "NoFloat64", "SlightlyWrong")
    seen = []
    for part in (1, 2):
        out = suite.run("--co", "-q", "--zoo-shard", f"{part}/2").outlines
        seen.append([line for line in out if "::" in line])
    assert [len(part) for part in seen] == [6, 3]
    assert len({line for part in seen for line in part}) == 9
    bad = suite.run("--zoo-shard", "3/2")
    assert bad.ret == pytest.ExitCode.USAGE_ERROR
    bad.stderr.fnmatch_lines(["*--zoo-shard takes I/N with 1 <= I <= N, not '3/2'"])


def test_without_cache_nothing_is_kept(suite):
    """``--zoo-no-cache`` converts anew and leaves the cache folder alone."""
    suite.zoo("Honest")
    assert suite.run("--zoo-no-cache").ret == 0
    assert not (suite.path / "cache").exists()
    assert suite.report["cases"][0]["export"]["cached"] is False
    assert suite.run().ret == 0
    assert suite.run().ret == 0
    assert suite.report["cases"][0]["export"]["cached"] is True


def test_required_things_that_are_missing_fail(suite):
    """Not-run by default, exit 0; with ``--zoo-require`` a failure, exit 1."""
    suite.zoo("Honest", Honest="providers: [cpu, tensorrt]")
    assert suite.run().ret == 0
    by_provider = {c["provider"]: c["verdict"] for c in suite.report["cases"]}
    assert by_provider == {"cpu": "pass", "tensorrt": "not-run"}
    assert suite.run("--zoo-require").ret == 1


@XDIST
def test_a_run_in_which_nothing_could_be_checked_is_no_success(suite, workers):
    """All not-run is exit 5, like nothing selected: a green run has checked something."""
    suite.zoo("Honest", Honest="requires: [no-such-distribution]")
    result = suite.run(*workers)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["nothing was checked: every test is not-run, see the reasons"])
    assert suite.verdicts == {"Honest": "not-run"}


def test_an_expectation_that_nothing_meets_fails_the_run(suite):
    """Two known failures, and all cases meet the first: the second is an error, not ignored."""
    known = """expect:
  - {stage: parity, match: 'its limit', reason: known}
  - {stage: parity, match: 'NaN', opset: 19, reason: never seen}"""
    suite.zoo("SlightlyWrong", SlightlyWrong=known)
    zoo = suite.path / "zoo.yaml"
    zoo.write_text(zoo.read_text().replace("opsets: [18]", "opsets: [18, 19]"))
    result = suite.run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert {case["verdict"] for case in suite.report["cases"]} == {"expected-fail"}
    result.stdout.fnmatch_lines(["*expects a failure at parity (never seen) that no case*"])


def test_a_check_is_tried_on_wrong_models(suite):
    """--zoo-mutate counts how many of them it catches; a blunt check is vacuous."""
    blunt = "tolerance: {atol: 0.6, reason: generous}\nmutation: {max_missed_rate: 0, reason: all}"
    suite.zoo("Honest", "NoFloat64", NoFloat64=blunt)
    result = suite.run("--zoo-mutate", "8")
    sharp, blunt = suite.report["cases"]
    assert sharp["verdict"] == "pass"
    assert {m["fate"] for m in sharp["mutation"]["mutants"]} <= {"killed", "equivalent"}
    assert blunt["verdict"] == "vacuous"
    assert "misses" in blunt["reason"]
    result.stdout.fnmatch_lines(["*check sensitivity*"])


def test_a_number_of_mutants_that_is_none_is_a_usage_error(suite):
    """It is told before any work starts."""
    suite.zoo("Honest")
    result = suite.run("--zoo-mutate", "many")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--zoo-mutate takes a whole number from 0, not 'many'*"])


def test_a_size_of_the_cache_that_is_none_is_a_usage_error(suite, monkeypatch):
    """It is told before any work starts, and concerns no run without a zoo."""
    monkeypatch.setenv("CONFORMANCE_CACHE_MAX_SIZE", "much")
    suite.zoo("Honest")
    result = suite.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*CONFORMANCE_CACHE_MAX_SIZE: 'much' is not a size*"])
    (suite.path / "test_plain.py").write_text("def test_plain(): pass\n")
    suite.pytester.runpytest_subprocess("test_plain.py").assert_outcomes(passed=1)


def test_a_failure_is_explained_and_kept_for_a_bug_report(suite):
    """The folder shows the failure without this package, and goes when the case passes again."""
    own = suite.path / "own_adapter.py"
    own.write_text("from miniatures import SlightlyWrong as Adapter\n")
    suite.zoo("Honest", "Adapter")
    zoo = suite.path / "zoo.yaml"
    zoo.write_text(zoo.read_text().replace("miniatures:Adapter", "own_adapter:Adapter"))
    result = suite.run()
    failed, passed = sorted(suite.report["cases"], key=lambda case: case["verdict"])
    assert failed["explanation"]["guilty"] == "converter"
    assert passed["failure_folder"] is None
    assert passed["explanation"] is None
    folder = suite.path / "reports" / failed["failure_folder"]
    assert folder.with_name(f"{folder.name}.zip").is_file()
    command = [sys.executable, "repro.py"]
    repeated = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert repeated.returncode == 1, repeated.stderr
    result.stdout.fnmatch_lines([f"*{failed['failure_folder']}*"])
    own.write_text("from miniatures import Honest as Adapter\n")
    suite.run()
    assert not list((suite.path / "reports" / "failures").iterdir())


def test_every_case_is_explained_when_asked(suite):
    """--zoo-explain shows the way of the error of a conversion that passes, too."""
    suite.zoo("Honest")
    suite.run("--zoo-explain")
    (case,) = suite.report["cases"]
    assert case["verdict"] == "pass"
    assert case["explanation"]["guilty"] is None
    assert [step["name"] for step in case["explanation"]["steps"]][:1] == ["source fp32"]


def test_junit_carries_verdict_and_figures(suite):
    """JUnit's properties hold text that other tools can read."""
    suite.zoo("Honest")
    suite.run("--junitxml", "junit.xml")
    root = ET.parse(suite.path / "junit.xml").getroot()  # noqa: S314 - our own file
    properties = {p.get("name"): p.get("value") for p in root.iter("property")}
    assert properties["verdict"] == "pass"
    assert float(properties["parity_ratio"]) < 1
    assert int(properties["median_ns"]) > 0


def test_allure_gets_parameters_labels_and_the_record(suite, every_plugin):
    """The results folder names framework, exporter and tags, and attaches each record."""
    pytest.importorskip("allure_pytest", reason="allure-pytest is not installed")
    import json

    suite.zoo("Honest", Honest="tags: [tiny]")
    suite.run("--alluredir", "allure")
    results = [json.loads(f.read_text()) for f in suite.path.glob("allure/*-result.json")]
    assert len(results) == 3
    parity = next(r for r in results if "parity" in r["name"])
    assert {"name": "exporter", "value": "'mini'"} in parity["parameters"]
    assert {"name": "tag", "value": "tiny"} in parity["labels"]
    (attachment,) = parity["attachments"]
    record = json.loads((suite.path / "allure" / attachment["source"]).read_text())
    assert record["verdict"] == "pass"


def test_a_second_run_extends_the_history(suite):
    """Two runs make two points in each trend."""
    suite.zoo("Honest")
    suite.run()
    suite.run()
    (case,) = suite.report["cases"]
    assert len(case["trend"]) == 2
    assert len(list(suite.path.glob("reports/runs/*.jsonl"))) == 2


def test_the_page_tells_what_changed_since_a_named_baseline(suite):
    """Beside the last run, where that is another one; also in a report that is written again."""
    suite.zoo("Honest", "NoFloat64")
    suite.run()
    first = suite.report["run"]["id"]
    suite.zoo("Honest")
    suite.run()
    page = suite.path / "reports" / "index.html"
    assert "Since the baseline" not in page.read_text()
    suite.run("--zoo-baseline", first)
    told = page.read_text().partition("Since the baseline")[2].partition("</section>")[0]
    assert first in told
    assert "nofloat64" in told
    page.unlink()
    command = [sys.executable, "-m", "conformance.cli", "report", "--report", page.parent]
    subprocess.run(command, check=True)
    assert "Since the baseline" in page.read_text()


def test_a_rerun_times_nothing_that_did_not_change(suite):
    """The figures are the first run's and say so; without the cache they are measured anew."""
    suite.zoo("Honest")
    for _ in range(3):
        suite.run()
        (first,) = suite.report["cases"]
        if first["latency"]["contended"] is None and first["latency"]["unstable"] is None:
            break
    else:
        pytest.skip("other work on this machine disturbs every measurement")
    measured_in = first["latency"]["measured_in"] or suite.report["run"]["id"]
    suite.run("--zoo-gate")
    (second,) = suite.report["cases"]
    assert second["latency"]["measured_in"] == measured_in
    assert second["latency"]["samples_ns"] == first["latency"]["samples_ns"]
    assert [point["median_ns"] is None for point in second["trend"]][-1]
    assert suite.report["gate"]["passed"]
    suite.run("--zoo-no-cache")
    (third,) = suite.report["cases"]
    assert third["latency"]["measured_in"] is None


def test_an_interrupted_run_leaves_a_report_that_says_so(suite):
    """Ctrl-C ends the run, not the records: what ran is reported, the rest is not-run."""
    (suite.path / "conftest.py").write_text(
        "def pytest_runtest_logfinish(nodeid):\n"
        "    if 'latency' in nodeid: raise KeyboardInterrupt\n"
    )
    suite.zoo("Honest", "NoFloat64")
    assert suite.run().ret == pytest.ExitCode.INTERRUPTED
    assert suite.report["run"]["status"] == "interrupted"
    assert suite.verdicts == {"Honest": "pass", "NoFloat64": "not-run"}


@XDIST
def test_a_run_stopped_at_the_first_failure_says_what_it_left(suite, workers):
    """``-x`` interrupts: what was not reached is not-run, not blamed on a crash."""
    suite.zoo("Raises", "Honest", "NoFloat64", "SlightlyWrong")
    assert suite.run("-x", *workers).ret != 0
    assert suite.report["run"]["status"] == "interrupted"
    assert "infra-error" not in suite.verdicts.values()


def test_vanished_models_are_listed(suite):
    """A model that the zoo no longer holds is named by the next run."""
    suite.zoo("Honest", "NoFloat64")
    suite.run()
    suite.zoo("Honest")
    suite.run()
    assert suite.report["vanished"] == ["NoFloat64/nofloat64@mini-op18-fp32-cpu"]


def test_slow_work_is_told_while_it_goes_on(suite):
    """People see which model is in which stage, and for how long."""
    suite.zoo("Hangs", Hangs="timeout: 12")
    result = suite.run()
    result.stdout.fnmatch_lines(["*… Hangs/hangs@mini-op18-fp32: export, 1? s"])
    assert result.ret == 1


def test_the_report_folder_is_tried_before_any_work(suite):
    """A report folder that cannot be used is a usage error that names the way out."""
    suite.zoo("Honest")
    (suite.path / "reports").write_text("a file")
    result = suite.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*reports*--zoo-report*"])


@pytest.mark.skipif(not os.path.isdir("/sys"), reason="there is no /sys to be refused by")  # noqa: PTH112
def test_a_read_only_report_folder_is_refused_even_to_root(suite):
    """Nothing runs when its report could not be kept; the message offers --zoo-report."""
    suite.zoo("Honest")
    result = suite.run("--zoo-report", "/sys/reports")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: */sys/reports*--zoo-report*"])


def test_a_report_folder_of_a_newer_format_is_left_alone(suite):
    """What a newer version wrote is neither read wrongly nor overwritten."""
    suite.zoo("Honest")
    suite.run()
    report = suite.path / "reports" / "report.json"
    newer = report.read_text().replace('"schema_version": 1', '"schema_version": 99')
    report.write_text(newer)
    result = suite.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *99*--zoo-report*"])
    assert report.read_text() == newer


def test_collecting_imports_no_framework(suite):
    """``--co`` reads the zoo and loads neither a framework nor ONNX Runtime."""
    heavy = ["torch", "tensorflow", "keras", "transformers", "sklearn", "onnxruntime", "duckdb"]
    (suite.path / "conftest.py").write_text(
        "import sys\n"
        "def pytest_unconfigure():\n"
        f"    print('LOADED', sorted(set({heavy!r}) & set(sys.modules)))\n"
    )
    suite.zoo("Honest")
    suite.run("--co", "-s").stdout.fnmatch_lines(["LOADED []"])


def test_without_a_zoo_next_to_nothing_is_imported(tmp_path, monkeypatch):
    """A pytest that only has the plugin installed does not wait for what zoos are read with."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    code = (
        "import sys, pytest\n"
        "pytest.main(['-q', '-p', 'conformance.plugin'])\n"
        "heavy = {'pydantic', 'numpy', 'yaml', 'conformance.zoo', 'conformance.cache'}\n"
        "print('LOADED', sorted(heavy & sys.modules.keys()))\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED []"


@XDIST
def test_latencies_are_written_for_pytest_benchmark(suite, workers, every_plugin):
    """``--zoo-benchmark-json`` gives one file of all timed rows, with and without workers."""
    pytest.importorskip("pytest_benchmark")
    suite.zoo("Honest", "Raises")
    result = suite.run(*workers, "--zoo-benchmark-json", "bench/run.json")
    assert result.ret == 1
    document = json.loads((suite.path / "bench" / "run.json").read_text())
    (benchmark,) = document["benchmarks"]
    assert benchmark["fullname"] == f"test_latency[{CASE}-cpu]"
    timed = next(case["latency"] for case in suite.report["cases"] if case["latency"])
    assert benchmark["stats"]["rounds"] == len(timed["samples_ns"])
    # of the runs that a record keeps, which are a part of all
    assert benchmark["stats"]["median"] == pytest.approx(timed["median_ns"] / 1e9, rel=0.5)


def test_latencies_for_pytest_benchmark_need_it(suite):
    """Without its package the option is refused before any model is converted."""
    suite.zoo("Honest")
    conftest = "import sys; sys.modules['pytest_benchmark'] = None  # as if not installed"
    (suite.path / "conftest.py").write_text(conftest)
    result = suite.run("-p", "no:benchmark", "--zoo-benchmark-json", "run.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*pip install 'pytest-onnx-conformance?benchmark?'*"])


def test_failures_of_models_that_left_the_zoo_are_removed_by_whole_runs_only(suite):
    """-k, a shard and a stopped run leave them; a run of the whole zoo removes them."""
    failures = suite.path / "reports" / "failures"

    def kept():
        return sorted(path.name.partition("__")[0] for path in failures.iterdir() if path.is_dir())

    inline = ("--zoo-isolation", "inline")
    suite.zoo("CannotLoad", "Raises")
    suite.run(*inline)
    assert kept() == ["CannotLoad", "Raises"]
    suite.zoo("CannotLoad")
    for part in (("-k", "export"), ("--zoo-shard", "1/1"), ("-x",)):
        suite.run(*part, *inline)
        assert kept() == ["CannotLoad", "Raises"], part
    suite.run(*inline)
    assert kept() == ["CannotLoad"]
