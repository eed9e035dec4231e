from __future__ import annotations

import json

import pytest

from conformance.history import former_seconds
from conformance.suite.order import expected_seconds


def order(result):
    """The collected tests, in short: kind and model."""
    lines = [line for line in result.outlines if "::test_" in line.partition(" ")[0]]
    return [line.split("::test_")[1].replace("[", " ").split("/")[0] for line in lines]


def with_history(suite, **seconds):
    """Run the zoo, and make its history say what exports took."""
    suite.run("-k", "export or parity")
    (run,) = suite.path.glob("reports/runs/*.jsonl")
    lines = [json.loads(line) for line in run.read_text().splitlines()]
    for line in lines:
        if line["kind"] == "record" and line["ref"]["test"] == "export":
            line["duration_s"] = seconds[line["ref"]["framework"]]
    # as the writer writes them
    text = [json.dumps(line, separators=(",", ":")) for line in lines]
    run.write_text("\n".join(text) + "\n")


def test_latency_comes_last_and_a_case_stays_together(suite):
    """Without a history: the order of the zoo, all exports and parities before any latency."""
    suite.zoo("Honest", "NoFloat64")
    assert order(suite.run("--co", "-q")) == [
        *("export Honest", "parity Honest", "export NoFloat64", "parity NoFloat64"),
        *("latency Honest", "latency NoFloat64"),
    ]


def test_what_took_longest_comes_first(suite, every_plugin):
    """By the history of the report folder; a model without one is taken for a median one."""
    suite.zoo("Honest", "NoFloat64")
    with_history(suite, Honest=3.0, NoFloat64=9.0)
    suite.zoo("Honest", "NoFloat64", "SlightlyWrong")
    longest = ["NoFloat64", "SlightlyWrong", "Honest"]
    expected = [f"{kind} {model}" for model in longest for kind in ("export", "parity")]
    assert order(suite.run("--co", "-q"))[:6] == expected
    ran = order(suite.run("-v", "-p", "no:xdist"))
    assert ran[:6] == expected
    assert ran[6:] == [f"latency {model}" for model in longest]


def test_the_report_keeps_the_order_of_the_zoo(suite):
    """What is published does not change its order with every run."""
    suite.zoo("Honest", "NoFloat64")
    with_history(suite, Honest=3.0, NoFloat64=9.0)
    suite.run("-k", "export or parity")
    assert list(suite.verdicts) == ["Honest", "NoFloat64"]


def test_under_xdist_every_worker_has_the_same_order(suite):
    """The controller tells its workers what it read: a run that ends meanwhile changes nothing."""
    (suite.path / "conftest.py").write_text(
        "import json, os\n"
        "from pathlib import Path\n"
        "def pytest_configure(config):\n"
        "    if not hasattr(config, 'workerinput'): return\n"
        # a history that each worker would read differently
        "    for run in Path('reports/runs').glob('*.jsonl'):\n"
        "        run.unlink(missing_ok=True)\n"
        "def pytest_collection_finish(session):\n"
        "    if hasattr(session.config, 'workerinput'):\n"
        "        name = session.config.workerinput['workerid'] + '.order'\n"
        "        Path(name).write_text('\\n'.join(item.nodeid for item in session.items))\n"
    )
    suite.zoo("Honest", "NoFloat64")
    with_history(suite, Honest=3.0, NoFloat64=9.0)
    assert suite.run("-n", "2", "-k", "export or parity").ret == 0
    first, second = (file.read_text() for file in sorted(suite.path.glob("gw*.order")))
    assert first == second
    assert first.startswith("zoo.yaml::test_export[NoFloat64")


def test_tests_that_are_named_run_in_the_order_in_which_they_are_named(suite):
    """Who spells out node ids says what comes first."""
    suite.zoo("Honest", "NoFloat64")
    case = "{0}/{1}@mini-op18-fp32"
    named = [
        f"zoo.yaml::test_latency[{case.format('NoFloat64', 'nofloat64')}-cpu]",
        f"zoo.yaml::test_export[{case.format('Honest', 'honest')}]",
    ]
    assert order(suite.run("--co", "-q", *named)) == ["latency NoFloat64", "export Honest"]


def test_failed_first_is_failed_first(suite):
    """``--ff`` has the last word."""
    suite.zoo("Honest", "SlightlyWrong")
    run = suite.pytester.runpytest_subprocess
    args = ("--zoo", "zoo.yaml", "--zoo-cache-dir", "cache")
    run(*args)
    assert order(run(*args, "--ff", "--co", "-q"))[0] == "parity SlightlyWrong"


