from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from variant_cases import ADAPTER, TASK
from zoo_cases import HERE, located, ref

from conformance.bundle import read_bundle
from conformance.cache import variant_key
from conformance.engine import Engine
from conformance.execution.child import children
from conformance.model import Stage, TestKind, Verdict
from conformance.tasks import Settings
from conformance.variants import VARIANTS

LOSSY = located(ADAPTER, "int8-dynamic", task=TASK)


@pytest.fixture
def make_engine(tmp_path):
    engines = []

    def make(**more):
        settings = Settings(
            cache_dir=tmp_path / "cache",
            workdir=tmp_path / f"work-{len(engines)}",
            progress=tmp_path / "progress.json",
            offline=False,
            require=False,
            failures_dir=tmp_path / "failures",
            seed=0,
            machine_lock=tmp_path / "machine.lock",
            **more,
        )
        engines.append(Engine(settings, children({"PYTHONPATH": os.fspath(HERE)}), {}))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


def test_a_variant_is_three_tests_and_its_base_is_converted_once(make_engine):
    """Without the base's own tests too; the next run finds the variant in the cache."""
    engine = make_engine(mutants=3)
    records = [engine.run(LOSSY, ref(LOSSY, test)) for test in TestKind]
    assert [record.verdict for record in records] == [Verdict.PASS] * 3
    assert [record.stage for record in records] == ["optimize", "parity", "latency"]
    assert records[0].export.derivation.own_nodes == {"MatMulInteger": 2}
    assert records[0].export.derivation.hardware
    assert records[1].parity.outputs[0].rule == "budget"
    # of wrong layers, not of small mistakes: those are the base's to find
    mutants = records[1].mutation.mutants
    assert len(mutants) == 3
    assert {mutant.operator for mutant in mutants} <= {"shuffle weight", "flatten weight"}
    assert {str(mutant.fate) for mutant in mutants} == {"killed"}
    base = located(ADAPTER, task=TASK)
    found = engine.run(base, ref(base, TestKind.EXPORT))
    assert found.export.bundle == records[0].export.derivation.base_bundle
    assert make_engine().run(LOSSY, ref(LOSSY, TestKind.EXPORT)).export.cached


def test_a_budget_that_lets_wrong_layers_pass_is_vacuous(make_engine):
    """Of eight layers that are added up, each may be another model's: 5 dB do not notice."""
    adapter, variants = "miniature_variants:Summed", ["int8-dynamic"]
    wide = {"int8-dynamic": {"min_snr_db": 5, "reason": "a liar's"}}
    engine = make_engine(mutants=8)
    case = located(adapter, "int8-dynamic", variants=variants, budgets=wide)
    record = engine.run(case, ref(case, TestKind.PARITY))
    assert record.verdict is Verdict.VACUOUS
    assert record.mutation.score == "kills 0/8"
    assert "misses 8 of 8 wrong models" in record.reason
    assert "of its limit" in record.mutation.mutants[0].detail
    # nothing but the budget was to blame
    kept = located(adapter, "int8-dynamic", variants=variants)
    record = make_engine(mutants=8).run(kept, ref(kept, TestKind.PARITY))
    assert (record.verdict, record.mutation.score) == (Verdict.PASS, "kills 8/8")


def test_a_base_that_cannot_be_converted_fails_once(make_engine):
    """Its variants point at it; where it was not selected, the first of them tells."""
    engine = make_engine()
    base, fp16, int8 = (located("Raises", name) for name in ("fp32", "fp16", "int8-static"))
    told = engine.run(fp16, ref(fp16, TestKind.EXPORT))
    assert (told.verdict, told.stage) == (Verdict.FAIL, Stage.EXPORT)
    pointing = engine.run(int8, ref(int8, TestKind.EXPORT))
    assert pointing.verdict is Verdict.NOT_RUN
    assert f"export of {base.case.key} is fail" in pointing.reason
    assert engine.run(base, ref(base, TestKind.EXPORT)).verdict is Verdict.FAIL


def test_a_variant_of_a_model_with_nothing_to_quantize_is_vacuous(make_engine):
    """The base is right and passes; its variant is told at its own stage."""
    engine = make_engine()
    base = located("miniature_variants:Scaled")
    assert engine.run(base, ref(base, TestKind.PARITY)).verdict is Verdict.PASS
    quantized = located("miniature_variants:Scaled", "int8-static")
    record = engine.run(quantized, ref(quantized, TestKind.EXPORT))
    assert (record.verdict, record.stage) == (Verdict.VACUOUS, Stage.OPTIMIZE)
    assert record.reason.startswith("nothing was quantized")


