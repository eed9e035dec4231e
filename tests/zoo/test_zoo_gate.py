"""The gate's rules in a zoo file: read, refused with their place, and one per zoo."""

from __future__ import annotations

from datetime import date

import pytest
from small_frameworks import FRAMEWORKS

from conformance.zoo import ZooError, read_zoo


def test_a_zoo_gives_the_rules_of_its_gate(tmp_path):
    """Rules and accepted findings are read; without the key the defaults hold."""
    text = """\
gate:
  coverage: 0.95
  size: off
  accepted:
    - {rule: latency, model: "pytorch/*", reason: more layers, expires: 2027-01-31}
models: [{id: a, framework: sklearn, source: {factory: "a:b"}, inputs: {factory: "a:c"}}]
"""
    (tmp_path / "zoo.yaml").write_text(text)
    rules = read_zoo([tmp_path / "zoo.yaml"], FRAMEWORKS).gate
    assert (rules.coverage, rules.size, rules.session) == (0.95, "off", 1.5)
    assert [accepted.expires for accepted in rules.accepted] == [date(2027, 1, 31)]


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ("gate: strict", "1:7: gate must be a mapping of rules, not the text 'strict'"),
        ("gate: {sise: 1.1}", "1:8: unknown key 'sise' in gate; did you mean 'size'?"),
        ("gate: {size: 0.9}", "1:14: gate.size must be more than 1, not the number 0.9"),
        ("gate: {size: big}", "1:14: gate.size must be a number or 'off', not the text 'big'"),
        ("gate: {latency: 1.1}", "1:17: gate.latency cannot be the number 1.1; known: on, off"),
        ("gate: {accepted: [{rule: size, model: a}]}", "1:19: gate.accepted[0] needs 'reason'"),
        (
            "gate: {accepted: [{rule: coverage, model: a, reason: b}]}",
            "1:26: gate.accepted[0].rule cannot be the text 'coverage'; known: ",
        ),
    ],
)
def test_what_is_wrong_with_a_gate_is_told_with_its_place(tmp_path, gate, message):
    """As of every other key: line, column and what to write instead."""
    model = '{id: a, framework: sklearn, source: {factory: "a:b"}, inputs: {factory: "a:c"}}'
    (tmp_path / "zoo.yaml").write_text(f"{gate}\nmodels: [{model}]\n")
    with pytest.raises(ZooError) as caught:
        read_zoo([tmp_path / "zoo.yaml"], FRAMEWORKS)
    (problem,) = caught.value.problems
    assert f"{problem.line}:{problem.column}: {problem.message}".startswith(message)


def test_files_that_are_read_together_have_one_gate(tmp_path):
    """Nobody has to guess which of two gates holds: included or named beside, it is an error."""
    model = '{id: %s, framework: sklearn, source: {factory: "a:b"}, inputs: {factory: "a:c"}}'
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(f"gate: {{size: 1.1}}\nmodels: [{model % 'a'}]\n")
    second.write_text(f"include: [first.yaml]\ngate: {{size: 1.2}}\nmodels: [{model % 'b'}]\n")
    for named in ([second], [first, second]):
        with pytest.raises(ZooError, match=r"second.yaml:2:1: the gate is already given at "):
            read_zoo(named, FRAMEWORKS)
    second.write_text(f"include: [first.yaml]\nmodels: [{model % 'b'}]\n")
    assert read_zoo([second], FRAMEWORKS).gate.size == 1.1
