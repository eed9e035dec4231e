"""A run of a part of the zoo knows that it is one, and by which options."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from conformance.suite.selected import selected_by

NONE = {"keyword": "", "markexpr": "", "lf": False, "stepwise": False, "deselect": None}


@pytest.mark.parametrize(
    ("options", "arguments", "words"),
    [
        ({}, ("zoo.yaml",), None),
        ({"keyword": "bert or gpt2"}, (), "-k 'bert or gpt2'"),
        ({"keyword": "bert", "markexpr": "not full"}, (), "-k bert -m 'not full'"),
        ({"lf": True}, (), "--lf"),
        ({"stepwise": True}, (), "--sw"),
        ({"deselect": ["zoo.yaml::test_parity[a]"]}, (), "--deselect"),
        ({}, ("zoo.yaml::test_parity[a b]",), "'test_parity[a b]'"),
        ({}, tuple(f"zoo.yaml::test_parity[{n}]" for n in range(3)), "3 test ids"),
    ],
)
def test_options_that_select_are_named(options, arguments, words):
    """As a command line has them."""
    config = SimpleNamespace(option=SimpleNamespace(**(NONE | options)), args=list(arguments))
    assert selected_by(config) == words


def test_options_of_plugins_that_are_not_there_select_nothing():
    """Without the plugins of --lf and --sw, pytest's options lack them."""
    option = SimpleNamespace(keyword="x", markexpr="", deselect=None)
    assert selected_by(SimpleNamespace(option=option, args=[])) == "-k x"


def test_a_partial_run_leads_back_to_the_whole_one(suite):
    """report.json and the terminal name what was left out, and the last run of everything."""
    suite.zoo("Honest", "NoFloat64")
    suite.run()
    assert suite.report["run"]["selection"] is None
    whole = suite.report["run"]["id"]
    result = suite.run("-k", "nofloat64", "-n", "2")
    assert suite.report["run"]["selection"] == {
        "cases": 1,
        "of_cases": 2,
        "tests": 3,
        "of_tests": 6,
        "by": "-k nofloat64",
        "last_whole_run": whole,
    }
    text = " ".join(result.stdout.str().split())
    assert "Partial run: 1 of 2 cases were selected, 3 of 6 tests, by -k nofloat64." in text
    assert f"conformance report --run {whole}" in text
