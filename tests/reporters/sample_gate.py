"""What the gate may say of a run: everything at once."""

from datetime import date

from conformance.gate_result import (
    Acceptance,
    GateFinding,
    GateResult,
    NotJudged,
    Rule,
    RuleCheck,
)

CASE = "pytorch/cnn@dynamo-op18-fp32-cpu"
SLOWER = "latency 1.12x [1.09, 1.15] of run 20261120T000000Z-0000, limit 1.05x"
STOPPED = GateResult(
    passed=False,
    baseline="20261120T000000Z-0000",
    checks=(
        RuleCheck(Rule.JUDGED, "at least one", 3, 3),
        RuleCheck(Rule.LATENCY, "of each entry", 1, 3, (NotJudged("contended", ("a", "b")),)),
        RuleCheck(Rule.SIZE, "1.05x", 0, 3, (NotJudged("not in the baseline", ("a", "b", CASE)),)),
    ),
    findings=(
        GateFinding(Rule.LATENCY, CASE, "cnn", SLOWER),
        GateFinding(Rule.COVERAGE, None, None, "1 of 3 cases pass (33.3%), limit 90%"),
        GateFinding(
            Rule.MEMORY, CASE, "cnn", "more", Acceptance("a wider head", date(2027, 1, 31))
        ),
    ),
    warnings=("gate.accepted[1] (size of lstm): there is nothing to accept any more; remove it",),
)
PASSED = GateResult(True, None, (RuleCheck(Rule.JUDGED, "at least one", 3, 3),), ())