def test_stepwise_goes_on_in_the_order_it_had(suite):
    """``--sw`` leaves out what comes before the last failure, so that must be what had run."""
    suite.zoo("Honest", "Raises", "NoFloat64")
    run = suite.pytester.runpytest_subprocess
    args = ("--zoo", "zoo.yaml", "--zoo-cache-dir", "cache", "--sw", "-v")
    assert order(run(*args))[-1] == "export Raises"
    again = order(run(*args))
    assert again[-1] == "export Raises"
    assert "export NoFloat64" not in again


def test_other_tests_keep_their_places(suite):
    """A plain test is neither first nor last because of a zoo, but before latency."""
    suite.zoo("Honest")
    (suite.path / "test_plain.py").write_text("def test_plain(): pass\n")
    found = order(suite.run("--co", "-q", "test_plain.py"))
    assert found == ["plain", "export Honest", "parity Honest", "latency Honest"]


@pytest.mark.parametrize("damage", ["", "{", '{"kind":"record","ref":[]}', '{"kind":"record"}'])
def test_a_damaged_history_is_no_history(tmp_path, damage):
    """It must not keep a run from starting."""
    assert former_seconds(tmp_path / "nowhere", {"a"}) == {}
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "20260101T000000Z-0000.jsonl").write_text(damage)
    assert former_seconds(tmp_path, {"a"}) == {}


def test_a_cached_conversion_counts_for_what_it_took_when_it_was_made(tmp_path):
    """The latest run that had the case counts; the seconds of latency do not."""
    (tmp_path / "runs").mkdir()

    def write(day, *records):
        lines = [
            {
                "kind": "record",
                "ref": {"test": test, "case": case},
                "duration_s": seconds,
                "export": None if made is None else {"export_seconds": made},
            }
            for case, test, seconds, made in records
        ]
        text = "\n".join(json.dumps(line, separators=(",", ":")) for line in lines)
        (tmp_path / "runs" / f"2026010{day}T000000Z-0000.jsonl").write_text(text)

    write(1, ("a", "export", 50.0, 40.0), ("b", "export", 7.0, 6.0), ("b", "parity", 2.0, 6.0))
    write(2, ("a", "export", 0.1, 40.0), ("a", "parity", 1.0, 40.0), ("a", "latency", 99.0, 40.0))
    assert former_seconds(tmp_path, {"a", "b", "c"}) == {"a": 41.0, "b": 9.0}


def test_an_unknown_case_is_taken_for_the_median_of_its_framework():
    """Or of all where the framework is new too; and nothing is guessed from nothing."""
    from zoo_cases import located

    cases = [located("Honest", id=name).case for name in "abcd"]
    other = located("NoFloat64", id="e").case
    known = {cases[0].key: 1.0, cases[1].key: 5.0, cases[2].key: 9.0}
    guessed = expected_seconds([*cases, other], known, {})
    assert guessed[cases[3].key] == 5.0
    assert guessed[other.key] == 5.0
    assert expected_seconds(cases, {}, {}) == {}


def test_a_large_model_without_a_history_is_not_kept_for_last():
    """Its size counts where it promises more than the median, and never against what is known."""
    from zoo_cases import located

    known, small, large = (located("Honest", id=name).case for name in "abc")
    sizes = {known.key: 2**31, small.key: 2**10, large.key: 2**30}
    guessed = expected_seconds([known, small, large], {known.key: 9.0}, sizes)
    assert guessed[known.key] == guessed[small.key] == 9.0
    assert guessed[large.key] > 9.0
    first = expected_seconds([small, large], {}, sizes)
    assert first[large.key] > first[small.key]


def test_the_first_run_of_all_begins_with_the_largest_local_model(suite):
    """No history is needed for it, nor that the models can be opened."""
    suite.zoo("Honest", "NoFloat64")
    zoo = suite.path / "zoo.yaml"
    for number, name in enumerate(("small", "large")):
        (suite.path / name).write_bytes(bytes(10**number))
        factory = "{factory: 'miniatures:unused'}"
        zoo.write_text(zoo.read_text().replace(factory, f"{{path: {name}}}", 1))
    assert order(suite.run("--co", "-q"))[0] == "export NoFloat64"
