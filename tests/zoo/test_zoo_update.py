"""What a run says about a zoo's known failures."""

from __future__ import annotations

import re

import pytest

from conformance.cli.proposal import propose, signature
from conformance.entry import Expectation, ZooEntry
from conformance.model import Case, CaseResult, Stage, Verdict

RUN = "20261121T102522Z-3338"


def entry(*expect, model="cnn", **changes):
    """An entry with these known failures."""
    plain = {
        "id": model,
        "framework": "pytorch",
        "source": {"factory": "a:b"},
        "inputs": {"factory": "a:c"},
        "exporters": ["dynamo", "torchscript"],
        "opsets": [17, 18],
        "providers": ["cpu", "cuda"],
        "expect": expect,
    }
    return ZooEntry.model_validate(plain | changes)


def cases_of(of):
    """Every case of an entry."""
    return [
        Case(of, exporter, opset, variant)
        for exporter in of.exporters
        for opset in of.opsets
        for variant in of.variants
    ]


def rows_of(of, outcome):
    """A row per case and provider; ``outcome(exporter, opset, provider)`` says what happened."""
    rows = []
    for case in cases_of(of):
        for provider in of.providers:
            found = outcome(case.exporter, case.opset, provider)
            if found is None:
                continue
            verdict, stage, reason, details = (*found, None, None)[:4]
            rows.append(CaseResult(
                case.id_on(provider), of.id, "pytorch", None, (), case.exporter, case.opset,
                case.variant, provider, stage, verdict, reason, None, details, None, None, None,
                None, "pytest", 1.0,
            ))  # fmt: skip
    return rows


PASSED = (Verdict.PASS, Stage.LATENCY)
NO_OP = (Verdict.FAIL, Stage.EXPORT, "ExportError: no operator Lgamma in opset 18", "Traceback")
WRONG = (Verdict.FAIL, Stage.PARITY, "output 'logits': error 1.3e-3 at [0, 7] is 13x its limit")


def proposal_for(of, outcome):
    """What is proposed for one entry and what is left."""
    proposal = propose(cases_of(of), rows_of(of, outcome), RUN)
    return proposal.changes.get(of.id), proposal.left


def test_a_run_that_agrees_changes_nothing():
    """Passes, and failures as expected."""
    expected = (Verdict.EXPECTED_FAIL, Stage.EXPORT, "known", "no operator")
    of = entry({"stage": "export", "reason": "known", "exporter": "dynamo", "match": "no op"})
    found = proposal_for(of, lambda exporter, *_: expected if exporter == "dynamo" else PASSED)
    assert found == (None, ())


def test_a_failure_of_every_case_needs_no_selector():
    """The new expectation names the stage, the words that stay, and where it was seen."""
    change, left = proposal_for(entry(), lambda *_: NO_OP)
    assert change.add == (
        Expectation(
            stage="export",
            match="ExportError: no operator Lgamma in opset",
            reason=f"seen in run {RUN}: ExportError: no operator Lgamma in opset 18",
        ),
    )
    assert not change.remove
    assert left == ()


@pytest.mark.parametrize(
    ("fails", "selectors"),
    [
        (lambda exporter, opset, provider: exporter == "dynamo", [{"exporter": "dynamo"}]),
        (lambda exporter, opset, provider: opset == 18, [{"opset": 18}]),
        (lambda exporter, opset, provider: provider == "cuda", [{"provider": "cuda"}]),
        (
            lambda exporter, opset, provider: (exporter, opset) == ("dynamo", 17),
            [{"exporter": "dynamo", "opset": 17}],
        ),
        (
            lambda exporter, opset, provider: exporter == "dynamo" or opset == 17,
            [
                {"exporter": "dynamo", "opset": 17},
                {"exporter": "dynamo", "opset": 18},
                {"exporter": "torchscript", "opset": 17},
            ],
        ),
    ],
)
def test_selectors_only_where_the_failure_does_not_hold_for_all(fails, selectors):
    """The fewest selectors that take in the failing cases and no other."""
    change, _ = proposal_for(entry(), lambda *place: WRONG if fails(*place) else PASSED)
    given = [
        known.model_dump(include={"exporter", "opset", "provider"}, exclude_none=True)
        for known in change.add
    ]
    assert given == selectors


def test_an_export_failure_is_never_tied_to_a_provider():
    """The other provider is absent: that says nothing about the export."""
    absent = (Verdict.NOT_RUN, Stage.SESSION, "no cuda")
    change, _ = proposal_for(entry(), lambda *place: NO_OP if place[2] == "cpu" else absent)
    assert [known.provider for known in change.add] == [None]


def test_two_failures_are_told_apart():
    """Each opset fails in its own way: two expectations, each of its own opset."""
    change, _ = proposal_for(entry(), lambda _, opset, __: NO_OP if opset == 17 else WRONG)
    assert [(known.stage, known.opset) for known in change.add] == [("export", 17), ("parity", 18)]


def test_an_unexpected_pass_ends_its_expectation_only():
    """The other expectation of the entry was met and stays."""
    of = entry(
        {"stage": "export", "reason": "gone", "exporter": "dynamo"},
        {"stage": "parity", "reason": "known", "exporter": "torchscript"},
    )
    gone = (Verdict.UNEXPECTED_PASS, Stage.CHECK, "works now")
    known = (Verdict.EXPECTED_FAIL, Stage.PARITY, "known", "error")
    change, left = proposal_for(of, lambda exporter, *_: gone if exporter == "dynamo" else known)
    assert (change.remove, change.narrow, change.add, left) == (frozenset({0}), {}, (), ())


