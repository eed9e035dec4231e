"""Shipped files against the repository's weights: honest, stale, pooled, of other numbers."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

pytest.importorskip("transformers")
sys.path.insert(0, str(Path(__file__).parents[1] / "sources"))
from hub_server import Hub, serving
from shipped_forms import FORMS

from conformance.bundle import MANIFEST, read_bundle
from conformance.cli import main
from conformance.execution.progress import Progress
from conformance.shipped.comparing import compare_shipped
from conformance.shipped.floors import LEAST_SNR_DB, floors


@pytest.fixture(scope="module")
def audited(request, tmp_path_factory):
    """What the command says of a repository without, then with an honest ONNX file.

    It takes two conversions' time, so that workers of one run share it.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder = folder / "audited"
    with FileLock(f"{folder}.lock"):
        if not (folder / "codes.json").is_file():
            _ask(
                folder,
                request.getfixturevalue("tiny_bert"),
                request.getfixturevalue("kept_children"),
            )
    codes = json.loads((folder / "codes.json").read_text())
    (made,) = json.loads((folder / "converted.json").read_text())["models"]
    (audit,) = json.loads((folder / "audit.json").read_text())["models"]
    cache = folder / "cache"
    bundle = next(file.parent for file in sorted(cache.rglob(MANIFEST)))
    own = _inlined(Path(made["local_path"]))
    return {"codes": codes, "made": made, "audit": audit, "own": own, "bundle": bundle,
            "cache": cache}  # fmt: skip


def _ask(folder, tiny_bert, kept_children):
    """Serve the repository, and leave in ``folder`` what the two commands wrote."""
    remote, cache = folder / "remote", folder / "cache"
    shutil.copytree(tiny_bert, remote)
    with pytest.MonkeyPatch.context() as patch, serving(Hub("tiny/bert", remote)) as hub:
        patch.setattr("conformance.execution.child.children", lambda: kept_children)
        for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
            patch.delenv(name, raising=False)
        patch.setenv("HF_HOME", str(folder / "hf_home"))
        patch.setenv("HF_ENDPOINT", hub.url)
        command = ["check", "--model", "tiny/bert", "--cache-dir", str(cache)]
        codes = [main([*command, "--convert", "--output", str(folder / "converted.json")])]
        (made,) = json.loads((folder / "converted.json").read_text())["models"]
        (remote / "onnx").mkdir()
        own = _inlined(Path(made["local_path"]))
        (remote / "onnx" / "model.onnx").write_bytes(own.SerializeToString())
        hub.commit = "beef" + "1" * 36  # a commit that adds the file
        command += ["--onnx-path", "onnx/model.onnx", "--audit"]
        codes.append(main([*command, "--output", str(folder / "audit.json")]))
    (folder / "codes.json").write_text(json.dumps(codes))


def _inlined(path):
    """A model with its weights in the file itself."""
    import onnx

    return onnx.load(path)


def compared(audited, model, tmp_path, limits=None):
    """What the comparison says of a model, as in the audit's process."""
    import onnx

    file = tmp_path / "shipped.onnx"
    onnx.save(model, file)
    payload = {"model": str(file), "bundle": str(audited["bundle"]), "limits": limits or {}}
    return compare_shipped(payload, Progress(tmp_path / "progress.json", "x"))


def copy_of(audited):
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(audited["own"])
    return model


def kinds(found):
    return [finding["kind"] for finding in found["findings"]]


def test_what_is_missing_is_converted_and_registered(audited):
    """`check --convert` makes the file, proves it, and the registry knows it."""
    assert audited["codes"][0] == 0
    assert audited["made"]["status"] == "converted"
    registry = json.loads((audited["cache"] / "conversion_registry.json").read_text())
    (entry,) = registry["conversions"].values()
    assert entry["local_path"] == audited["made"]["local_path"]
    assert (entry["model_id"], entry["model_type"]) == ("tiny/bert", "bert")
    assert entry["verification_status"] == "pass"
    assert entry["file_size_bytes"] > 10_000


def test_an_honest_file_is_current(audited):
    """The command's audit of a file made from the same weights finds every output the same."""
    assert audited["codes"][1] == 0
    found = audited["audit"]["audit"]
    assert found["current"] is True
    assert [f["kind"] for f in found["findings"]] == ["same", "same"]
    assert found["same_weights"] == found["weights"] > 0
    assert found["dtype"] == "float32"


def test_stale_weights_are_found(audited, tmp_path):
    """One trained step away is stale, and how many weights are still the repository's is told."""
    from onnx import numpy_helper

    model = copy_of(audited)
    tensor = max(model.graph.initializer, key=lambda t: int(np.prod(t.dims)))
    array = numpy_helper.to_array(tensor)
    tensor.CopyFrom(numpy_helper.from_array((array * 1.01).astype(np.float32), tensor.name))
    found = compared(audited, model, tmp_path)
    assert "stale" in kinds(found)
    assert found["same_weights"] == found["weights"] - 1
    assert "weights are the repository's" in found["findings"][0]["detail"]


