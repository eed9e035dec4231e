"""Plain values of a run, for tests to write and merge."""

from conformance.evidence import ExportResult, LatencyResult, OutputParity, ParityReport
from conformance.model import Record, RunHeader, Stage, TestKind, TestRef, Verdict

CASE = "pytorch/cnn@dynamo-op18-fp32"
ROW = f"{CASE}-cpu"
PASSED_AT = {
    TestKind.EXPORT: Stage.CHECK,
    TestKind.PARITY: Stage.PARITY,
    TestKind.LATENCY: Stage.LATENCY,
}
EXPORTED = ExportResult(4.25, 120_000, 17, cached=False, peak_rss_bytes=None, fp64_unavailable=None)


def make_ref(test: TestKind, provider: str = "cpu", model: str = "cnn") -> TestRef:
    case = f"pytorch/{model}@dynamo-op18-fp32"
    identity = case if test is TestKind.EXPORT else f"{case}-{provider}"
    return TestRef(
        test=test,
        id=identity,
        case=case,
        model=model,
        framework="pytorch",
        task="image-classification",
        tags=("vision",),
        exporter="dynamo",
        opset=18,
        variant="fp32",
        provider=None if test is TestKind.EXPORT else provider,
        repro=f"pytest --zoo zoo.yaml 'zoo.yaml::test_{test}[{identity}]'",
    )


def make_record(
    ref: TestRef,
    verdict: Verdict = Verdict.PASS,
    *,
    reason: str | None = None,
    stage: Stage | None = None,
    median_ns: int = 250_000,
) -> Record:
    parity = latency = None
    if ref.test is not TestKind.EXPORT:
        output = OutputParity("logits", "float32", (4, 10), "fp64-referenced", None, ratio=0.4)
        parity = ParityReport((output,), 2)
    if ref.test is TestKind.LATENCY and verdict is Verdict.PASS:
        latency = LatencyResult("cpu", median_ns, 300_000, 9_000_000, 400_000, 50, 1, 500_000)
    return Record(
        ref=ref,
        verdict=verdict,
        stage=stage or PASSED_AT[ref.test],
        reason=reason,
        started="2026-11-21T09:23:50.000+00:00",
        duration_s=1.5,
        export=EXPORTED,
        parity=parity,
        latency=latency,
        link="https://example.org/1" if verdict is Verdict.EXPECTED_FAIL else None,
    )


def make_header(run_id: str, **changes: object) -> RunHeader:
    fields = {
        "id": run_id,
        "started": "2026-11-21T09:23:49+00:00",
        "commit": None,
        "machine": {"cores": 2},
        "versions": {"onnx": "1.23.2"},
        "seed": 0,
        "zoos": ("zoo.yaml",),
        "command": "pytest --zoo zoo.yaml",
        "zoo_cases": (ROW,),
    }
    return RunHeader(**(fields | changes))
