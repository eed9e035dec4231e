from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from variant_cases import case_of, make_base, make_variant, proven
from zoo_cases import HERE

from conformance.bundle import read_bundle, write_manifest
from conformance.cache import variant_key
from conformance.calibration import calibration_data, judged_inputs
from conformance.errors import VariantError
from conformance.judging import parity_failure
from conformance.model import Verdict
from conformance.variants import VARIANTS

STATIC = VARIANTS["int8-static"]
DYNAMIC_ROWS = {"x": {0: "batch"}}
FEW = {"inputs": {"factory": "calibration_inputs:from_few"}, "dynamic": DYNAMIC_ROWS}
SAME = {"inputs": {"factory": "calibration_inputs:the_same"}, "dynamic": DYNAMIC_ROWS}


def asked(bundle, **calibration):
    """A bundle of an entry that asks for this calibration."""
    case = case_of(variants=["int8-static"], calibration=calibration).case
    entry = bundle.manifest.case.entry.model_copy(update={"calibration": case.entry.calibration})
    own = replace(bundle.manifest.case, entry=entry)
    return replace(bundle, manifest=replace(bundle.manifest, case=own))


def rows(sets):
    return {row.tobytes() for one in sets for row in one["x"]}


def test_calibration_never_sees_what_is_judged(base):
    """Of sets drawn by the entry's own spec: not one row of any data set or probe."""
    bundle = read_bundle(base)
    judged = rows(judged_inputs(bundle))
    assert {len(d.inputs["x"]) for d in bundle.data_sets()} == {16, 40}
    assert len(judged) > 56
    found = calibration_data(bundle, HERE, 0)
    assert judged.isdisjoint(rows(found.sets))
    # as many as are asked for, at all sizes of the entry
    assert [len(one["x"]) for one in found.sets] == [16, 40] * 16
    more = calibration_data(asked(bundle, sets=3), HERE, 0)
    assert len(more.sets) == 3
    assert rows(calibration_data(bundle, HERE, 0).sets) == rows(found.sets)


def test_judged_rows_are_left_out_of_a_pool_that_holds_them(tmp_path):
    """A factory that draws from few rows meets judged ones again; they are counted."""
    make_base(tmp_path / "base", **FEW)
    bundle = read_bundle(tmp_path / "base")
    judged = rows(judged_inputs(bundle))
    found = calibration_data(bundle, HERE, 0)
    assert found.sets
    assert judged.isdisjoint(rows(found.sets))
    assert "rows that are judged left out" in found.told


def test_a_factory_that_ignores_its_seed_is_refused(tmp_path):
    """It gives what is judged again, and nothing else: there is nothing to calibrate on."""
    case = make_base(tmp_path / "base", **SAME)
    with pytest.raises(VariantError, match=r"nothing is left.*hold what is judged") as caught:
        make_variant("int8-static", tmp_path / "base", tmp_path / "made", case)
    assert "'calibration'" in str(caught.value)
    # other variants need no such data
    make_variant("int8-dynamic", tmp_path / "base", tmp_path / "dynamic", case)


def test_inputs_from_files_need_calibration_of_their_own(base, tmp_path):
    """No further set can be drawn from a file: the entry has to name one."""
    bundle = read_bundle(base)
    entry = bundle.manifest.case.entry
    files = entry.inputs.model_copy(update={"spec": None, "sets": (), "files": ("judged.npz",)})
    own = replace(bundle.manifest.case, entry=entry.model_copy(update={"inputs": files}))
    of_files = replace(bundle, manifest=replace(bundle.manifest, case=own))
    with pytest.raises(VariantError, match=r"calibration: \{files"):
        calibration_data(of_files, tmp_path, 0)
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "more.npz", x=rng.normal(size=(50, 32)).astype("f4"))
    found = calibration_data(asked(of_files, files=["more.npz"]), tmp_path, 0)
    assert [len(one["x"]) for one in found.sets] == [50]
    np.savez(tmp_path / "other.npz", z=rng.normal(size=(50, 32)).astype("f4"))
    with pytest.raises(VariantError, match="holds \\['z'\\], the model reads \\['x'\\]"):
        calibration_data(asked(of_files, files=["other.npz"]), tmp_path, 0)


def static_with(base, tmp_path, factory, **args):
    given = {"factory": f"calibration_inputs:{factory}", "args": args}
    case = case_of(variants=["int8-static"], calibration=given)
    bundle = asked(read_bundle(base), **given)
    shutil.copytree(base, tmp_path / "base")
    write_manifest(tmp_path / "base", bundle.manifest)
    return make_variant("int8-static", tmp_path / "base", tmp_path / "made", case)


def test_an_entry_may_name_data_to_calibrate_on(base, tmp_path):
    """The factory's own rows; the report says whose they are."""
    made = static_with(base, tmp_path, "held_out")
    assert parity_failure(proven(made)) is None
    told = read_bundle(made).manifest.derivation.how
    assert "1 calibration sets (of 'calibration_inputs:held_out', none of them judged)" in told


def test_calibration_on_another_range_is_over_the_budget(base, tmp_path):
    """Ranges of a thousandth cut every activation off: nothing of the answers is left."""
    made = static_with(base, tmp_path, "held_out", scale=0.001)
    failure = parity_failure(proven(made))
    assert failure.verdict is Verdict.FAIL
    assert "the budget asks for 20 dB" in failure.reason


def test_constant_calibration_is_refused(base, tmp_path):
    """One value everywhere shows no range, however well the budget might be kept."""
    with pytest.raises(VariantError, match="are constant") as caught:
        static_with(base, tmp_path, "constant")
    assert caught.value.stage == "optimize"


def test_the_key_holds_the_calibration(tmp_path):
    """Other data make another model; of variants that are not calibrated it says nothing."""
    (tmp_path / "own.py").write_text("def sets(seed): return []\n")
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    entries = [
        case_of(variants=["int8-static"], calibration=calibration).case.entry
        for calibration in ({}, {"sets": 2}, {"factory": "own:sets"}, {"files": ["a.npz"]})
    ]
    keys = {variant_key("a", "b", STATIC, entry, tmp_path) for entry in entries}
    assert len(keys) == 4
    dynamic = VARIANTS["int8-dynamic"]
    assert len({variant_key("a", "b", dynamic, entry, tmp_path) for entry in entries}) == 1