def test_half_precision_is_told_as_such(audited, tmp_path):
    """The same weights in float16 are another dtype, not stale."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    half = convert_float_to_float16(copy_of(audited), keep_io_types=True)
    found = compared(audited, half, tmp_path)
    assert found["dtype"] == "float16"
    assert set(kinds(found)) == {"dtype"}
    assert all(f["snr_db"] > 40 for f in found["findings"])


def test_stale_weights_do_not_hide_behind_half_precision(audited, tmp_path):
    """What float16 does not explain is stale."""
    from onnx import numpy_helper
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = copy_of(audited)
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32 and array.size > 200:
            tensor.CopyFrom(numpy_helper.from_array(array * np.float32(1.1), tensor.name))
    found = compared(audited, convert_float_to_float16(model, keep_io_types=True), tmp_path)
    assert "stale" in kinds(found)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_told_from_stale_weights(audited, tmp_path, form):
    """Honest ones are their dtype; of other weights, none hides behind its numbers."""
    from onnx import numpy_helper

    dtype, made = FORMS[form]
    found = compared(audited, made(copy_of(audited), tmp_path / "made.onnx"), tmp_path)
    assert found["dtype"] == dtype
    assert set(kinds(found)) == {"dtype"}
    stale, rng = copy_of(audited), np.random.default_rng(1)
    for tensor in stale.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32 and array.ndim > 1:
            other = rng.permutation(array.ravel()).reshape(array.shape)
            tensor.CopyFrom(numpy_helper.from_array(other, tensor.name))
    found = compared(audited, made(stale, tmp_path / "stale.onnx"), tmp_path)
    assert found["dtype"] == dtype
    assert set(kinds(found)) == {"stale"}


@pytest.mark.parametrize("form", ["fp16", "int8", "uint8"])
def test_weights_that_are_some_percent_off_do_not_hide_behind_eight_bits(audited, tmp_path, form):
    """What the repository's own weights get in the form tells what the form explains."""
    from onnx import numpy_helper

    _, made = FORMS[form]
    stale, rng = copy_of(audited), np.random.default_rng(2)
    for tensor in stale.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32 and array.ndim > 1:
            drifted = array + 0.1 * array.std() * rng.standard_normal(array.shape)
            tensor.CopyFrom(numpy_helper.from_array(drifted.astype(np.float32), tensor.name))
    found = compared(audited, made(stale, tmp_path / "stale.onnx"), tmp_path)
    assert set(kinds(found)) == {"stale"}
    # beyond what any model's floor would have shown
    assert form == "fp16" or all(f["snr_db"] > LEAST_SNR_DB["int8"] for f in found["findings"])


def test_floors_are_measured_or_those_of_any_model(audited, tmp_path):
    """Of float32 there are none; where no form can be made, the dtype's own is what is left."""
    bundle = read_bundle(audited["bundle"])
    data_sets = list(bundle.data_sets())
    assert floors("float32", bundle.model_path, data_sets) == {}
    measured = floors("int8", bundle.model_path, data_sets)
    assert measured.keys() == set(bundle.manifest.outputs)
    assert all(floor > LEAST_SNR_DB["int8"] for floor in measured.values())
    broken = tmp_path / "model.onnx"
    broken.write_bytes(b"no model")
    assert set(floors("int8", broken, data_sets).values()) == {LEAST_SNR_DB["int8"]}
    assert set(floors("bfloat16", broken, data_sets).values()) == {LEAST_SNR_DB["bfloat16"]}


def test_the_nearest_of_several_poolings_is_named(audited, tmp_path):
    """In few bits a mean with padding is near one without it, too; what is nearest counts."""
    _, made = FORMS["int8"]
    model = made(pooled_model(audited, normalize=False), tmp_path / "made.onnx")
    (finding,) = compared(audited, model, tmp_path)["findings"]
    assert finding["kind"] == "pooling"
    assert "mean of all tokens, padding included" in finding["detail"]


def pooled_model(audited, normalize):
    """Our model with a plain mean over its tokens as its only output."""
    from onnx import TensorProto, helper

    model = copy_of(audited)
    tokens = model.graph.output[0].name
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    model.graph.initializer.append(axes)
    mean = helper.make_node("ReduceMean", [tokens, "axes"], ["sentence"], keepdims=0)
    model.graph.node.append(mean)
    name = "sentence"
    if normalize:
        model.graph.node.append(
            helper.make_node("LpNormalization", ["sentence"], ["unit"], axis=-1, p=2)
        )
        name = "unit"
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 16]))
    return model


@pytest.mark.parametrize("normalize", [False, True])
def test_another_pooling_is_named(audited, tmp_path, normalize):
    """A vector that is the mean of the source's tokens, scaled or not, is told as just that."""
    found = compared(audited, pooled_model(audited, normalize), tmp_path)
    (finding,) = found["findings"]
    assert finding["kind"] == "pooling"
    assert "mean of all tokens, padding included" in finding["detail"]
    assert ("scaled to length 1" in finding["detail"]) is normalize


def test_the_same_weights_computed_otherwise_are_no_stale_ones(audited, tmp_path):
    """Where all weights are the repository's and the answers are not, the graph is different."""
    from onnx import helper

    model = copy_of(audited)
    name = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["before" if o == name else o for o in node.output]
        node.input[:] = ["before" if i == name else i for i in node.input]
    model.graph.node.append(helper.make_node("Neg", ["before"], [name]))
    found = compared(audited, model, tmp_path)
    assert found["findings"][0]["kind"] == "graph"


def test_a_model_with_other_inputs_cannot_be_compared(audited, tmp_path):
    """What it takes and the source does not is told; nothing is called current."""
    model = copy_of(audited)
    for node in model.graph.node:
        node.input[:] = ["ids" if i == "input_ids" else i for i in node.input]
    model.graph.input[0].name = "ids"
    found = compared(audited, model, tmp_path)
    assert kinds(found) == ["interface"]
    assert "takes an input 'ids'" in found["findings"][0]["detail"]
