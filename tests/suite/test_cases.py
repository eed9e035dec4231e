from __future__ import annotations

import pytest


def collected(result):
    """Zoo file and model of each export test, in order."""
    lines = [line.partition("::test_export[") for line in result.outlines]
    return [(zoo, test.split("/")[0]) for zoo, found, test in lines if found]


def test_several_zoos_are_read_once_and_collected_each_with_its_own(suite):
    """Models stand under the zoo they come from, in the order in which the zoos are named."""
    suite.zoo("Honest")
    suite.zoo("NoFloat64", "SlightlyWrong", name="second.yaml")
    result = suite.run("--zoo", "second.yaml", "--co", "-q")
    assert collected(result) == [
        ("zoo.yaml", "Honest"),
        ("second.yaml", "NoFloat64"),
        ("second.yaml", "SlightlyWrong"),
    ]


def test_a_zoo_that_another_one_includes_is_tested_once(suite):
    """Named beside the file that includes it, it keeps its models, and each is run once."""
    suite.zoo("Honest")
    suite.zoo("NoFloat64", name="second.yaml")
    whole = suite.path / "second.yaml"
    whole.write_text("include: [zoo.yaml]\n" + whole.read_text())
    both = ("--zoo", "second.yaml", "--co", "-q")
    assert collected(suite.run(*both)) == [("zoo.yaml", "Honest"), ("second.yaml", "NoFloat64")]
    assert collected(suite.run(*both, "zoo.yaml")) == [("zoo.yaml", "Honest")]
    alone = suite.run("--co", "-q", zoo="second.yaml")
    assert collected(alone) == [("second.yaml", "Honest"), ("second.yaml", "NoFloat64")]


def test_an_id_that_two_zoos_give_is_refused(suite):
    """Zoos that are run together are one: their reports could not tell the two models apart."""
    suite.zoo("Honest")
    suite.zoo("Honest", name="second.yaml")
    result = suite.run("--zoo", "second.yaml", "--co")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: second.yaml:2:9: the id 'honest' is already given to the model at *zoo.yaml:2:9"]
    )
