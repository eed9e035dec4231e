from dataclasses import replace

import pytest
from run_values import CASE, EXPORTED, ROW, make_header, make_record, make_ref

from conformance.evidence import Explanation, MutationReport
from conformance.history import StoredRun, merge
from conformance.model import RunFooter, RunPlan, Stage, TestKind, Verdict

EXPORT, PARITY, LATENCY = TestKind


def run_of(planned, verdicts, *, status="finished", plan=True):
    """A stored run: the tests planned, and the verdicts of those that left a record."""
    refs = [make_ref(test) for test in planned]
    records = [
        make_record(ref, verdicts[ref.test], reason=f"{ref.test} says why")
        for ref in refs
        if ref.test in verdicts
    ]
    footer = RunFooter("2026-11-21T09:30:00+00:00", status, 0) if status != "died" else None
    return StoredRun(
        make_header("20261121T092349Z-3f2a"),
        RunPlan(tuple(refs)) if plan else None,
        tuple(records),
        footer,
        0,
    )


def only_row(run):
    (row,) = merge(run)
    return row


def test_all_passed_is_a_pass_with_all_figures():
    """A pass is at the last stage, explains nothing, and carries each test's figures."""
    row = only_row(run_of(TestKind, dict.fromkeys(TestKind, Verdict.PASS)))
    assert (row.id, row.provider) == (ROW, "cpu")
    assert (row.verdict, row.stage, row.reason) == (Verdict.PASS, Stage.LATENCY, None)
    assert row.export == EXPORTED
    assert row.parity.data_sets == 2
    assert row.latency.median_ns == 250_000
    assert row.duration_s == 4.5
    assert f"test_parity[{ROW}]" in row.repro


NOT_PASSES = [verdict for verdict in Verdict if verdict is not Verdict.PASS]


@pytest.mark.parametrize(
    ("decider", "verdict"),
    [
        (test, verdict)
        for test in TestKind
        for verdict in NOT_PASSES
        if (test, verdict) != (LATENCY, Verdict.NOT_RUN)  # decides nothing: tested below
    ],
)
def test_the_first_test_that_did_not_pass_decides(decider, verdict):
    """Verdict, reason and repro are those of the earliest test that is not a pass."""
    verdicts = dict.fromkeys(TestKind, Verdict.PASS) | {decider: verdict}
    for dependent in list(TestKind)[list(TestKind).index(decider) + 1 :]:
        verdicts[dependent] = Verdict.NOT_RUN
    row = only_row(run_of(TestKind, verdicts))
    assert (row.verdict, row.reason) == (verdict, f"{decider} says why")
    assert f"test_{decider}[" in row.repro
    assert (row.link is not None) == (verdict is Verdict.EXPECTED_FAIL)


def test_a_latency_that_was_not_run_does_not_demote_a_parity_pass():
    """Parity stands by itself; the row says why there is no latency."""
    verdicts = {EXPORT: Verdict.PASS, PARITY: Verdict.PASS, LATENCY: Verdict.NOT_RUN}
    row = only_row(run_of(TestKind, verdicts))
    assert (row.verdict, row.stage, row.latency) == (Verdict.PASS, Stage.PARITY, None)
    assert row.reason == "latency not run: latency says why"


def test_a_latency_alone_that_was_not_run_is_not_run():
    """Without a parity pass there is nothing that a missing latency could leave standing."""
    row = only_row(run_of([LATENCY], {LATENCY: Verdict.NOT_RUN}))
    assert (row.verdict, row.reason) == (Verdict.NOT_RUN, "latency says why")


@pytest.mark.parametrize("selected", [[EXPORT], [EXPORT, LATENCY], [LATENCY]])
def test_without_parity_nothing_passes(selected):
    """A pass needs a parity record that passed, whatever else passed."""
    row = only_row(run_of(selected, dict.fromkeys(selected, Verdict.PASS)))
    assert (row.verdict, row.reason) == (Verdict.NOT_RUN, "parity was not selected")
    assert row.stage is Stage.PARITY


def test_export_alone_is_one_row_of_the_case():
    """Where only the export was planned, the row is the case's and has no provider."""
    row = only_row(run_of([EXPORT], {EXPORT: Verdict.FAIL}))
    assert (row.id, row.provider, row.verdict) == (CASE, None, Verdict.FAIL)


