from __future__ import annotations

import numpy as np
import pytest

from conformance.bundle import (
    BundleManifest,
    DataSet,
    digest_files,
    read_bundle,
    write_data_sets,
    write_manifest,
)
from conformance.entry import ZooEntry
from conformance.errors import CorruptBundle
from conformance.model import Case

ENTRY = ZooEntry.model_validate(
    {
        "id": "m",
        "framework": "pytorch",
        "source": {"factory": "a.b:c"},
        "inputs": {"spec": {"x": {"shape": [2]}}},
    }
)


@pytest.fixture
def bundle(tmp_path):
    sets = [
        DataSet(
            {"x": np.array([[1.5]], "f4"), "words": np.array([["å"]], object)},
            {"y": np.array(2.5, "f4"), "label": np.array([3])},
            {"y": np.array(2.5000001), "label": np.array([3])},
        )
    ]
    (tmp_path / "model.onnx").write_bytes(b"model")
    write_data_sets(tmp_path, sets)
    manifest = BundleManifest(
        case=Case(ENTRY, "dynamo", 18, "fp32"),
        seed=0,
        versions={"torch": "2"},
        inputs=("x", "words"),
        outputs=("y", "label"),
        data_sets=1,
        fp64_unavailable=None,
        source_median_ns=5,
        export_seconds=1.0,
        size_bytes=5,
        nodes=1,
        peak_rss_bytes=None,
        files=digest_files(tmp_path),
    )
    return write_manifest(tmp_path, manifest)


def test_a_bundle_reads_back_as_it_was_written(bundle):
    """Names, order, dtypes, shapes (scalars too), strings and the fp64 reference survive."""
    again = read_bundle(bundle.path)
    assert again.manifest == bundle.manifest
    (data_set,) = again.data_sets()
    assert list(data_set.inputs) == ["x", "words"]
    assert data_set.inputs["words"].tolist() == [["å"]]
    assert data_set.outputs["y"].shape == ()
    assert data_set.outputs["y"].dtype == np.float32
    assert data_set.outputs_fp64["y"].dtype == np.float64
    assert data_set.outputs_fp64["y"] == 2.5000001


def test_the_layout_is_the_one_that_onnx_test_runners_read(bundle):
    """test_data_set_N with input_i.pb and output_i.pb; the fp64 reference stands apart."""
    names = sorted(f.relative_to(bundle.path).as_posix() for f in bundle.path.rglob("*.pb"))
    assert names == [
        "reference_fp64/test_data_set_0/output_0.pb",
        "reference_fp64/test_data_set_0/output_1.pb",
        "test_data_set_0/input_0.pb",
        "test_data_set_0/input_1.pb",
        "test_data_set_0/output_0.pb",
        "test_data_set_0/output_1.pb",
    ]


@pytest.mark.parametrize("name", ["model.onnx", "test_data_set_0/output_0.pb"])
def test_a_flipped_byte_or_a_missing_file_is_named(bundle, name):
    """No file of a bundle is used unless it is what was written."""
    file = bundle.path / name
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(CorruptBundle, match=f"{name} is damaged"):
        read_bundle(bundle.path)
    file.unlink()
    with pytest.raises(CorruptBundle, match=f"{name} cannot be read"):
        read_bundle(bundle.path)


def test_a_damaged_or_newer_manifest_is_refused(bundle):
    """A manifest that cannot be understood is never guessed at."""
    manifest = bundle.path / "bundle.json"
    text = manifest.read_text()
    manifest.write_text(text.replace('"schema_version": 1', '"schema_version": 99'))
    with pytest.raises(CorruptBundle, match="schema_version 99"):
        read_bundle(bundle.path)
    manifest.write_text(text[:40])
    with pytest.raises(CorruptBundle, match=r"bundle\.json cannot be read"):
        read_bundle(bundle.path)
