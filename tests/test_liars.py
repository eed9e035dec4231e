"""Everything that is wrong is caught, nothing that is right is accused, and both are published."""

from __future__ import annotations

import os
from importlib import import_module

import pytest
from zoo_cases import HERE, located, ref

from conformance.engine import Engine
from conformance.execution.child import children
from conformance.model import Stage, TestKind, Verdict
from conformance.tasks import Settings

PUBLISHED = HERE.parent / "docs" / "verdicts.md"
LIES, FAMILIES = "miniature_liars", "miniature_families"

LIARS = [
    ("SlightlyWrong", Verdict.FAIL, Stage.PARITY, "its limit"),
    (f"{FAMILIES}:TenTimesItsNoise", Verdict.FAIL, Stage.PARITY, "its limit"),
    (f"{LIES}:HalfPrecision", Verdict.FAIL, Stage.PARITY, "its limit"),
    ("OtherWeights", Verdict.FAIL, Stage.PARITY, "its limit"),
    ("DroppedEffect", Verdict.FAIL, Stage.PARITY, "output 'z'"),
    (f"{LIES}:FrozenOutput", Verdict.FAIL, Stage.PARITY, "its limit"),
    ("SwappedOutputs", Verdict.FAIL, Stage.CHECK, "outputs are ['z', 'y']"),
    (f"{LIES}:SwappedContents", Verdict.FAIL, Stage.PARITY, "its limit"),
    (f"{FAMILIES}:Transposed", Verdict.FAIL, Stage.PARITY, "output 'm': error"),
    (f"{FAMILIES}:DroppedMask", Verdict.FAIL, Stage.PARITY, "output 'mean': error"),
    (f"{FAMILIES}:CountedPadding", Verdict.FAIL, Stage.PARITY, "output 'mean': error"),
    (f"{FAMILIES}:WrongLabels", Verdict.FAIL, Stage.PARITY, "elements differ, the first at"),
    (f"{FAMILIES}:PositionsForLabels", Verdict.FAIL, Stage.PARITY, "11 of 11 elements differ"),
    (
        f"{FAMILIES}:OneTooFew",
        Verdict.FAIL,
        Stage.PARITY,
        "shape is (4, 5, 3), the source's is (4, 6",
    ),
    (f"{FAMILIES}:OffByOne", Verdict.FAIL, Stage.PARITY, "output 'sums': error"),
    (f"{FAMILIES}:Forgetful", Verdict.FAIL, Stage.PARITY, "greedy generation: token"),
    (f"{FAMILIES}:WrongThreshold", Verdict.FAIL, Stage.PARITY, "output 'y'"),
    (
        f"{LIES}:MissingOutput",
        Verdict.FAIL,
        Stage.CHECK,
        "outputs are ['y'], the source's are ['y', 'z']",
    ),
    (
        f"{LIES}:ExtraOutput",
        Verdict.FAIL,
        Stage.CHECK,
        "outputs are ['y', 'z'], the source's are ['y']",
    ),
    (f"{LIES}:WrongDtype", Verdict.FAIL, Stage.PARITY, "dtype is float64, the source's is float32"),
    (
        f"{LIES}:BroadcastableShape",
        Verdict.FAIL,
        Stage.PARITY,
        "shape is (4, 1, 2), the source's is (4, 2",
    ),
    ("StaticBatch", Verdict.FAIL, Stage.CHECK, "is fixed at 4"),
    (f"{LIES}:ReshapedBatch", Verdict.FAIL, Stage.SESSION, "cannot be reshaped"),
    (f"{LIES}:SlicedBatch", Verdict.FAIL, Stage.PARITY, "shape is (4, 2), the source's is (7, 2)"),
    ("OtherOpset", Verdict.FAIL, Stage.CHECK, "opset 17, asked for was 18"),
    (f"{LIES}:RandomExport", Verdict.FAIL, Stage.PARITY, "its limit"),
    ("Random", Verdict.FAIL, Stage.REFERENCE, "differs between two runs"),
    ("NotANumber", Verdict.VACUOUS, Stage.PARITY, "NaN or infinite on both sides"),
    (f"{LIES}:NoElements", Verdict.VACUOUS, Stage.PARITY, "no elements"),
    ("Constant", Verdict.VACUOUS, Stage.PARITY, "within the accepted error"),
    (f"{LIES}:AllConstant", Verdict.VACUOUS, Stage.PARITY, "every output is declared constant"),
    (f"{LIES}:ShapeOnly", Verdict.VACUOUS, Stage.PARITY, "shape of the inputs alone"),
    (f"{LIES}:MovingConstant", Verdict.FAIL, Stage.PARITY, "output 'z'"),
    (f"{LIES}:IgnoredInput", Verdict.VACUOUS, Stage.CHECK, "no output depends on input mask"),
    (f"{LIES}:TinyScale", Verdict.VACUOUS, Stage.PARITY, "accepted error"),
    (f"{LIES}:LooseReference", Verdict.VACUOUS, Stage.PARITY, "noise"),
    (f"{FAMILIES}:AllTies", Verdict.FAIL, Stage.PARITY, "that may be set aside"),
    ("Empty", Verdict.FAIL, Stage.REFERENCE, "returned no outputs"),
    ("CannotLoad", Verdict.FAIL, Stage.LOAD, "the weights are missing"),
    ("NoSuchAdapter", Verdict.FAIL, Stage.LOAD, "has no 'NoSuchAdapter'"),
    ("NoFile", Verdict.FAIL, Stage.EXPORT, "without writing a model"),
    ("NotOnnx", Verdict.FAIL, Stage.CHECK, "is a web page, not the file"),
    ("Raises", Verdict.FAIL, Stage.EXPORT, "NotImplementedError: operator 'fancy'"),
    ("Segfaults", Verdict.FAIL, Stage.EXPORT, "SIGSEGV"),
    ("Exits", Verdict.FAIL, Stage.EXPORT, "status 3"),
    ("Hangs", Verdict.FAIL, Stage.EXPORT, "timeout of 2 s"),
    ("Killed", Verdict.INFRA_ERROR, Stage.EXPORT, "SIGKILL"),
]
HONEST = [
    "Honest",
    "NoFloat64",
    f"{LIES}:ConstantByDesign",
    f"{FAMILIES}:Noisy",
    f"{FAMILIES}:Masked",
    f"{FAMILIES}:Classifier",
    f"{FAMILIES}:Sequence",
    f"{FAMILIES}:Generator",
    f"{FAMILIES}:Matrix",
    f"{FAMILIES}:Tree",
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("liars")
    settings = Settings(
        cache_dir=folder / "cache",
        workdir=folder / "work",
        progress=folder / "progress.json",
        offline=False,
        require=False,
        seed=0,
        failures_dir=folder / "failures",
    )
    made = Engine(settings, children({"PYTHONPATH": os.fspath(HERE)}), {})
    yield made
    made.close()


@pytest.mark.parametrize(("liar", "verdict", "stage", "text"), LIARS)
def test_a_liar_is_caught_at_its_stage(engine, liar, verdict, stage, text):
    """Each way to be wrong gets its verdict and stage, and no case of it ends as a pass."""
    case = located(liar, timeout=2 if liar == "Hangs" else 60)
    records = [engine.run(case, ref(case, test)) for test in TestKind]
    (told,) = [r for r in records if r.verdict not in (Verdict.PASS, Verdict.NOT_RUN)]
    assert (told.verdict, told.stage) == (verdict, stage)
    assert text in f"{told.reason}\n{told.details}"


@pytest.mark.parametrize("honest", HONEST)
def test_an_honest_miniature_is_not_accused(engine, honest):
    """Export and parity pass, with something that was really compared."""
    case = located(honest)
    for test in (TestKind.EXPORT, TestKind.PARITY):
        record = engine.run(case, ref(case, test))
        assert (record.verdict, record.reason) == (Verdict.PASS, None)
    assert all(output.ratio is not None for output in record.parity.outputs)


def test_a_flip_at_a_threshold_is_set_aside_and_told(engine):
    """Of the honest tree, one row per data set differs by a leaf, and is explained as a tie."""
    case = located(f"{FAMILIES}:Tree")
    parity = engine.run(case, ref(case, TestKind.PARITY)).parity
    assert parity.outputs[0].set_aside >= 2
    (splits,) = [d for d in parity.decisions if d.kind == "tree splits"]
    assert (splits.ties, splits.problem) == (2, None)


def test_the_table_holds_every_miniature():
    """Nobody adds a miniature without saying what it gets."""
    named = {name.rpartition(":")[2] for name in (*HONEST, *(liar[0] for liar in LIARS))}
    there = {
        name
        for module in ("miniatures", LIES, FAMILIES)
        for name, kind in vars(import_module(module)).items()
        if isinstance(kind, type) and hasattr(kind, "export")
    }
    assert there - {"Family"} == named - {"NoSuchAdapter"}


def test_the_published_table_is_true():
    """docs/verdicts.md names each miniature with what it does and the verdict that it gets."""
    rows = [line for line in PUBLISHED.read_text().splitlines() if line.startswith("| `")]
    for liar, verdict, stage, _ in LIARS:
        module, _, name = liar.rpartition(":")
        (row,) = [line for line in rows if line.startswith(f"| `{name}` ")]
        kind = getattr(import_module(module or "miniatures"), name, None)
        what = "The adapter that the zoo names does not exist" if kind is None else _says(kind)
        assert row == f"| `{name}` | {what} | `{verdict}` | {stage} |"
    for honest in HONEST:
        module, _, name = honest.rpartition(":")
        (row,) = [line for line in rows if line.startswith(f"| `{name}` ")]
        what = _says(getattr(import_module(module or "miniatures"), name))
        assert row == f"| `{name}` | {what} | `pass` |"


def _says(kind):
    return " ".join(kind.__doc__.split()).removesuffix(".")
