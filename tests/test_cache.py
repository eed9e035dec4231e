from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

import conformance
from conformance.bundle import BundleManifest, digest_files, write_manifest
from conformance.cache import ENGINE, BundleCache, bundle_key
from conformance.entry import Conversion, ZooEntry
from conformance.model import Case, FrameworkInfo

INFO = FrameworkInfo("mini", ("mini",), 18, (13, 21), ("numpy",), "", (), Conversion)


def entry(**more):
    return ZooEntry.model_validate(
        {
            "id": "m",
            "framework": "mini",
            "source": {"factory": "made_model:build", "args": {"width": 2}},
            "inputs": {"spec": {"x": {"shape": [2]}}},
            **more,
        }
    )


CASE = Case(entry(), "mini", 18, "fp32")


def fill(folder):
    (folder / "model.onnx").write_bytes(b"model")
    write_manifest(
        folder,
        BundleManifest(
            CASE, 0, {}, ("x",), ("y",), 0, None, None, 1.0, 5, 1, None, digest_files(folder)
        ),
    )
    return "made"


def test_a_bundle_is_made_once_and_found_afterwards(tmp_path):
    """The second call finds the first call's bundle and does not make it again."""
    cache = BundleCache(tmp_path)
    bundle, outcome = cache.get_or_make("abcd", fill)
    assert outcome == "made"
    again, outcome = cache.get_or_make("abcd", pytest.fail)
    assert outcome is None
    assert again.path == bundle.path


def test_an_incomplete_bundle_leaves_nothing_behind(tmp_path):
    """A folder without its manifest never becomes a bundle."""
    bundle, outcome = BundleCache(tmp_path).get_or_make(
        "abcd", lambda folder: (folder / "model.onnx").write_bytes(b"half")
    )
    assert (bundle, outcome) == (None, 4)
    assert not [f for f in (tmp_path / "bundles").rglob("*") if f.is_file()]


def test_a_damaged_bundle_is_dropped_with_a_warning_and_made_anew(tmp_path):
    """A flipped byte is never served."""
    cache = BundleCache(tmp_path)
    bundle, _ = cache.get_or_make("abcd", fill)
    bundle.model_path.write_bytes(b"mudel")
    with pytest.warns(UserWarning, match=r"cached bundle dropped: .*model\.onnx is damaged"):
        again, outcome = cache.get_or_make("abcd", fill)
    assert outcome == "made"
    assert again.model_path.read_bytes() == b"model"


def test_two_who_want_the_same_bundle_make_it_once(tmp_path):
    """The lock makes the second wait, and then find."""
    made = []

    def slow(folder):
        made.append(threading.get_ident())
        return fill(folder)

    threads = [
        threading.Thread(target=BundleCache(tmp_path).get_or_make, args=("abcd", slow))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


@pytest.fixture
def key(tmp_path):
    (tmp_path / "made_model.py").write_text("def build(width): ...")

    def compute(case=CASE, seed=0, folder=tmp_path):
        return bundle_key(case, INFO, folder, seed)

    return compute


def test_the_key_changes_with_everything_that_decides_a_conversion(key, tmp_path):
    """Exporter, opset, variant, seed, source, inputs and versions each make another key."""
    other_source = entry(source={"factory": "made_model:build", "args": {"width": 3}})
    other_inputs = entry(inputs={"spec": {"x": {"shape": [3]}}})
    keys = {
        key(),
        key(replace(CASE, exporter="other")),
        key(replace(CASE, opset=19)),
        key(replace(CASE, variant="int8")),
        key(seed=1),
        key(replace(CASE, entry=other_source)),
        key(replace(CASE, entry=other_inputs)),
        bundle_key(CASE, replace(INFO, distributions=("onnx", "pytest")), tmp_path, 0),
    }
    assert len(keys) == 8


def test_the_key_does_not_change_with_what_only_judges(key):
    """Tolerance, expectations, tags and timeout leave a conversion as it is."""
    judged = entry(tags=["full"], timeout=5, tolerance={"k": 9, "reason": "test"})
    assert key(replace(CASE, entry=judged)) == key()


def test_the_key_changes_with_the_factorys_code(key, tmp_path):
    """The module that builds the model is part of the model, wherever the checkout stands."""
    for name, code in (("same", "def build(width): ..."), ("other", "def build(width): 1")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "made_model.py").write_text(code)
    assert key(folder=tmp_path / "same") == key()
    assert key(folder=tmp_path / "other") != key()


def test_the_code_that_the_key_rests_on_is_there():
    """A module that was moved must not drop out of the key in silence."""
    package = Path(conformance.__file__).parent
    assert [name for name in ENGINE if not (package / name).exists()] == []