def test_latency_that_was_not_selected_is_no_blemish():
    """Export and parity passed and nothing else was asked for: a pass at parity."""
    row = only_row(run_of([EXPORT, PARITY], {EXPORT: Verdict.PASS, PARITY: Verdict.PASS}))
    assert (row.verdict, row.stage, row.reason) == (Verdict.PASS, Stage.PARITY, None)


@pytest.mark.parametrize("missing", TestKind)
@pytest.mark.parametrize(
    ("status", "verdict", "reason"),
    [
        ("finished", Verdict.INFRA_ERROR, "no record of {}: the process that ran it died"),
        ("crashed", Verdict.INFRA_ERROR, "no record of {}: the process that ran it died"),
        ("died", Verdict.INFRA_ERROR, "no record of {}: the process that ran it died"),
        ("interrupted", Verdict.NOT_RUN, "interrupted before {}"),
    ],
)
def test_a_planned_test_without_record_never_passes(missing, status, verdict, reason):
    """A test that left no record is an infra error, or not run where people interrupted."""
    verdicts = {test: Verdict.PASS for test in TestKind if test is not missing}
    row = only_row(run_of(TestKind, verdicts, status=status))
    assert (row.verdict, row.reason) == (verdict, reason.format(missing))


def test_a_failed_export_explains_tests_without_record():
    """What failed first decides, also when the process died after it."""
    row = only_row(run_of(TestKind, {EXPORT: Verdict.FAIL}))
    assert (row.verdict, row.reason) == (Verdict.FAIL, "export says why")


def test_without_a_plan_the_records_make_the_rows():
    """A run that died before its plan was written still shows what it recorded."""
    row = only_row(run_of(TestKind, dict.fromkeys(TestKind, Verdict.PASS), plan=False))
    assert row.verdict is Verdict.PASS


def test_each_provider_is_a_row_that_shares_the_export():
    """Two providers give two rows in plan order; the export's failure is on both."""
    refs = [make_ref(EXPORT), make_ref(PARITY, "cuda"), make_ref(PARITY, "cpu")]
    run = StoredRun(
        make_header("20261121T092349Z-3f2a"),
        RunPlan(tuple(refs)),
        (make_record(refs[0], Verdict.FAIL, reason="no such operator"),),
        None,
        0,
    )
    rows = merge(run)
    assert [row.id for row in rows] == [f"{CASE}-cuda", f"{CASE}-cpu"]
    assert {(row.verdict, row.reason) for row in rows} == {(Verdict.FAIL, "no such operator")}


def test_a_repeated_test_counts_by_its_last_record():
    """Where a test was run again, the row is what the last attempt found."""
    run = run_of([EXPORT, PARITY], {EXPORT: Verdict.PASS, PARITY: Verdict.INFRA_ERROR})
    again = make_record(make_ref(PARITY))
    row = only_row(StoredRun(run.header, run.plan, (*run.records, again), run.footer, 0))
    assert row.verdict is Verdict.PASS


MUTATION = MutationReport((), 0, seed=7, max_missed_rate=0.1)


def test_evidence_of_a_passing_case_is_that_of_its_parity():
    """Sensitivity and an explanation that was asked for are on the row of a pass."""
    explanation = Explanation("logits", 1e-6, (), None, "no step exceeds the limit")
    run = run_of(TestKind, dict.fromkeys(TestKind, Verdict.PASS))
    export, parity, latency = run.records
    parity = replace(parity, mutation=MUTATION, explanation=explanation)
    row = only_row(replace(run, records=(export, parity, latency)))
    assert (row.mutation, row.explanation, row.failure_folder) == (MUTATION, explanation, None)


@pytest.mark.parametrize("decider", [PARITY, LATENCY])
def test_what_explains_a_failure_is_about_the_failure_that_is_shown(decider):
    """Where several tests left a folder and an explanation, the deciding test's are taken."""
    run = run_of(TestKind, dict.fromkeys(TestKind, Verdict.PASS) | {decider: Verdict.FAIL})
    records = tuple(
        replace(
            record,
            explanation=Explanation("logits", 1e-6, (), None, str(record.ref.test)),
            failure_folder=f"failures/{record.ref.test}",
        )
        for record in run.records
    )
    row = only_row(replace(run, records=records))
    assert row.explanation.summary == decider
    assert row.failure_folder == f"failures/{decider}"
