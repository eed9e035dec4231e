"""A report with a row for every verdict and figures like those of a real run."""

from dataclasses import replace

from conformance.evidence import ExportResult, LatencyResult, OutputParity, ParityReport, Worst
from conformance.model import (
    CaseResult,
    RunFooter,
    RunHeader,
    RunReport,
    Stage,
    TrendPoint,
    Verdict,
)

HOSTILE = "</script><img src=x onerror=alert(1)>\x1b[2J\x07[red]{{ 7*7 }}\u202e"

LOGITS = OutputParity(
    name="logits",
    dtype="float32",
    shape=(4, 10),
    rule="fp64-referenced",
    rule_reason=None,
    max_abs=2.1e-6,
    max_rel=3.4e-5,
    rmse=4.2e-7,
    cosine=0.9999999,
    snr_db=124.6,
    ulp_p50=1.0,
    ulp_p99=9.0,
    ulp_max=40.0,
    argmax_agreement=1.0,
    noise=1.6e-6,
    limit=4.9e-6,
    ratio=0.43,
    noise_ratio=1.3125,
    worst=Worst((2, 7), 4.17352, 4.173522, 1),
)
LABEL = OutputParity(
    "label", "int64", (4,), rule="exact", rule_reason=None, max_abs=0.0, limit=0.0, ratio=0.0
)
DECLARED = OutputParity(
    name="scores",
    dtype="float32",
    shape=(8, 3),
    rule="declared",
    rule_reason="tree ensembles compare thresholds in float32",
    max_abs=4e-6,
    rmse=1e-6,
    limit=1e-5,
    ratio=0.4,
    worst=Worst((0, 1), 0.25, 0.250004, 0),
)
FLIPPED = OutputParity(
    name="label",
    dtype="int64",
    shape=(4,),
    rule="exact",
    rule_reason=None,
    max_abs=3.0,
    limit=0.0,
    worst=Worst((3,), 2, 5, 0),
    problem="1 of 8 elements differ, the first at [3] of data set 0: expected 2, actual 5",
)
CONSTANT = replace(LOGITS, name="probabilities", vacuous="it is the same on every input set")
EXPORT = ExportResult(4.31, 1_240_000, 87, False, 1_480_000_000, None)
TIMED = LatencyResult("cpu", 1_230_000, 1_610_000, 18_400_000, 2_050_000, 200, 1, 2_830_000)
SLOW = replace(TIMED, median_ns=18_400, p95_ns=21_000, source_median_ns=14_200)


def make_row(model="cnn", framework="pytorch", **changes):
    exporter = changes.get("exporter", "dynamo")
    key = f"{framework}/{model}@{exporter}-op18-fp32"
    provider = changes.get("provider", "cpu")
    identity = key if provider is None else f"{key}-{provider}"
    fields = {
        "id": identity,
        "model": model,
        "framework": framework,
        "task": "image-classification",
        "tags": ("vision", "digits"),
        "exporter": exporter,
        "opset": 18,
        "variant": "fp32",
        "provider": provider,
        "stage": Stage.LATENCY,
        "verdict": Verdict.PASS,
        "reason": None,
        "link": None,
        "details": None,
        "export": EXPORT,
        "parity": ParityReport((LOGITS,), 3),
        "latency": TIMED,
        "placement": {"CPUExecutionProvider": 87},
        "repro": f"pytest --zoo model_zoo.yaml 'model_zoo.yaml::test_parity[{identity}]'",
        "duration_s": 6.84,
    }
    return CaseResult(**(fields | changes))


def make_unmeasured(verdict, stage, reason, **changes):
    nothing = {"export": None, "parity": None, "latency": None, "placement": None}
    return make_row(verdict=verdict, stage=stage, reason=reason, **(nothing | changes))


