"""Rows with every kind of evidence beyond figures, as real runs show them."""

from dataclasses import replace

from sample_report import DECLARED, EXPORT, LABEL, LOGITS, SLOW, TIMED, make_row

from conformance.evidence import (
    ComponentParity,
    DecisionParity,
    Derivation,
    Divergence,
    ErrorStep,
    Explanation,
    Generalization,
    Guilty,
    Mutant,
    MutantFate,
    MutationReport,
    OutputParity,
    PaddingCheck,
    ParityReport,
    Ratio,
    ReducedModel,
    ShapeOutcome,
    ShapeProbe,
)
from conformance.model import Stage, Verdict

FOLDER = "failures/pytorch+attention@dynamo-op18-fp32-cpu"

STEPS = (
    ErrorStep("source fp32", 1.6e-6),
    ErrorStep("ONNX in float64", 4.1e-15, 1.6e-6),
    ErrorStep("ONNX Runtime, optimizations off", 2.2e-6, 2.2e-6),
    ErrorStep("ONNX Runtime, optimizations on", 3.1e-3, 3.1e-3),
    ErrorStep("CUDAExecutionProvider", None, None, "this ONNX Runtime has no such provider"),
)
DIVERGENCE = Divergence(
    node="/encoder/layer.0/attention/Softmax",
    op_type="Softmax",
    output="/encoder/layer.0/attention/Softmax_output_0",
    position=13,
    nodes=87,
    between=("ONNX Runtime, optimizations off", "ONNX Runtime, optimizations on"),
    originates=True,
    error=2.9e-3,
    location="fixtures/attention.py:41",
)
EXPLANATION = Explanation(
    output="logits",
    limit=4.9e-6,
    steps=STEPS,
    guilty=Guilty.OPTIMIZATION,
    summary="graph optimization brings in 0.0031, 630x the limit 4.9e-06",
    divergence=DIVERGENCE,
    reduced=ReducedModel("reduced", 3, 2.9e-3),
    notes=("the reference evaluator was not run: it would take longer than 60 s",),
)

KILLED = Mutant("perturb weight", "fc.weight (Gemm)", MutantFate.KILLED, 812.0, "moves 'logits'")
EQUIVALENT = Mutant(
    "zero bias", "norm.bias (Add)", MutantFate.EQUIVALENT, 0.0, "the bias is zero already"
)
MISSED = Mutant(
    "flip attribute",
    "AveragePool_3 count_include_pad",
    MutantFate.MISSED,
    0.61,
    "moves 'logits' by 3e-06 where 4.9e-06 is accepted",
    "inputs whose border is not zero",
)
SHARP = MutationReport((*[KILLED] * 19, *[EQUIVALENT] * 3, MISSED), 2, seed=7, max_missed_rate=0.1)
PERFECT = MutationReport((KILLED,) * 20, 0, seed=7, max_missed_rate=0.1)
BLUNT = MutationReport((*[KILLED] * 2, *[MISSED] * 3), 0, seed=7, max_missed_rate=0.1)

SHAPES = Generalization(
    probes=(
        ShapeProbe("batch", 0, ShapeOutcome.REJECTS, detail="ONNX Runtime: zero dimension"),
        ShapeProbe("batch", 1, ShapeOutcome.WORKS, 0.31),
        ShapeProbe("batch", 4, ShapeOutcome.WORKS, 0.43),
        ShapeProbe("batch", 64, ShapeOutcome.WORKS, 0.52),
        ShapeProbe("sequence", 0, ShapeOutcome.SOURCE_REJECTS),
        ShapeProbe("sequence", 1, ShapeOutcome.WRONG_VALUES, 41.0, "'logits' is 41x its limit"),
        ShapeProbe("sequence", 11, ShapeOutcome.WORKS, 0.43),
        ShapeProbe("sequence", 128, ShapeOutcome.SILENTLY_STATIC, detail="answers shape (4, 11)"),
    ),
    padding=(
        PaddingCheck("attention_mask", "sequence", 6, 0.12),
        PaddingCheck("token_type_ids", "sequence", 0, skipped="the source depends on its padding"),
    ),
)
LABELS = DecisionParity("label", "logits", 12, 12)
TIES = DecisionParity("top-5", "logits", 10, 12, 2, 1.1e-7, "rows 3 and 9 of data set 1")
FLIP = DecisionParity(
    "label",
    "logits",
    11,
    12,
    0,
    0.21,
    "row 3 of data set 1: 7 by 0.21, the ONNX model says 2",
    "1 of 12 labels differs though the source decides by 0.21, more than the limit accepts",
)
SPLITS = DecisionParity("tree splits", "scores", 398, 400, 2, 0.5, "2 features lie on a split")

