from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from variant_cases import case_of, make_variant, proven

from conformance.bundle import MODEL, read_bundle
from conformance.errors import NothingChanged, ProviderAbsent, VariantError
from conformance.judging import parity_failure
from conformance.model import Verdict
from conformance.replay.engine import replay_bundle
from conformance.variants.derive import MAKERS
from conformance.variants.files import load, save


@pytest.fixture
def lie(monkeypatch):
    """Put a liar in the place of a variant's tool."""

    def install(variant, change):
        def liar(base, out):
            model = load(base.model)
            save(change(model) or model, out)
            return "a lie"

        monkeypatch.setitem(MAKERS, variant, liar)

    return install


@pytest.mark.parametrize(
    ("variant", "own"),
    [
        ("fp16", {"MatMul": 2}),
        ("int8-dynamic", {"MatMulInteger": 2}),
        ("int8-static", {"MatMul": 2}),
        ("int4", {"MatMulNBits": 2}),
    ],
)
def test_lossy_variants_keep_their_budgets(base, tmp_path, variant, own):
    """Each computes in its own way, is smaller, and is held to SNR and agreement at once."""
    bundle = read_bundle(make_variant(variant, base, tmp_path / "made"))
    derivation = bundle.manifest.derivation
    assert own.items() <= derivation.own_nodes.items()
    assert bundle.manifest.size_bytes < 0.7 * derivation.base_size_bytes
    assert derivation.speedups["cpu"].value > 0
    report = proven(bundle.path)
    assert parity_failure(report) is None
    logits, label = report.outputs
    assert (logits.rule, label.rule) == ("budget", "budget")
    assert 0 < logits.ratio < 1
    assert {decision.kind for decision in report.decisions} == {"label", "top-5"}
    assert {probe.outcome for probe in report.generalization.probes} == {"works"}


@pytest.mark.parametrize("variant", ["optimized-onnxscript", "optimized-ort"])
def test_optimized_variants_are_held_to_the_tolerance(base, tmp_path, variant):
    """They may cost nothing: the limit is the source's own rounding noise, as for the base."""
    made = make_variant(variant, base, tmp_path / "made")
    report = proven(made)
    assert parity_failure(report) is None
    assert [output.rule for output in report.outputs] == ["fp64-referenced", "exact"]


def test_onnxslim_is_held_to_the_tolerance(base, tmp_path):
    """The third optimizer, where it is installed, leaves every answer what it was."""
    made = make_variant("optimized-onnxslim", base, tmp_path / "made")
    assert read_bundle(made).manifest.nodes < read_bundle(base).manifest.nodes
    assert parity_failure(proven(made)) is None


def test_a_variant_is_compared_with_the_source_and_not_with_its_base(base, tmp_path):
    """Its bundle holds the base's data, references and probes, file by file."""
    made = read_bundle(make_variant("fp16", base, tmp_path / "made"))
    files = read_bundle(base).manifest.files
    data = {name: digest for name, digest in files.items() if not name.startswith(MODEL)}
    assert data.items() <= made.manifest.files.items()
    assert any(name.startswith("reference_fp64/") for name in data)


def test_bfloat16_is_not_run_where_there_are_no_kernels(base, tmp_path):
    """The model is made, and the provider's lack is no failure of it."""
    made = make_variant("bf16", base, tmp_path / "made")
    assert read_bundle(made).manifest.derivation.own_nodes["MatMul"] == 2
    with pytest.raises(ProviderAbsent, match="CPUExecutionProvider here cannot compute in bf16"):
        proven(made)


def test_a_lossy_variant_that_changes_nothing_is_vacuous(base, tmp_path, lie):
    """A quantizer that wrote the model that it was given has proven the base once more."""
    for variant, said in (("int8-dynamic", "nothing was quantized"), ("fp16", "nothing was low")):
        lie(variant, lambda model: None)
        with pytest.raises(NothingChanged, match=said) as caught:
            make_variant(variant, base, tmp_path / variant)
        assert caught.value.verdict is Verdict.VACUOUS
        assert not (tmp_path / variant / "bundle.json").exists()


def test_a_quantizer_that_zeroes_the_weights_fails(base, tmp_path, monkeypatch):
    """Integers they are, and nothing is left of what they were."""
    honest = MAKERS["int8-dynamic"]

    def zeroing(given, out):
        how = honest(given, out)
        model = load(out)
        from onnx import numpy_helper

        for tensor in model.graph.initializer:
            if tensor.name.endswith("_quantized"):
                array = numpy_helper.to_array(tensor)
                tensor.CopyFrom(numpy_helper.from_array(np.zeros_like(array), tensor.name))
        save(model, out)
        return how

    monkeypatch.setitem(MAKERS, "int8-dynamic", zeroing)
    report = proven(make_variant("int8-dynamic", base, tmp_path / "made"))
    failure = parity_failure(report)
    assert failure.verdict is Verdict.FAIL
    assert "the budget asks for 20 dB" in failure.reason