def every_verdict():
    trace = 'Traceback (most recent call last):\n  File "a.py", line 3\nRuntimeError: aten::foo'
    return (
        make_row("cnn"),
        make_row("cnn", exporter="torchscript", latency=SLOW),
        make_row(
            "lstm",
            latency=None,
            verdict=Verdict.FAIL,
            stage=Stage.PARITY,
            parity=ParityReport((replace(LOGITS, ratio=4.2, problem="4.2x its limit"), FLIPPED), 3),
            reason="output 'logits': error 2.1e-05 at [2, 7] of data set 1 is 4.2x its limit "
            "4.9e-06: expected 4.17352, actual 4.17354 (and 1 more)",
            details=trace,
        ),
        make_unmeasured(
            Verdict.EXPECTED_FAIL,
            Stage.EXPORT,
            "torchscript cannot export aten::foo",
            model="control-flow",
            link="https://github.com/pytorch/pytorch/issues/1",
            details=trace,
        ),
        make_row(
            "attention",
            verdict=Verdict.UNEXPECTED_PASS,
            stage=Stage.CHECK,
            reason="was expected to fail at export (no such operator); it works now: "
            "remove 'expect' from the entry",
        ),
        make_row(
            "random-forest",
            "sklearn",
            exporter="skl2onnx",
            parity=ParityReport((LABEL, DECLARED), 2),
            latency=SLOW,
            task="classification",
        ),
        make_row(
            "mobilenet-v2",
            "tensorflow",
            exporter="tf2onnx",
            verdict=Verdict.VACUOUS,
            stage=Stage.PARITY,
            parity=ParityReport((CONSTANT,), 3),
            latency=None,
            reason="output 'probabilities': it is the same on every input set",
        ),
        make_unmeasured(
            Verdict.INFRA_ERROR,
            Stage.EXPORT,
            "no record of export: the process that ran it died",
            model="resnet50",
            framework="tensorflow",
            exporter="tf2onnx",
        ),
        make_unmeasured(
            Verdict.NOT_RUN,
            Stage.SESSION,
            "this ONNX Runtime has no CUDAExecutionProvider",
            model="bert-tiny",
            framework="transformers",
            provider="cuda",
        ),
        make_row("bert-tiny", "transformers", task="fill-mask"),
    )


def trend_of(row, count):
    """``count`` runs: the row's verdict now, passes and a failure before."""
    points = []
    for number in range(count):
        past = Verdict.FAIL if number == 3 else Verdict.PASS
        points.append(
            TrendPoint(
                run=f"202611{number + 1:02}T092349Z-3f2a",
                started=f"2026-11-{number + 1:02}T09:23:49+00:00",
                verdict=row.verdict if number == count - 1 else past,
                parity_ratio=0.4,
                median_ns=1_200_000 + 37_000 * (number * number % 7) if row.latency else None,
                size_bytes=1_240_000,
                export_seconds=4.3,
            )
        )
    return tuple(points)


def make_report(cases=None, *, status="finished", vanished=(), runs=12, gate=None):
    cases = every_verdict() if cases is None else tuple(cases)
    header = RunHeader(
        id="20261121T092349Z-3f2a",
        started="2026-11-21T09:23:49+00:00",
        commit="3f2a9c1be0d44b5f8c0f7f0b4b1f3d7c2a9e8d10-dirty",
        machine={
            "cpu": "AMD EPYC 7763",
            "architecture": "x86_64",
            "cores": 2,
            "memory_bytes": 8_326_000_000,
            "system": "Linux 6.1",
            "python": "3.11.7",
        },
        versions={"onnx": "1.23.2", "onnxruntime": "1.31.1", "torch": "2.13.0"},
        seed=0,
        zoos=("model_zoo.yaml",),
        command="pytest --zoo model_zoo.yaml -n auto",
        zoo_cases=tuple(row.id for row in cases),
    )
    return RunReport(
        header=header,
        footer=RunFooter("2026-11-21T09:41:02+00:00", status, 1, gate)
        if status != "crashed"
        else None,
        cases=cases,
        trends={row.id: trend_of(row, runs) for row in cases},
        vanished=tuple(vanished),
    )