def test_a_tool_that_is_not_installed_is_named(make_engine, monkeypatch):
    """Not-run, with what to install; nothing is converted for it."""
    absent = replace(VARIANTS["fp16"], distributions=("no-such-distribution",))
    monkeypatch.setitem(VARIANTS, "fp16", absent)
    case = located(ADAPTER, "fp16", task=TASK)
    record = make_engine().run(case, ref(case, TestKind.EXPORT))
    assert (record.verdict, record.stage) == (Verdict.NOT_RUN, Stage.OPTIMIZE)
    assert record.reason == ("no-such-distribution not installed: pip install no-such-distribution")


def test_a_known_failure_may_concern_one_variant_alone(make_engine):
    """The base passes and the variant fails as expected, each held against its own."""
    budgets = {"int8-dynamic": {"min_snr_db": 90, "reason": "cannot be kept"}}
    expect = {"stage": "parity", "reason": "too coarse", "variant": "int8-dynamic"}
    engine = make_engine()
    verdicts = []
    for variant in ("fp32", "int8-dynamic"):
        case = located(
            ADAPTER,
            variant,
            variants=["fp32", "int8-dynamic"],
            task=TASK,
            budgets=budgets,
            expect=expect,
        )
        verdicts.append(engine.run(case, ref(case, TestKind.PARITY)).verdict)
    assert verdicts == [Verdict.PASS, Verdict.EXPECTED_FAIL]


def test_the_key_of_a_variant_holds_what_decides_it(monkeypatch):
    """Base, variant, parameters and hardware, the last only where it makes a difference."""
    int8, slim = VARIANTS["int8-dynamic"], VARIANTS["optimized-ort"]

    def key(base, digest, variant):
        return variant_key(base, digest, variant, LOSSY.case.entry, LOSSY.zoo_dir)

    keys = [
        key("a", "b", int8),
        key("c", "b", int8),
        key("a", "d", int8),
        key("a", "b", VARIANTS["int8-static"]),
        key("a", "b", replace(int8, parameters={"block_size": 16})),
        key("a", "b", replace(int8, distributions=("pytest",))),
        key("a", "b", slim),
    ]
    monkeypatch.setattr("conformance.cache.key.hardware_class", lambda: "another-cpu")
    keys.append(key("a", "b", int8))
    assert len(set(keys)) == len(keys)
    assert key("a", "b", slim) == keys[6]


def test_a_lossy_failure_without_its_base_says_what_was_not_checked(make_engine, tmp_path):
    """The cache has lost the base: why there is no explanation stands in its place."""
    budgets = {"int8-dynamic": {"min_snr_db": 90, "reason": "cannot be kept"}}
    case = located(ADAPTER, "int8-dynamic", variants=["int8-dynamic"], task=TASK, budgets=budgets)
    made = make_engine().run(case, ref(case, TestKind.EXPORT)).export
    base = made.derivation.base_bundle
    engine = make_engine()
    engine.adopt(
        case.case, read_bundle(tmp_path / "cache" / "bundles" / made.bundle[:2] / made.bundle)
    )
    shutil.rmtree(tmp_path / "cache" / "bundles" / base[:2] / base)
    record = engine.run(case, ref(case, TestKind.PARITY))
    assert record.verdict is Verdict.FAIL
    assert record.explanation.summary.startswith("not checked: the bundle of its fp32 base")


def test_a_variant_over_its_budget_leaves_a_script_that_shows_it(make_engine, tmp_path):
    """By ONNX Runtime and NumPy alone: the root mean square error against its limit."""
    budgets = {"int8-dynamic": {"min_snr_db": 90, "reason": "cannot be kept"}}
    case = located(ADAPTER, "int8-dynamic", variants=["int8-dynamic"], task=TASK, budgets=budgets)
    record = make_engine().run(case, ref(case, TestKind.PARITY))
    assert record.verdict is Verdict.FAIL
    # held against its base, tensor by tensor
    assert record.explanation.guilty == "quantization"
    assert record.explanation.divergence.between == ("fp32", "int8-dynamic")
    folder = tmp_path / record.failure_folder
    done = subprocess.run(
        [sys.executable, folder / "repro.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "logits: root mean square error" in done.stdout
    assert "label: share that differs" in done.stdout
    told = json.loads((folder / "repro.json").read_text())
    told["outputs"][0]["limit"] *= 1e4
    (folder / "repro.json").write_text(json.dumps(told))
    done = subprocess.run([sys.executable, folder / "repro.py"], check=False)
    assert done.returncode == 0