def test_what_holds_for_some_cases_is_narrowed_to_them():
    """Opset 18 works now, opset 17 does not."""
    of = entry({"stage": "export", "reason": "known", "exporter": "dynamo"})
    known = (Verdict.EXPECTED_FAIL, Stage.EXPORT, "known", "no operator")
    gone = (Verdict.UNEXPECTED_PASS, Stage.CHECK, "works now")

    def outcome(exporter, opset, _):
        if exporter != "dynamo":
            return PASSED
        return known if opset == 17 else gone

    change, left = proposal_for(of, outcome)
    assert (change.remove, change.narrow, change.add) == (frozenset(), {0: {"opset": 17}}, ())
    assert left == ()


def test_what_no_selector_can_tell_apart_is_left_to_a_person():
    """It holds for two corners of a square and not for the others."""
    of = entry({"stage": "parity", "reason": "known"})
    known = (Verdict.EXPECTED_FAIL, Stage.PARITY, "known", "error")
    gone = (Verdict.UNEXPECTED_PASS, Stage.PARITY, "works now")

    def outcome(exporter, opset, _):
        return known if (exporter == "dynamo") == (opset == 17) else gone

    change, ((model, note),) = proposal_for(of, outcome)
    assert change is None
    assert model == "cnn"
    assert note.startswith("expect[0] (known) no longer holds for dynamo-op18-cpu, dynamo-op18-")


def test_another_failure_takes_the_place_of_the_expected_one():
    """The old expectation goes, as the case cannot fail twice."""
    of = entry({"stage": "parity", "reason": "known"})
    reason = f"{NO_OP[2]} (the zoo expects a failure at parity)"
    change, _ = proposal_for(of, lambda *_: (Verdict.FAIL, Stage.EXPORT, reason))
    assert change.remove == {0}
    assert [known.match for known in change.add] == ["ExportError: no operator Lgamma in opset"]
    assert "expects" not in change.add[0].reason


def test_what_was_not_run_is_left_as_it_is():
    """A part of the zoo, or an absent provider, ends no expectation of the rest."""
    of = entry({"stage": "parity", "reason": "known"})
    assert proposal_for(of, lambda *_: None) == (None, ())
    gone = (Verdict.UNEXPECTED_PASS, Stage.PARITY, "works now")
    change, _ = proposal_for(of, lambda *place: gone if place[2] == "cpu" else None)
    assert (change.remove, change.narrow) == (frozenset(), {0: {"provider": "cuda"}})


@pytest.mark.parametrize(
    ("outcome", "note"),
    [
        ((Verdict.VACUOUS, Stage.PARITY, "constant"), "vacuous at parity, which is never expected"),
        ((Verdict.INFRA_ERROR, Stage.LOAD, "disk full"), "infra-error at load, which is never"),
        ((Verdict.FAIL, Stage.LOAD, "no torch (--zoo-require)"), "did not run: no torch"),
        (
            (
                Verdict.FAIL,
                Stage.PARITY,
                "output 'y': error (known: old; but it expired: fix it or renew 'expires')",
            ),
            "still fails at parity: output 'y': error (known: old; but it expired",
        ),
    ],
)
def test_what_is_no_failure_of_the_model_is_only_listed(outcome, note):
    """Vacuous, infra errors, what is not installed, what has expired: a person decides."""
    of = entry(
        {"stage": "parity", "reason": "old", "expires": "2026-01-01"}, exporters=["dynamo"],
        opsets=[18], providers=["cpu"],
    )  # fmt: skip
    change, ((case, found),) = proposal_for(of, lambda *_: outcome)
    assert change is None
    assert case == "pytorch/cnn@dynamo-op18-fp32-cpu"
    assert found.startswith(note)


def test_a_failing_case_that_the_zoo_lacks_is_listed():
    """The run was of another zoo, or the entry was renamed."""
    proposal = propose([], rows_of(entry(providers=["cpu"]), lambda *_: WRONG), RUN)
    assert len(proposal.left) == 4
    assert all(note == "fail, but these zoo files have no such case" for _, note in proposal.left)


def test_a_failure_that_the_zoo_has_learned_of_since_is_not_added_again():
    """Updating twice from one run changes nothing the second time."""
    of = entry()
    change, _ = proposal_for(of, lambda *_: NO_OP)
    learned = of.model_copy(update={"expect": change.applied_to(of.expect)})
    assert proposal_for(learned, lambda *_: NO_OP) == (None, ())


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("output 'logits': error 1.3e-3 at [0, 7] is 13x its limit", "output 'logits': error"),
        ("RuntimeError: /tmp/x-3f2a/model.onnx: the file is broken", "the file is broken"),
        (
            "MissingShapeCalculator: no converter for <class 'sklearn.cluster.Birch'> at 0x7f3a11",
            "MissingShapeCalculator: no converter for <class",
        ),
        (
            "output 'conv_1' has dtype int64, not float32",
            "output 'conv_1' has dtype int64, not float32",
        ),
        ("took 12.5 s", None),
        ("killed by signal 11 (SIGSEGV)", "killed by signal"),
        ("NotImplementedError", "NotImplementedError"),
        ("the axis 'batch\x1b[31m' is static in the model", "the axis 'batch"),
    ],
)
def test_the_words_by_which_a_failure_is_known_again(reason, expected):
    """No numbers, paths or addresses; short; and found in the reason they are from."""
    assert signature(reason) == expected


def test_a_match_finds_the_failure_again_with_other_figures():
    """Special characters are escaped, and the next run's numbers do not matter."""
    odd = "output 'a.b[0]' (of 3): error 1.5e-3"
    change, _ = proposal_for(entry(), lambda *_: (Verdict.FAIL, Stage.PARITY, odd))
    (known,) = change.add
    assert re.search(known.match, "output 'a.b[0]' (of 4): error 9e9")
    assert not re.search(known.match, "output 'axb[0]' (of 3): error 1.5e-3")