def test_an_optimizer_that_loses_a_little_fails(base, tmp_path, lie):
    """What a quantizer may lose, an optimizer may not."""

    def nudged(model):
        from onnx import numpy_helper

        tensor = model.graph.initializer[0]
        array = numpy_helper.to_array(tensor) * np.float32(1.001)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))

    lie("optimized-ort", nudged)
    failure = parity_failure(proven(make_variant("optimized-ort", base, tmp_path / "made")))
    assert failure.verdict is Verdict.FAIL


def test_a_tool_that_drops_an_output_fails(base, tmp_path, lie):
    """Without its label it is no longer the model that was converted."""

    def without_label(model):
        del model.graph.output[1:]

    lie("optimized-ort", without_label)
    with pytest.raises(VariantError, match=r"outputs are \['logits'\]"):
        make_variant("optimized-ort", base, tmp_path / "made")


def test_a_tool_that_fixes_the_batch_fails(base, tmp_path, lie):
    """A dynamic axis that became static is told where it happened."""

    def fixed(model):
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 16

    lie("optimized-ort", fixed)
    with pytest.raises(VariantError, match="was to be dynamic"):
        make_variant("optimized-ort", base, tmp_path / "made")


def test_a_tool_that_raises_or_writes_nothing_is_told_with_its_words(base, tmp_path, monkeypatch):
    """The stage is the variant's own, not the export's."""

    def crashes(given, out):
        raise RuntimeError("no kernel for this\nand a trace")

    for number, (tool, said) in enumerate(
        [
            (crashes, "making int4 failed: RuntimeError: no kernel for this"),
            (lambda given, out: "nothing", "ended without writing a model"),
        ]
    ):
        monkeypatch.setitem(MAKERS, "int4", tool)
        with pytest.raises(VariantError, match=said) as caught:
            make_variant("int4", base, tmp_path / f"made-{number}")
        assert caught.value.stage == "optimize"


def test_an_entrys_budget_is_what_counts(base, tmp_path):
    """A stricter one fails what the default accepts, a laxer one the other way round."""
    made = make_variant("int4", base, tmp_path / "made")
    strict = {"int4": {"min_snr_db": 30, "reason": "as good as int8"}}
    failure = parity_failure(proven(made, variants=["int4"], budgets=strict))
    assert failure.verdict is Verdict.FAIL
    assert "the budget asks for 30 dB" in failure.reason
    agreeing = {"int4": {"min_agreement": 1.0, "reason": "labels are all that counts"}}
    failure = parity_failure(proven(made, variants=["int4"], budgets=agreeing))
    assert failure.verdict is Verdict.FAIL
    assert "the budget asks for 100 %" in failure.details


def test_a_replayed_variant_is_judged_by_its_budget(base, tmp_path):
    """The bundle knows its variant and its entry's budget; nothing else is needed."""
    made = make_variant("int8-static", base, tmp_path / "made")
    found = replay(made, tmp_path)
    assert (found["verdict"], found["parity"]["outputs"][0]["rule"]) == ("pass", "budget")
    strict = {"int8-static": {"min_snr_db": 90, "reason": "a test"}}
    case = case_of(variants=["fp32", "int8-static"], budgets=strict)
    found = replay(make_variant("int8-static", base, tmp_path / "strict", case), tmp_path)
    assert found["verdict"] == "fail"


def replay(folder, tmp_path):
    from conformance.execution.progress import Progress

    payload = {"folder": str(folder), "provider": "cpu"}
    return replay_bundle(payload, Progress(tmp_path / "progress.json", "replay"))


def test_a_damaged_base_is_the_variants_failure(base, tmp_path):
    """What was made of it could be anything."""
    damaged = tmp_path / "damaged"
    shutil.copytree(base, damaged)
    told = json.loads((damaged / "bundle.json").read_text())
    told["files"][MODEL]["sha256"] = "0" * 64
    (damaged / "bundle.json").write_text(json.dumps(told))
    with pytest.raises(VariantError, match="is damaged"):
        make_variant("fp16", damaged, tmp_path / "made")


_ALL = """
import sys
from pathlib import Path
from conformance.variants import BASE, VARIANTS, missing_for
from conformance.variants.derive import Base, derive
from conformance.bundle import read_bundle

bundle = read_bundle(Path(sys.argv[1]))
base = Base(bundle.model_path, [d.inputs for d in bundle.data_sets()], "bert")
for name in VARIANTS:
    if name != BASE and not missing_for(name):
        derive(name, base, Path(sys.argv[2]) / f"{name}.onnx")
heavy = {"torch", "tensorflow", "keras", "transformers", "sklearn", "skl2onnx", "tf2onnx"}
print(sorted(heavy & sys.modules.keys()))
"""


def test_no_framework_is_imported_for_a_variant(base, tmp_path):
    """None of the tools, of all variants that can be made here, loads one."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", _ALL, base, tmp_path],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert len(list(tmp_path.glob("*.onnx"))) >= 4
