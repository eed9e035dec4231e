from __future__ import annotations

import pytest

from conformance.gate import GateRules, with_rules
from conformance.gate_result import Rule


def test_the_command_line_stands_over_the_zoo():
    """What it does not name stays, what it names was asked for."""
    zoo = GateRules.model_validate({"coverage": 0.5, "size": 1.2})
    rules = with_rules(zoo, ["coverage=0.95", "latency=off", "parity=on"])
    assert (rules.coverage, rules.size, rules.latency, rules.parity) == (0.95, 1.2, "off", 2.0)
    assert rules.asked_for(Rule.COVERAGE)
    assert rules.asked_for(Rule.SIZE)
    assert rules.asked_for(Rule.PARITY)
    assert not rules.asked_for(Rule.LATENCY)
    assert not rules.asked_for(Rule.MEMORY)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("speed=1.1", r"'speed=1.1' is not NAME=VALUE with one of new_failures, vacuous, "),
        ("size", r"'size' is not NAME=VALUE"),
        ("judged=off", r"'judged=off' is not NAME=VALUE"),
        ("accepted=x", r"'accepted=x' is not NAME=VALUE"),
        ("size=0.9", r"size takes a factor above 1, such as 1.5, or off, not '0.9'"),
        ("size=nan", r"size takes a factor above 1, such as 1.5, or off, not 'nan'"),
        ("size=inf", r"size takes a factor above 1, such as 1.5, or off, not 'inf'"),
        ("coverage=95", r"coverage takes a share above 0 and up to 1, such as 0.95, or off"),
        ("coverage=0", r"coverage takes a share above 0"),
        ("latency=1.1", r"latency takes on or off, not '1.1'"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(change, message):
    """The message says what the rule takes."""
    with pytest.raises(ValueError, match=message):
        with_rules(GateRules(), [change])


def test_accepted_findings_of_the_zoo_stay():
    """The command line changes rules, not what is known."""
    known = {"rule": "size", "model": "cnn", "reason": "x"}
    rules = with_rules(GateRules.model_validate({"accepted": [known]}), ["size=1.3"])
    assert [accepted.model for accepted in rules.accepted] == ["cnn"]
