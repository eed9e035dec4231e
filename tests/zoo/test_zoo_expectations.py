"""Known failures that no run could ever show are errors of the zoo."""

from __future__ import annotations

import pytest

from conformance.zoo import read_zoo

ENTRY = """\
models:
  - id: cnn
    framework: pytorch
    source: {factory: "a:b"}
    inputs: {factory: "a:c"}
"""
TWO_OPSETS = "    opsets: [17, 18]\n"
TWO_PROVIDERS = "    providers: [cpu, cuda]\n"
BOTH = "    exporters: [dynamo, torchscript]\n" + TWO_OPSETS


def expectations(*items):
    """``expect`` as a list, one item per line, from line 6 on where nothing stands before."""
    return "    expect:\n" + "".join(f"      - {{{item}, reason: x}}\n" for item in items)


@pytest.mark.parametrize(
    ("keys", "items", "expected"),
    [
        (
            "",
            ["stage: export, provider: cpu"],
            "7:9: a failure at export concerns no provider: remove 'provider', or give the stage",
        ),
        ("", ["stage: export, match: '.*'"], "7:9: match '.*' fits every text: name what"),
        ("", ["stage: export, match: ''"], "7:9: match '' fits every text: name what"),
        (
            "",
            ["stage: export, match: a", "stage: export, match: a"],
            "8:9: can never be met: expect[0] comes first",
        ),
        (
            TWO_OPSETS,
            ["stage: export", "stage: export, match: a, opset: 18"],
            "9:9: can never be met: expect[0] comes first",
        ),
        (
            "",
            ["stage: export", "stage: parity"],
            "8:9: cannot come true beside expect[0]: a case fails only once; tell them apart by",
        ),
        ("", ["stage: session", "stage: parity"], "8:9: cannot come true beside expect[0]"),
        ("", ["stage: load, match: a", "stage: load, match: b"], "8:9: cannot come true beside"),
        (TWO_PROVIDERS, ["stage: export", "stage: parity"], "9:9: cannot come true beside expect["),
        (
            TWO_OPSETS,
            ["stage: export", "stage: check, opset: 17", "stage: parity, opset: 18"],
            "10:9: cannot come true beside",
        ),
    ],
)
def test_what_no_run_can_show_is_an_error(keys, items, expected, problems_of):
    """An expectation needs a case that can fail in its way while the others come true."""
    (problem,) = problems_of(ENTRY + keys + expectations(*items))
    assert problem.partition(":")[2].startswith(expected)


@pytest.mark.parametrize(
    ("keys", "items"),
    [
        (TWO_OPSETS, ["stage: export, match: a", "stage: export, match: b"]),
        (TWO_OPSETS, ["stage: export, match: a", "stage: export, match: b, opset: 18"]),
        (TWO_OPSETS, ["stage: export", "stage: parity"]),
        (TWO_OPSETS, ["stage: export, match: a, opset: 17", "stage: export"]),
        (TWO_PROVIDERS, ["stage: session", "stage: parity"]),
        (TWO_PROVIDERS, ["stage: parity, provider: cpu", "stage: parity, provider: cuda"]),
        (
            BOTH,
            [
                "stage: export, exporter: dynamo",
                "stage: parity, exporter: torchscript, opset: 17",
                "stage: latency, exporter: torchscript, opset: 18, provider: cpu",
            ],
        ),
    ],
)
def test_what_can_come_true_together_is_accepted(keys, items, write, frameworks):
    """Nothing is refused that some run of the entry's cases would show."""
    (located,) = read_zoo([write(ENTRY + keys + expectations(*items))], frameworks).entries
    assert len(located.entry.expect) == len(items)


def test_a_thousand_expectations_are_checked_in_no_time(problems_of):
    """Hostile numbers of expectations end neither in recursion nor in patience."""
    items = [f"stage: export, match: a{number}" for number in range(1000)]
    (problem,) = problems_of(ENTRY + TWO_OPSETS + expectations(*items))
    assert "cannot come true" in problem