BY_DESIGN = replace(
    LOGITS, name="position_bias", constant="it depends on the length alone", noise_sets=8
)
ON_A_SPLIT = replace(DECLARED, set_aside=2)


def partly(model, asked, cpu, **changes):
    return make_row(
        model,
        provider="cuda",
        latency=replace(TIMED, provider="cuda"),
        placement={"CUDAExecutionProvider": asked, "CPUExecutionProvider": cpu},
        **changes,
    )


#: A variant that keeps to its budget, beside the model that it was made of.
QUANTIZED = replace(
    EXPORT,
    size_bytes=330_000,
    derivation=Derivation(
        how="onnxruntime 1.31.1's quantize_static (QDQ)",
        seconds=0.8,
        base_size_bytes=EXPORT.size_bytes,
        base_nodes=EXPORT.nodes,
        own_nodes={"Conv": 4, "MatMul": 2},
        kept_fp32={"Gather": 1},
        speedups={"cpu": Ratio(1.8, 1.7, 1.9, 9)},
        hardware="x86_64-8c1f09ab",
    ),
)
BUDGETED = ParityReport(
    (
        replace(LOGITS, rule="budget", ratio=0.1, limit=0.05, rmse=0.005, snr_db=40.0),
        OutputParity("label", "int64", (4,), "budget", None, limit=0.1, ratio=0.5),
    ),
    3,
)


def every_finding():
    return (
        make_row(
            "attention",
            verdict=Verdict.FAIL,
            stage=Stage.PARITY,
            latency=None,
            parity=ParityReport(
                (
                    replace(LOGITS, ratio=632.0, noise_ratio=1937.0, problem="632x its limit"),
                    BY_DESIGN,
                ),
                3,
                decisions=(FLIP, TIES),
            ),
            reason="output 'logits': error 0.0031 at [2, 7] of data set 1 is 632x its limit",
            explanation=EXPLANATION,
            failure_folder=FOLDER,
        ),
        make_row(
            "encoder",
            verdict=Verdict.FAIL,
            stage=Stage.PARITY,
            parity=ParityReport(
                (LOGITS, BY_DESIGN), 3, decisions=(LABELS, TIES), generalization=SHAPES
            ),
            mutation=SHARP,
            reason="axis 'sequence' at size 1: wrong values: 'logits' is 41x its limit",
        ),
        make_row(
            "pooling",
            verdict=Verdict.VACUOUS,
            stage=Stage.PARITY,
            mutation=BLUNT,
            reason="the check misses 3 of 5 wrong models, more than the 10 % declared",
        ),
        make_row("mlp", mutation=PERFECT, parity=ParityReport((LOGITS,), 3, decisions=(LABELS,))),
        partly("resnet18", 22, 14),
        partly("embedding-bag", 0, 41),
        make_row(
            "random-forest",
            "sklearn",
            exporter="skl2onnx",
            parity=ParityReport((LABEL, ON_A_SPLIT), 2, decisions=(SPLITS,)),
            latency=SLOW,
            task="classification",
        ),
        make_row(
            "quantized",
            variant="int8-static",
            export=QUANTIZED,
            parity=BUDGETED,
        ),
    )


def generator(problem=None):
    """A model in two components, exported by the second exporter that was tried."""
    prefill = ComponentParity("prefill", (replace(LOGITS, ratio=0.7, problem=problem),), 2)
    texts = DecisionParity(
        "generated texts", "logits", 5, 5, detail="5 of 5 prompts equal for 20 tokens"
    )
    row = make_row("gpt2")
    return replace(
        row,
        parity=ParityReport((LOGITS,), 2, decisions=(texts,), components=(prefill,)),
        export=replace(row.export, exported_by="torchscript", fallback="dynamo failed: no trace"),
    )
